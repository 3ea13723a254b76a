import { randomBytes } from 'node:crypto';
import { monotonicFactory } from 'ulid';

const nextUlid = monotonicFactory(() => randomBytes(1)[0]! / 256);

/** A documented prefix and a time-ordered 26-character lowercase ULID: `org_01k9…`. */
export function newId(prefix: string, now: number = Date.now()): string {
  return `${prefix}_${nextUlid(now).toLowerCase()}`;
}

/** The form of every id that we make; `org_root` and the like in the documents are shortened examples. */
export const idPattern = (prefix: string): RegExp => new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`);
