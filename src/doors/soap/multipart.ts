import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { Refusal } from '../../core/errors.ts';
import { type MediaType, parseMediaType } from './media-type.ts';
import { type PartHeaders, PartReader } from './part-reader.ts';
import { type TransferDecoder, transferDecoder } from './transfer.ts';

/**
 * The MIME side of a SOAP message, read as a stream: the envelope first and alone, so that nothing of an attachment is
 * stored before the envelope is verified. multipart/related as RFC 2387, cid: as RFC 2392.
 */

export interface MessageLimits {
  /** Octets of the envelope as sent. */
  root: number;
  /** Parts, the envelope among them. */
  parts: number;
  /** Octets of the header block of one part. */
  partHeaders: number;
  /** Octets of the whole message as sent. */
  total: number;
}

export const messageLimits: MessageLimits = {
  root: 2 * 1024 * 1024,
  parts: 50,
  partHeaders: 8 * 1024,
  total: 64 * 1024 * 1024,
};

export interface RootPart {
  readonly octets: Buffer;
  /** As declared, for `decodeXml`. */
  readonly charset: string | undefined;
  /** Without angle brackets. */
  readonly contentId: string | undefined;
}

/** An attachment on its way in. `content` must be read to its end before the next part can be had. */
export interface IncomingPart {
  /** Without angle brackets. */
  readonly contentId: string;
  /** As the sender labelled the part. It is not signed: names and types to act on come from the signed Body. */
  readonly contentType: string | undefined;
  readonly headers: PartHeaders;
  /** The octets with the transfer encoding undone. */
  readonly content: AsyncIterable<Buffer>;
}

export interface IncomingMessage {
  readonly root: RootPart;
  /**
   * The next attachment if it is that one and no longer than `limit` octets. For the one thing that is needed before
   * the envelope can be verified: the signer's certificate, sent as a part of its own.
   */
  early(contentId: string, limit: number): Promise<Buffer>;
  /** The (other) attachments, in order. To be iterated once. */
  attachments(): AsyncGenerator<IncomingPart>;
}

/** text/xml is SOAP 1.1's label; clients keep it on 1.2 envelopes, and the envelope itself decides the version. */
const envelopeTypes = ['application/soap+xml', 'application/xop+xml', 'text/xml'];

/**
 * Reads a message up to the end of its envelope.
 *
 * @param source the HTTP request; it is not destroyed when reading stops early, so that a fault can be answered
 * @param take is told of every piece as it comes; what it throws ends the reading
 * @throws Refusal `unsupported_media_type`, `malformed` or `too_large`
 */
export async function readMessage(
  source: Readable,
  contentType: string | undefined,
  take: (octets: number) => void = () => {},
  limits: MessageLimits = messageLimits,
): Promise<IncomingMessage> {
  const type = contentType === undefined ? undefined : parseMediaType(contentType);
  if (type?.type === 'multipart/related') return readRelated(source, type, take, limits);
  if (type === undefined || !envelopeTypes.includes(type.type)) {
    throw new Refusal('unsupported_media_type', 'Send application/soap+xml or multipart/related.');
  }
  const reader = new PartReader(source, undefined, limits.total, take);
  const octets = await collect(reader.content(), limits.root);
  return new Message({ octets, charset: type.parameters.get('charset'), contentId: undefined }, undefined, limits);
}

async function readRelated(
  source: Readable,
  type: MediaType,
  take: (octets: number) => void,
  limits: MessageLimits,
): Promise<IncomingMessage> {
  const boundary = type.parameters.get('boundary');
  // RFC 2046 section 5.1.1: 1 to 70 characters, not ending in a space.
  if (boundary === undefined || !/^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/.test(boundary)) {
    throw new Refusal('malformed', 'multipart/related needs a valid boundary.');
  }
  const reader = new PartReader(source, boundary, limits.total, take);
  await reader.open();
  const headers = await reader.headers(limits.partHeaders);
  const root = await readRoot(reader, headers, type, limits.root);
  return new Message(root, reader, limits);
}

async function readRoot(
  reader: PartReader,
  headers: PartHeaders,
  related: MediaType,
  limit: number,
): Promise<RootPart> {
  const type = parseMediaType(headers.get('content-type') ?? '');
  if (!envelopeTypes.includes(type.type)) throw new Refusal('malformed', 'The first part must be the SOAP envelope.');
  const contentId = contentIdOf(headers);
  const start = related.parameters.get('start');
  if (start !== undefined && withoutBrackets(start) !== contentId) {
    throw new Refusal('malformed', 'The start parameter must name the first part.');
  }
  const octets = await collect(decoded(reader, headers), limit);
  return { octets, charset: type.parameters.get('charset'), contentId };
}

class Message implements IncomingMessage {
  readonly root: RootPart;
  readonly #reader: PartReader | undefined;
  readonly #limits: MessageLimits;
  readonly #seen = new Set<string>();
  #parts = 1;
  #reading = false;

