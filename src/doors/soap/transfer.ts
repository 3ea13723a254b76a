import { Refusal } from '../../core/errors.ts';

/**
 * Content-Transfer-Encoding (RFC 2045 section 6), decoded strictly as a stream: one encoded form has one reading, so
 * whatever a lenient reader would skip or repair is refused.
 */
export interface TransferDecoder {
  push(chunk: Buffer): Buffer;
  /** The end of the part: what is still held back, once it is known to be complete. */
  end(): Buffer;
}

const nothing = Buffer.alloc(0);

/** An absent encoding means binary: HTTP carries octets, and most SOAP stacks leave the header out. */
export function transferDecoder(encoding: string | undefined): TransferDecoder {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case 'binary':
      return { push: chunk => chunk, end: () => nothing };
    case '8bit':
      return { push: chunk => withoutNul(chunk), end: () => nothing };
    case '7bit':
      return { push: chunk => sevenBit(withoutNul(chunk)), end: () => nothing };
    case 'base64':
      return new Base64Decoder();
    case 'quoted-printable':
      return new QuotedPrintableDecoder();
    default:
      throw new Refusal('malformed', 'A part has an unknown Content-Transfer-Encoding.');
  }
}

function withoutNul(chunk: Buffer): Buffer {
  if (chunk.includes(0)) throw new Refusal('malformed', 'A text part holds a NUL octet.');
  return chunk;
}

function sevenBit(chunk: Buffer): Buffer {
  for (const octet of chunk) if (octet > 127) throw new Refusal('malformed', 'A 7bit part holds 8-bit octets.');
  return chunk;
}

class Base64Decoder implements TransferDecoder {
  #held = '';
  #ended = false;

  push(chunk: Buffer): Buffer {
    const text = this.#held + chunk.toString('latin1').replace(/[\r\n]/g, '');
    const whole = text.length - (text.length % 4);
    this.#held = text.slice(whole);
    return this.#decode(text.slice(0, whole));
  }

  end(): Buffer {
    if (this.#held !== '') throw badBase64();
    return nothing;
  }

  #decode(text: string): Buffer {
    if (text === '') return nothing;
    if (this.#ended || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw badBase64();
    this.#ended = text.endsWith('=');
    const octets = Buffer.from(text, 'base64');
    // The unused bits of the last character must be zero (RFC 4648 section 3.5), else two texts are one content.
    if (this.#ended && octets.subarray(octets.length - (octets.length % 3)).toString('base64') !== text.slice(-4)) {
      throw badBase64();
    }
    return octets;
  }
}

const badBase64 = (): Refusal => new Refusal('malformed', 'A part is not valid base64.');

class QuotedPrintableDecoder implements TransferDecoder {
  #held = '';

  push(chunk: Buffer): Buffer {
    const text = this.#held + chunk.toString('latin1');
    if (text.length > 100_000 && !text.includes('\n')) throw badQuotedPrintable();
    const whole = text.lastIndexOf('\n') + 1;
    this.#held = text.slice(whole);
    return decodeLines(text.slice(0, whole));
  }

  end(): Buffer {
    return decodeLines(this.#held);
  }
}

function decodeLines(text: string): Buffer {
  if (!/^(?:[\t -<>-~]|=[0-9A-F]{2}|=?\r\n)*$/.test(text) || /[\t ]\r\n/.test(text)) throw badQuotedPrintable();
  const decoded = text
    .replaceAll('=\r\n', '')
    .replace(/=([0-9A-F]{2})/g, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(decoded, 'latin1');
}

const badQuotedPrintable = (): Refusal => new Refusal('malformed', 'A part is not valid quoted-printable.');
