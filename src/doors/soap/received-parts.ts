import { type AttachmentClaim, bindAttachments, type Spool, type SpooledPart } from './attachments.ts';
import type { AttachedParts } from './decode.ts';
import type { IncomingMessage } from './multipart.ts';
import type { SignedBody } from './verify.ts';

/** The attachments of one message between the reader, who spooled them, and the decoder, who finds where they belong. */
export class ReceivedParts implements AttachedParts {
  readonly #signed: SignedBody['attachments'];
  readonly #parts: readonly SpooledPart[];
  readonly #contents: ReadonlyMap<string, string>;
  readonly #claims: AttachmentClaim[] = [];

  private constructor(
    signed: SignedBody['attachments'],
    parts: readonly SpooledPart[],
    contents: ReadonlyMap<string, string>,
  ) {
    this.#signed = signed;
    this.#parts = parts;
    this.#contents = contents;
  }

  /** Reads the message to its end. */
  static async receive(message: IncomingMessage, { attachments }: SignedBody, spool: Spool): Promise<ReceivedParts> {
    const parts: SpooledPart[] = [];
    for await (const part of message.attachments()) {
      parts.push(await spool.keep(part, attachments.get(part.contentId)));
    }
    const contents = new Map<string, string>();
    for (const part of parts) contents.set(part.contentId, await base64Of(part));
    return new ReceivedParts(attachments, parts, contents);
  }

  /** Believed only after `bind`. */
  take(contentId: string, sha256: string | undefined): string {
    this.#claims.push({ contentId, sha256 });
    return this.#contents.get(contentId) ?? '';
  }

  /** Every part was taken exactly once and is the one that was signed; throws otherwise. */
  bind(): void {
    bindAttachments(this.#signed, this.#claims, this.#parts);
  }
}

async function base64Of(part: SpooledPart): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of part.content()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('base64');
}
