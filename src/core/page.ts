import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import { Refusal } from './errors.ts';
import type { Keyring } from './seal.ts';

/** The list that a cursor belongs to. On any other it is refused. */
export interface CursorScope {
  readonly operation: string;
  readonly organization: string;
  /** What narrows the list, as the caller wrote it. */
  readonly filter: Readonly<Record<string, unknown>>;
  readonly sort: string;
}

const purpose = 'cursor';

/** An opaque cursor: the position, and an HMAC over position and list. */
export function encodeCursor(keyring: Keyring, scope: CursorScope, position: string): string {
  const mac = keyring.mac(purpose, scope.organization, covered(scope, position));
  return `${Buffer.from(position, 'utf8').toString('base64url')}.${mac.toString('base64url')}`;
}

/** The position. Refusal `cursor_invalid` unless the cursor was made here, for this very list. */
export function decodeCursor(keyring: Keyring, scope: CursorScope, cursor: string): string {
  const [encoded = '', mac = '', ...more] = cursor.split('.');
  const position = Buffer.from(encoded, 'base64url').toString('utf8');
  const genuine =
    more.length === 0 &&
    isAsWritten(encoded, mac) &&
    keyring.verify(purpose, scope.organization, covered(scope, position), Buffer.from(mac, 'base64url'));
  if (!genuine) throw new Refusal('cursor_invalid');
  return position;
}

/** Node reads base64url loosely: of the many spellings of the same octets only the one that we write is a cursor. */
function isAsWritten(...parts: string[]): boolean {
  return parts.every(part => Buffer.from(part, 'base64url').toString('base64url') === part);
}

function covered({ operation, organization, filter, sort }: CursorScope, position: string): Buffer {
  const text = canonicalJson({ operation, organization, filter: { ...filter }, sort, position });
  return createHash('sha256').update(text).digest();
}
