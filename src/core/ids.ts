import { randomBytes } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** One call of the generator for many ids: it asks for each of an id's 16 random digits by itself. */
const pool = { bytes: randomBytes(4096), used: 0 };

function random(): number {
  if (pool.used === pool.bytes.length) {
    pool.bytes = randomBytes(4096);
    pool.used = 0;
  }
  return pool.bytes[pool.used++]! / 256;
}

const nextUlid = monotonicFactory(random);

/** A documented prefix and a time-ordered 26-character lowercase ULID: `org_01k9…`. */
export function newId(prefix: string, now: number = Date.now()): string {
  return `${prefix}_${nextUlid(now).toLowerCase()}`;
}

/** The form of every id that we make; `org_root` and the like in the documents are shortened examples. */
export const idPattern = (prefix: string): RegExp => new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`);
