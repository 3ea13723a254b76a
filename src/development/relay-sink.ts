import { mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerSession } from 'smtp-server';

/**
 * DEVELOPMENT ONLY: the relay that development mail ends in. It speaks real SMTP with STARTTLS and keeps what it is
 * given, in memory and as .eml files; nothing leaves this machine.
 */
export interface SunkMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: Buffer;
  readonly tls: boolean;
}

type Said = 'lose' | string | undefined;

/** How the sink should misbehave, so that tests meet every answer a relay can give. */
export interface SinkRules {
  /** Reply to RCPT TO, such as `550 5.1.1 no such user`; undefined accepts. */
  recipient?(address: string): string | undefined;
  /** Reply to the message; `lose` takes the mail and closes without a word, as a relay that dies after the final dot. */
  message?(mail: SunkMail): Said | Promise<Said>;
}

export interface SinkOptions extends SinkRules {
  /** PEM texts; the certificate must name the host that the sender connects to. */
  readonly certificate: string;
  readonly key: string;
  /** Folder for the .eml files; memory only when absent. */
  readonly outbox?: string;
  readonly port?: number;
  readonly host?: string;
  readonly maxBytes?: number;
  /** TLS from the first byte instead of STARTTLS. */
  readonly implicitTls?: boolean;
  /** Offers no TLS, to see that nobody sends to it. */
  readonly plain?: boolean;
}

export class RelaySink {
  readonly mails: SunkMail[] = [];
  readonly #server: SMTPServer;
  readonly #options: SinkOptions;

  private constructor(options: SinkOptions) {
    this.#options = options;
    this.#server = new SMTPServer({
      name: 'relay-sink.development',
      banner: 'DEVELOPMENT relay sink: mail ends here',
      key: options.key,
      cert: options.certificate,
      size: options.maxBytes ?? 64 * 1024 * 1024,
      authOptional: true,
      secure: options.implicitTls === true,
      disabledCommands: options.plain ? ['AUTH', 'STARTTLS'] : ['AUTH'],
      disableReverseLookup: true,
      closeTimeout: 1000,
      onMailFrom: (_address, session, done) => done(session.secure ? undefined : reply('530 5.7.0 STARTTLS first')),
      onRcptTo: ({ address }, _session, done) => done(reply(options.recipient?.(address))),
      onData: (stream, session, done) => {
        buffer(stream)
          .then(raw => this.#take(raw, session))
          .then(done, done);
      },
    });
    // A sender that goes away, or does not like our certificate, is its own business.
    this.#server.on('error', () => {});
  }

  static async start(options: SinkOptions): Promise<RelaySink> {
    const sink = new RelaySink(options);
    if (options.outbox !== undefined) await mkdir(options.outbox, { recursive: true });
    await new Promise<void>((resolve, reject) => {
      sink.#server.server.once('error', reject);
      sink.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => resolve());
    });
    return sink;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  /** Ends every connection, answered or not. */
  async close(): Promise<void> {
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
  }

  async #take(raw: Buffer, session: SMTPServerSession): Promise<Error | undefined> {
    const { mailFrom, rcptTo } = session.envelope;
    const mail: SunkMail = {
      from: mailFrom === false ? '' : mailFrom.address,
      to: rcptTo.map(recipient => recipient.address),
      raw,
      tls: session.secure,
    };
    const verdict = await this.#options.message?.(mail);
    if (verdict !== undefined && verdict !== 'lose') return reply(verdict);
    this.mails.push(mail);
    if (this.#options.outbox !== undefined) await writeFile(join(this.#options.outbox, fileName(raw)), raw);
    if (verdict === 'lose') await this.#hangUp(session);
    return undefined;
  }

  /** Never resolves: the reply must not be written. */
  #hangUp(session: SMTPServerSession): Promise<never> {
    for (const connection of this.#server.connections) {
      if (connection.id === session.id) connection.close();
    }
    return new Promise(() => {});
  }
}

function reply(text: string | undefined): Error | undefined {
  if (text === undefined) return undefined;
  const [code, ...rest] = text.split(' ');
  return Object.assign(new Error(rest.join(' ')), { responseCode: Number(code) });
}

/** Sorts by arrival; the Message-ID makes a repeated delivery visible. */
function fileName(raw: Buffer): string {
  const id = /^Message-ID: <([\w.-]+)@/im.exec(raw.toString('latin1', 0, 8192))?.[1] ?? 'message';
  return `${new Date().toISOString().replaceAll(':', '-')}-${id}.eml`;
}
