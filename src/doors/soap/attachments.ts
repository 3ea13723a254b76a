import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { IncomingPart } from './multipart.ts';
import { canonicalHeaders } from './part-headers.ts';
import { malformed, refuse } from './refuse.ts';
import type { SignedAttachment } from './verify.ts';

/** An attachment that has been read to its end and is kept until its spool is closed. */
export interface SpooledPart {
  /** Without angle brackets. */
  readonly contentId: string;
  /** Octets, the transfer encoding undone. */
  readonly size: number;
  /** Hex. */
  readonly sha256: string;
  /** base64, as the message's signature reckons it, if it speaks of this part. */
  readonly signedDigest: string | undefined;
  /** The content from its start, as often as wanted. */
  content(): Readable;
}

const keptInMemory = 256 * 1024;

/**
 * The attachments of one message; `await using`, or close it, when the operation is done. Small parts stay in memory; larger
 * ones go to files that have no name and vanish with the process.
 */
export class Spool implements AsyncDisposable {
  readonly #directory: string;
  readonly #files: FileHandle[] = [];

  constructor(directory: string = tmpdir()) {
    this.#directory = directory;
  }

  /** Reads the part to its end. `signed`: what the signature says about it. */
  async keep(part: IncomingPart, signed?: SignedAttachment): Promise<SpooledPart> {
    const sha256 = createHash('sha256');
    const signedHash = signed && createHash(signed.hash);
    if (signed?.complete) signedHash!.update(canonicalHeaders(part.headers));
    const held: Buffer[] = [];
    let file: FileHandle | undefined;
    let size = 0;
    for await (const chunk of part.content) {
      size += chunk.length;
      sha256.update(chunk);
      signedHash?.update(chunk);
      if (file === undefined && size > keptInMemory) {
        file = await this.#file();
        await write(file, Buffer.concat(held.splice(0)));
      }
      if (file === undefined) held.push(chunk);
      else await write(file, chunk);
    }
    return {
      contentId: part.contentId,
      size,
      sha256: sha256.digest('hex'),
      signedDigest: signedHash?.digest('base64'),
      content: () =>
        file === undefined ? Readable.from(held, { objectMode: false }) : Readable.from(readAll(file, size)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#files.splice(0).map(file => file.close()));
  }

  async #file(): Promise<FileHandle> {
    const path = join(this.#directory, `bastion-${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    this.#files.push(file);
    await rm(path);
    return file;
  }
}

async function write(file: FileHandle, octets: Buffer): Promise<void> {
  for (let at = 0; at < octets.length; ) at += (await file.write(octets, at)).bytesWritten;
}

async function* readAll(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(65_536, size - at)), 0, undefined, at);
    if (bytesRead === 0) throw new Error('a spooled attachment is shorter than it was');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** A place in the signed Body that names an attachment. */
export interface AttachmentClaim {
  readonly contentId: string;
  /** 64 hex digits, when the Body states them. */
  readonly sha256?: string | undefined;
}

/**
 * Joins what the signed Body names with what came: each part is named exactly once, and bound by the signature's own
 * cid: reference, by a SHA-256 in the Body, or by the digest of the Body with the part in its place. A part that nothing signed speaks of may have been put there,
 * or exchanged, on the way.
 *
 * @param signed from `SignedBody.attachments`
 * @param reconstituted from `SignedBody.reconstituted`
 * @returns the parts by Content-ID
 * @throws Refusal `malformed` when something is missing or left over, `signature_invalid` when a digest differs
 */
export function bindAttachments(
  signed: ReadonlyMap<string, SignedAttachment>,
  claims: readonly AttachmentClaim[],
  parts: readonly SpooledPart[],
  reconstituted: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, SpooledPart> {
  const byId = new Map(parts.map(part => [part.contentId, part]));
  const bound = new Map<string, SpooledPart>();
  for (const { contentId, sha256 } of claims) {
    const part = byId.get(contentId) ?? malformed('The Body names an attachment that is not there.');
    if (bound.has(contentId)) malformed('The Body names an attachment twice.');
    const signature = signed.get(contentId);
    if (signature === undefined && sha256 === undefined && !reconstituted.has(contentId)) {
      refuse('an attachment is bound by nothing');
    }
    if (sha256 !== undefined && sha256.toLowerCase() !== part.sha256) refuse('the SHA-256 of an attachment differs');
    if (signature !== undefined && part.signedDigest !== signature.digest) {
      refuse('the signed digest of an attachment differs');
    }
    bound.set(contentId, part);
  }
  if (bound.size < byId.size) malformed('The message has an attachment that the Body does not name.');
  for (const contentId of signed.keys()) if (!bound.has(contentId)) refuse('a signed attachment is not there');
  return bound;
}
