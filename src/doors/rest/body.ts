import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../../core/errors.ts';
import { sha256Hex } from '../../core/request-signature.ts';
import type { BodyLease } from '../../gate/body-room.ts';

export interface Body {
  readonly octets: Buffer;
  /** SHA-256, lowercase hex. */
  readonly hash: string;
}

const empty: Body = { octets: Buffer.alloc(0), hash: sha256Hex('') };

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Reads and hashes the body; 413 as soon as it is known to be longer than `limit` octets, 400 when its sender leaves. */
export async function readBody(request: IncomingMessage, limit: number, lease: BodyLease): Promise<Body> {
  if (!hasBody(request)) return empty;
  if (Number(request.headers['content-length'] ?? 0) > limit) tooLarge(limit);
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let length = 0;
  // The stream stays open when the loop is left: the answer still has to go out over its socket.
  for await (const chunk of octetsOf(request)) {
    length += chunk.length;
    if (length > limit) tooLarge(limit);
    lease.take(chunk.length);
    hash.update(chunk);
    chunks.push(chunk);
  }
  return { octets: Buffer.concat(chunks), hash: hash.digest('hex') };
}

/** Whoever breaks off makes no error of ours, neither in the log nor in the figures. */
async function* octetsOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new Refusal('malformed', 'The request body broke off.', { cause });
  }
}

function tooLarge(limit: number): never {
  throw new Refusal('too_large', `The request body is larger than ${limit} octets.`);
}
