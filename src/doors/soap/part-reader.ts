import type { Readable } from 'node:stream';
import { Refusal } from '../../core/errors.ts';

/** Lower-case name to value. */
export type PartHeaders = ReadonlyMap<string, string>;

const crlf = Buffer.from('\r\n');
const endOfHeaders = Buffer.from('\r\n\r\n');
const dash = 0x2d;

/**
 * Cuts a multipart body (RFC 2046 section 5.1.1) into header blocks and contents while it streams in. Line ends are
 * CRLF, there is no preamble or epilogue but white space, and every boundary is a whole line: a body that two readers
 * could cut differently is refused.
 */
export class PartReader {
  /** True once the closing boundary has been read. */
  closed = false;
  readonly #source: AsyncIterator<Buffer>;
  readonly #delimiter: Buffer | undefined;
  readonly #count: (octets: number) => void;
  #left: number;
  #held: Buffer = Buffer.alloc(0);
  #ended = false;

  /**
   * @param boundary undefined when the whole source is one content
   * @param total octets that may be read from the source
   * @param take is told of every piece that was read
   */
  constructor(source: Readable, boundary: string | undefined, total: number, take: (octets: number) => void) {
    this.#source = source.iterator({ destroyOnReturn: false });
    this.#delimiter = boundary === undefined ? undefined : Buffer.from(`\r\n--${boundary}`, 'latin1');
    this.#left = total;
    this.#count = take;
  }

  /** Reads up to the first part. */
  async open(): Promise<void> {
    const first = this.#delimiter!.subarray(2);
    while (this.#held.length < first.length + 2 && (await this.#more()));
    const start = this.#held.subarray(0, 2).equals(crlf) ? 2 : 0;
    while (this.#held.length < start + first.length && (await this.#more()));
    if (!this.#held.subarray(start, start + first.length).equals(first)) {
      throw new Refusal('malformed', 'The message does not start with its boundary.');
    }
    this.#held = this.#held.subarray(start + first.length);
    await this.#boundaryLine();
    if (this.closed) throw new Refusal('malformed', 'The message has no parts.');
  }

  async headers(limit: number): Promise<PartHeaders> {
    // A part without headers starts with the empty line itself.
    while (this.#held.length < 2 && (await this.#more()));
    if (this.#held.subarray(0, 2).equals(crlf)) return new Map();
    for (;;) {
      const end = this.#held.indexOf(endOfHeaders);
      if (end > limit || (end < 0 && this.#held.length > limit)) {
        throw new Refusal('too_large', 'The headers of a part are too long.');
      }
      if (end >= 0) {
        const block = this.#held.toString('latin1', 0, end);
        this.#held = this.#held.subarray(end + 2);
        return parseHeaders(block);
      }
      if (!(await this.#more())) throw truncated();
    }
  }

  /** The octets up to the next boundary, which is read too. */
  async *content(): AsyncGenerator<Buffer> {
    const delimiter = this.#delimiter;
    if (delimiter === undefined) {
      while (await this.#more()) yield this.#take(this.#held.length);
      return;
    }
    // The empty line after the headers is still there: in a part without a body it belongs to the next boundary.
    let skip = 2;
    for (;;) {
      const end = this.#held.indexOf(delimiter);
      const safe = end < 0 ? this.#held.length - delimiter.length + 1 : end;
      if (safe > skip) {
        yield this.#take(safe).subarray(skip);
        skip = 0;
      }
      if (end >= 0) {
        this.#take(this.#held.indexOf(delimiter) + delimiter.length);
        await this.#boundaryLine();
        return;
      }
      if (!(await this.#more())) throw truncated();
    }
  }

  /** What follows the closing boundary: nothing but white space. */
  async epilogue(): Promise<void> {
    do {
      if (!/^[\r\n\t ]*$/.test(this.#held.toString('latin1'))) {
        throw new Refusal('malformed', 'Something follows the closing boundary.');
      }
      this.#held = Buffer.alloc(0);
    } while (await this.#more());
  }

  /** The rest of a boundary line: `--` on the last, then white space and CRLF (or, on the last, the end). */
  async #boundaryLine(): Promise<void> {
    while (this.#held.length < 2 && (await this.#more()));
    if (this.#held[0] === dash && this.#held[1] === dash) {
      this.closed = true;
      this.#held = this.#held.subarray(2);
      return;
    }
    for (;;) {
      const end = this.#held.indexOf(crlf);
      const line = this.#held.toString('latin1', 0, end < 0 ? this.#held.length : end);
      if (!/^[\t ]{0,100}\r?$/.test(line)) throw new Refusal('malformed', 'A line starts like a boundary but is none.');
      if (end >= 0) {
        this.#held = this.#held.subarray(end + 2);
        return;
      }
      if (!(await this.#more())) throw truncated();
    }
  }

  #take(length: number): Buffer {
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const next = await this.#source.next().catch((cause: unknown) => {
      throw new Refusal('malformed', 'The message broke off.', { cause });
    });
    if (next.done) {
      this.#ended = true;
      return false;
    }
    this.#left -= next.value.length;
    if (this.#left < 0) throw new Refusal('too_large', 'The message is too large.');
    this.#count(next.value.length);
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }
}

const truncated = (): Refusal => new Refusal('malformed', 'The message ends before its closing boundary.');

/** Headers that would change how the part is read or what its signature covers; the others are passed over. */
const single = new Set([
  'content-type',
  'content-id',
  'content-transfer-encoding',
  'content-disposition',
  'content-description',
  'content-location',
]);

function parseHeaders(block: string): PartHeaders {
  const headers = new Map<string, string>();
  for (const line of block.replace(/\r\n[\t ]+/g, ' ').split('\r\n')) {
    const found = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e]*)$/.exec(line);
    if (!found) throw new Refusal('malformed', 'A part header cannot be read.');
    const name = found[1]!.toLowerCase();
    if (name === 'content-encoding') throw new Refusal('malformed', 'Parts must not be compressed.');
    if (single.has(name) && headers.has(name)) throw new Refusal('malformed', 'A part header is repeated.');
    headers.set(name, found[2]!.trimEnd());
  }
  return headers;
}
