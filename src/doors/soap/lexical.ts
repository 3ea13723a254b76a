import { Refusal } from '../../core/errors.ts';

/** Octets to characters, and the character classes of XML 1.0 (fifth edition). Nothing here knows about markup. */

const utf8 = new TextDecoder('utf-8', { fatal: true });

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML 1.0 section 2.2 forbids
const forbidden = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/;

/**
 * The text of an envelope: strict UTF-8 (a byte order mark is allowed), only characters that XML allows, line ends
 * normalised to LF as XML 1.0 section 2.11 says. U+0085 and U+2028 stay: they are line ends in XML 1.1 only, and every
 * other verifier digests them as they are.
 *
 * @param charset the charset parameter of the Content-Type, when there is one; anything but UTF-8 is refused rather
 *   than guessed, because two readers that guess differently read two documents.
 */
export function decodeXml(octets: Uint8Array, charset?: string): string {
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
    throw new Refusal('malformed', 'The envelope must be UTF-8.');
  }
  let text: string;
  try {
    text = utf8.decode(octets);
  } catch {
    throw new Refusal('malformed', 'The envelope is not valid UTF-8.');
  }
  if (forbidden.test(text)) throw new Refusal('malformed', 'The envelope holds a character that XML forbids.');
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

/** XML 1.0 production 23, matched at the start of a text. Groups: version, encoding. */
export const xmlDeclaration =
  /<\?xml[ \t\n]+version[ \t\n]*=[ \t\n]*(?:"([^"<&]{0,9})"|'([^'<&]{0,9})')(?:[ \t\n]+encoding[ \t\n]*=[ \t\n]*(?:"([A-Za-z][\w.-]{0,39})"|'([A-Za-z][\w.-]{0,39})'))?(?:[ \t\n]+standalone[ \t\n]*=[ \t\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\n]*\?>/y;

/** Production 2: what a character reference may name. */
export function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd;
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0xa || code === 0x9 || code === 0xd;
}

/** White space in the sense of XML, which is narrower than that of String.prototype.trim. */
export function isBlank(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isSpace(text.charCodeAt(i))) return false;
  return true;
}

/** 1 = may start a name, 2 = may only continue it. The colon is left out: names are split into prefix and local part. */
const ascii = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z_]/.test(character)) ascii[code] = 1;
  else if (/[-.0-9]/.test(character)) ascii[code] = 2;
}

const beyondAsciiStart =
  /[\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C-\u200D\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\u{10000}-\u{EFFFF}]/u;
const beyondAsciiPart =
  /[\u00B7\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u037D\u037F-\u1FFF\u200C-\u200D\u203F\u2040\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\u{10000}-\u{EFFFF}]/u;

/** Where the NCName that starts at `start` ends; `start` itself when there is none. */
export function endOfName(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code < 128) {
      const kind = ascii[code]!;
      if (kind === 0 || (kind === 2 && at === start)) break;
      at++;
      continue;
    }
    const character = String.fromCodePoint(text.codePointAt(at)!);
    if (!(at === start ? beyondAsciiStart : beyondAsciiPart).test(character)) break;
    at += character.length;
  }
  return at;
}