  constructor(root: RootPart, reader: PartReader | undefined, limits: MessageLimits) {
    this.root = root;
    this.#reader = reader;
    this.#limits = limits;
    if (root.contentId !== undefined) this.#seen.add(root.contentId);
  }

  async early(contentId: string, limit: number): Promise<Buffer> {
    const part = await this.#next();
    if (part?.contentId !== contentId) {
      throw new Refusal('malformed', 'A certificate that is sent as a part must be the second part.');
    }
    return collect(part.content, limit);
  }

  async *attachments(): AsyncGenerator<IncomingPart> {
    for (;;) {
      const part = await this.#next();
      if (part === undefined) return;
      yield part;
    }
  }

  async #next(): Promise<IncomingPart | undefined> {
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    if (this.#reading) throw new Error('the part before has not been read to its end');
    if (reader.closed) {
      await reader.epilogue();
      return undefined;
    }
    if (++this.#parts > this.#limits.parts) throw new Refusal('too_large', 'The message has too many parts.');
    const headers = await reader.headers(this.#limits.partHeaders);
    const contentId = contentIdOf(headers);
    if (contentId === undefined) throw new Refusal('malformed', 'Every attachment needs a Content-ID.');
    if (this.#seen.has(contentId)) throw new Refusal('malformed', 'Two parts have the same Content-ID.');
    this.#seen.add(contentId);
    const contentType = headers.get('content-type');
    if (contentType !== undefined && parseMediaType(contentType).type.startsWith('multipart/')) {
      throw new Refusal('malformed', 'A part must not be multipart itself.');
    }
    return { contentId, contentType, headers, content: this.#watched(decoded(reader, headers)) };
  }

  async *#watched(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    this.#reading = true;
    yield* content;
    this.#reading = false;
  }
}

async function* decoded(reader: PartReader, headers: PartHeaders): AsyncGenerator<Buffer> {
  const decoder: TransferDecoder = transferDecoder(headers.get('content-transfer-encoding'));
  for await (const chunk of reader.content()) {
    const octets = decoder.push(chunk);
    if (octets.length > 0) yield octets;
  }
  const rest = decoder.end();
  if (rest.length > 0) yield rest;
}

async function collect(content: AsyncIterable<Buffer>, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of content) {
    length += chunk.length;
    if (length > limit) throw new Refusal('too_large', `This part may have at most ${limit} octets.`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function contentIdOf(headers: PartHeaders): string | undefined {
  const value = headers.get('content-id');
  if (value === undefined) return undefined;
  const contentId = withoutBrackets(value);
  if (!/^[\x21-\x3b\x3d\x3f-\x7e]{1,255}$/.test(contentId))
    throw new Refusal('malformed', 'A Content-ID is not valid.');
  return contentId;
}

const withoutBrackets = (value: string): string => value.trim().replace(/^<(.*)>$/, '$1');

/** The Content-ID that a `cid:` URL names (RFC 2392 section 2); undefined for any other URL. */
export function contentIdOfUrl(url: string): string | undefined {
  if (!/^cid:./i.test(url)) return undefined;
  try {
    return decodeURIComponent(url.slice(4));
  } catch {
    return undefined;
  }
}

export interface OutgoingPart {
  /** Without angle brackets. */
  contentId: string;
  contentType: string;
  content: Buffer | AsyncIterable<Buffer>;
}

/**
 * A SOAP 1.2 message as multipart/related with attachments as they are (SOAP with Attachments).
 *
 * @returns the value for Content-Type and the octets to send
 */
export function writeRelated(
  envelope: string,
  parts: readonly OutgoingPart[],
): { contentType: string; body: Readable } {
  // 144 random bits: no content holds this boundary, so none has to be searched for it.
  const boundary = `bastion-${randomBytes(18).toString('hex')}`;
  const contentType = `multipart/related; type="application/soap+xml"; start="<envelope>"; boundary="${boundary}"`;
  return { contentType, body: Readable.from(related(boundary, envelope, parts), { objectMode: false }) };
}

async function* related(boundary: string, envelope: string, parts: readonly OutgoingPart[]): AsyncGenerator<Buffer> {
  const open = (contentType: string, contentId: string): Buffer =>
    Buffer.from(
      `--${boundary}\r\nContent-Type: ${headerText(contentType)}\r\nContent-Transfer-Encoding: binary\r\n` +
        `Content-ID: <${headerText(contentId)}>\r\n\r\n`,
      'latin1',
    );
  yield open('application/soap+xml; charset=utf-8', 'envelope');
  yield Buffer.from(envelope);
  for (const { contentId, contentType, content } of parts) {
    yield Buffer.from('\r\n');
    yield open(contentType, contentId);
    if (Buffer.isBuffer(content)) yield content;
    else yield* content;
  }
  yield Buffer.from(`\r\n--${boundary}--\r\n`);
}

function headerText(text: string): string {
  if (!/^[\x20-\x7e]+$/.test(text)) throw new Error('a part header may hold printable ASCII only');
  return text;
}
