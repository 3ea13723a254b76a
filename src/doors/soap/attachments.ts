import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Content } from '../../core/content.ts';
import type { IncomingPart } from './multipart.ts';
import { canonicalHeaders } from './part-headers.ts';
import { malformed, refuse } from './refuse.ts';
import type { SignedAttachment } from './verify.ts';

/** An attachment that has been read to its end. */
export interface SpooledPart {
  /** Without angle brackets. */
  readonly contentId: string;
  /** The octets, the transfer encoding undone; there until the spool is closed. */
  readonly content: Content;
  /** base64, as the message's signature reckons it, if it speaks of this part. */
  readonly signedDigest: string | undefined;
}

/**
 * The attachments of one message, one after the other in a file that has no name and vanishes with the process; `await using`, or
 * close it, when the operation is done.
 */
export class Spool implements AsyncDisposable {
  readonly #directory: string;
  #file: FileHandle | undefined;
  #end = 0;

  constructor(directory: string = tmpdir()) {
    this.#directory = directory;
  }

  /** Reads the part to its end. `signed`: what the signature says about it. */
  async keep(part: IncomingPart, signed?: SignedAttachment): Promise<SpooledPart> {
    const sum = createHash('sha256');
    const signedHash = signed && createHash(signed.hash);
    if (signed?.complete) signedHash!.update(canonicalHeaders(part.headers));
    this.#file ??= await namelessFile(this.#directory);
    const start = this.#end;
    for await (const chunk of part.content) {
      sum.update(chunk);
      signedHash?.update(chunk);
      await write(this.#file, chunk, this.#end);
      this.#end += chunk.length;
    }
    return {
      contentId: part.contentId,
      content: new SpooledContent(this.#file, start, this.#end - start, sum.digest('hex')),
      signedDigest: signedHash?.digest('base64'),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}

async function namelessFile(directory: string): Promise<FileHandle> {
  const path = join(directory, `bastion-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return file;
}

async function write(file: FileHandle, octets: Buffer, position: number): Promise<void> {
  for (let at = 0; at < octets.length; ) {
    at += (await file.write(octets, at, octets.length - at, position + at)).bytesWritten;
  }
}

class SpooledContent extends Content {
  readonly size: number;
  readonly sha256: string;
  readonly #file: FileHandle;
  readonly #start: number;

  constructor(file: FileHandle, start: number, size: number, sha256: string) {
    super();
    this.size = size;
    this.sha256 = sha256;
    this.#file = file;
    this.#start = start;
  }

  async *open(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.size; ) {
      const room = Buffer.allocUnsafe(Math.min(65_536, this.size - at));
      const { bytesRead } = await this.#file.read(room, 0, room.length, this.#start + at);
      if (bytesRead === 0) throw new Error('a spooled attachment is shorter than it was');
      yield room.subarray(0, bytesRead);
      at += bytesRead;
    }
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
 * cid: reference, by a SHA-256 in the Body, or by the digest of the Body with the part in its place. A part that nothing signed
 * speaks of may have been put there, or exchanged, on the way.
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
    if (sha256 !== undefined && sha256.toLowerCase() !== part.content.sha256)
      refuse('the SHA-256 of an attachment differs');
    if (signature !== undefined && part.signedDigest !== signature.digest) {
      refuse('the signed digest of an attachment differs');
    }
    bound.set(contentId, part);
  }
  if (bound.size < byId.size) malformed('The message has an attachment that the Body does not name.');
  for (const contentId of signed.keys()) if (!bound.has(contentId)) refuse('a signed attachment is not there');
  return bound;
}
