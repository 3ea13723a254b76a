import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { Kit } from '../kit/app.ts';
import type { Case, Client } from './clients.ts';

const samples = join(import.meta.dirname, '../samples/foreign-clients');
const recorded: readonly Case[] = ['signed call', 'attachment (SwA)', 'attachment (MTOM)', 'tampered refused'];

/** Keeps what a client sends, octet by octet. */
export class Recorder implements Disposable {
  #last: Buffer | undefined;
  readonly #folder: string;

  constructor(client: Client, { tenant }: Kit) {
    this.#folder = join(samples, client.folder);
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'partner.pem'), tenant.certificate.certificate);
    writeFileSync(join(this.#folder, 'recorded-at'), `${new Date().toISOString()}\n`);
    subscribe('http.server.request.start', this.#listen);
  }

  [Symbol.dispose](): void {
    unsubscribe('http.server.request.start', this.#listen);
  }

  /** Writes the request that was received last to a file named after the case. */
  keep(claimed: Case): void {
    if (!recorded.includes(claimed) || this.#last === undefined) return;
    writeFileSync(join(this.#folder, `${claimed.replace(/\W+$/, '').replaceAll(/\W+/g, '-')}.http`), this.#last);
  }

  readonly #listen = (message: unknown): void => {
    const { request } = message as { request: IncomingMessage };
    if (request.method !== 'POST' || !request.url?.startsWith('/soap/')) return;
    const chunks: Buffer[] = [];
    const push = request.push.bind(request);
    request.push = (chunk, encoding) => {
      if (chunk !== null) chunks.push(Buffer.from(chunk));
      else this.#last = Buffer.concat([headOf(request), ...chunks]);
      return push(chunk, encoding);
    };
  };
}

/** Without the API key: it is no part of what is signed, and it is a secret. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() !== 'authorization') lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
