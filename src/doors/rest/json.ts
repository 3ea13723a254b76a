import { Refusal } from '../../core/errors.ts';

const deepest = 32;
/** Members and items of the whole text: every one costs a check, and perhaps a line of the answer. */
const mostValues = 10_000;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A JSON object (RFC 8259) that every parser reads alike. Refused with 400 beside what is no JSON: octets that are not UTF-8,
 * a byte order mark, a member twice, `__proto__`, NUL and lone surrogates in strings, more than 32 levels; with 413 more than
 * 10,000 members and items.
 */
export function parseJsonObject(octets: Buffer): Record<string, unknown> {
  const text = decode(octets);
  checkTokens(text);
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return malformed('must be a JSON object');
  return value as Record<string, unknown>;
}

function decode(octets: Buffer): string {
  try {
    return utf8.decode(octets);
  } catch {
    return malformed('is not UTF-8');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return malformed('is not valid JSON');
  }
}

/** Walks the brackets and strings of a text that may be no JSON at all; before anything is built from it. */
function checkTokens(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  let keyComes = false;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      const value = stringValue(text.slice(at, end + 1));
      if (keyComes) addKey(open.at(-1)!, value);
      keyComes = false;
      at = end;
    } else if (character === '{' || character === '[') {
      keyComes = character === '{';
      if (open.push(keyComes ? new Set() : undefined) > deepest) malformed(`is nested deeper than ${deepest} levels`);
    } else if (character === '}' || character === ']') {
      open.pop();
      keyComes = false;
    } else if (character === ',') {
      if (++values > mostValues)
        throw new Refusal('too_large', `The request body holds more than ${mostValues} values.`);
      keyComes = open.at(-1) !== undefined;
    }
  }
}

/** Index of the closing quote: the next one with an even number of backslashes before it. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return malformed('is not valid JSON');
}

function stringValue(literal: string): string {
  // Only an escape can bring in what UTF-8 decoding and the grammar keep out.
  if (!literal.includes('\\')) return literal.slice(1, -1);
  const value = parse(literal) as string;
  if (value.includes('\0')) malformed('holds a NUL character');
  if (!value.isWellFormed()) malformed('holds half of a surrogate pair');
  return value;
}

function addKey(keys: Set<string>, key: string): void {
  if (key === '__proto__') malformed('holds a member named __proto__');
  if (keys.has(key)) malformed('holds a member twice');
  keys.add(key);
}

function malformed(why: string): never {
  throw new Refusal('malformed', `The request body ${why}.`);
}
