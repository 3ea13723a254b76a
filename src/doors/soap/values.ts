import { escapeText } from './canonical.ts';
import type { Scalar } from './model.ts';

/** Scalars between JSON and the lexical forms of XML Schema part 2. */

type ScalarName = Scalar['name'];

/**
 * The JSON value of an element's text; undefined when the text is not in the lexical space of the type. Instants and
 * dates stay text, which the operation's own schema judges: XSD knows instants without a zone, and years beyond 9999.
 */
export function readScalar(name: ScalarName, text: string): string | number | boolean | undefined {
  if (name === 'string') return text;
  const token = collapse(text);
  switch (name) {
    case 'boolean':
      return booleans.get(token);
    case 'int':
      return readInteger(token, 2 ** 31 - 1);
    case 'long':
      return readInteger(token, Number.MAX_SAFE_INTEGER);
    case 'decimal':
      return readDecimal(token);
    default:
      return token === '' ? undefined : token;
  }
}

/** White space facet `collapse`, for every type but string. */
export function collapse(text: string): string {
  return text.replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, '');
}

const booleans = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

function readInteger(token: string, most: number): number | undefined {
  if (!/^[+-]?\d{1,64}$/.test(token)) return undefined;
  const value = Number(token);
  return Math.abs(value) <= most ? value + 0 : undefined;
}

/** Fifteen significant digits are what a double holds exactly; more would be rounded without a word. */
function readDecimal(token: string): number | undefined {
  if (!/^[+-]?(\d{1,64}(\.\d{0,64})?|\.\d{1,64})$/.test(token)) return undefined;
  const digits = token.replace(/[+.-]/g, '').replace(/^0+/, '');
  const significant = token.includes('.') ? digits.replace(/0+$/, '') : digits;
  return significant.length <= 15 ? Number(token) + 0 : undefined;
}

/** Canonical XML text of a value; throws on a value that is not of the type, which is a defect of ours. */
export function writeScalar(name: ScalarName, value: unknown): string {
  switch (name) {
    case 'boolean':
      if (typeof value === 'boolean') return String(value);
      break;
    case 'int':
    case 'long':
      if (Number.isSafeInteger(value)) return String(value);
      break;
    case 'decimal':
      if (typeof value === 'number' && Number.isFinite(value)) return plainDecimal(value);
      break;
    default:
      if (typeof value === 'string') return escapeText(speakable(value));
  }
  throw new TypeError(`not an xs:${name}: ${typeof value}`);
}

/** xs:decimal has no exponent. */
function plainDecimal(value: number): string {
  const text = String(value);
  const [mantissa, exponent] = text.split('e');
  if (exponent === undefined) return text;
  const [whole, fraction = ''] = mantissa!.replace('-', '').split('.');
  const sign = value < 0 ? '-' : '';
  const shift = Number(exponent);
  if (shift < 0) return `${sign}0.${'0'.repeat(-shift - 1)}${whole}${fraction}`;
  return `${sign}${whole}${fraction.padEnd(shift, '0')}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no form for these, not even a reference
const unspeakable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu;

/** Stored text may come from foreign mail; what XML cannot carry becomes U+FFFD rather than a broken answer. */
function speakable(value: string): string {
  return value.replace(unspeakable, '\ufffd');
}
