import { type AttachmentClaim, bindAttachments, type Spool, type SpooledPart } from './attachments.ts';
import type { AttachedParts } from './decode.ts';
import type { IncomingMessage } from './multipart.ts';
import { malformed } from './refuse.ts';
import type { SignedBody } from './verify.ts';

/** The attachments of one message between the reader, who spooled them, and the decoder, who finds where they belong. */
export class ReceivedParts implements AttachedParts {
  readonly #body: SignedBody;
  readonly #parts: readonly SpooledPart[];
  readonly #contents: ReadonlyMap<string, string>;
  readonly #claims: AttachmentClaim[] = [];

  private constructor(body: SignedBody, parts: readonly SpooledPart[], contents: ReadonlyMap<string, string>) {
    this.#body = body;
    this.#parts = parts;
    this.#contents = contents;
  }

  /** Reads the message to its end; then the Body is verified with its parts in their places. */
  static async receive(message: IncomingMessage, body: SignedBody, spool: Spool): Promise<ReceivedParts> {
    const parts: SpooledPart[] = [];
    for await (const part of message.attachments()) {
      parts.push(await spool.keep(part, body.attachments.get(part.contentId)));
    }
    await body.reconstitute(contentId => {
      const part = parts.find(each => each.contentId === contentId);
      return part?.content() ?? malformed('The Body includes a part that is not there.');
    });
    const contents = new Map<string, string>();
    for (const part of parts) contents.set(part.contentId, await base64Of(part));
    return new ReceivedParts(body, parts, contents);
  }

  /** Believed only after `bind`. */
  take(contentId: string, sha256: string | undefined): string {
    this.#claims.push({ contentId, sha256 });
    return this.#contents.get(contentId) ?? '';
  }

  /** Every part was taken exactly once and is the one that was signed; throws otherwise. */
  bind(): void {
    const { attachments, reconstituted } = this.#body;
    bindAttachments(attachments, this.#claims, this.#parts, reconstituted);
  }
}

async function base64Of(part: SpooledPart): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of part.content()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('base64');
}
