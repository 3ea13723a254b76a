import type { Content } from '../../core/content.ts';
import { bindAttachments, type Spool, type SpooledPart } from './attachments.ts';
import { type Decoded, markOf } from './decode.ts';
import type { IncomingMessage } from './multipart.ts';
import { malformed } from './refuse.ts';
import type { SignedBody } from './verify.ts';

/** The attachments of one message between the reader, who spooled them, and the decoder, who finds where they belong. */
export class ReceivedParts {
  readonly #body: SignedBody;
  readonly #parts: readonly SpooledPart[];

  private constructor(body: SignedBody, parts: readonly SpooledPart[]) {
    this.#body = body;
    this.#parts = parts;
  }

  /** Reads the message to its end; then the Body is verified with its parts in their places. */
  static async receive(message: IncomingMessage, body: SignedBody, spool: Spool): Promise<ReceivedParts> {
    const parts: SpooledPart[] = [];
    for await (const part of message.attachments()) {
      parts.push(await spool.keep(part, body.attachments.get(part.contentId)));
    }
    await body.reconstitute(contentId => {
      const part = parts.find(each => each.contentId === contentId);
      return part?.content.open() ?? malformed('The Body includes a part that is not there.');
    });
    return new ReceivedParts(body, parts);
  }

  /** The value with its parts, once every part was claimed exactly once and is the one that was signed; throws otherwise. */
  putInto({ value, claims }: Decoded): object {
    const { attachments, reconstituted } = this.#body;
    const bound = bindAttachments(attachments, claims, this.#parts, reconstituted);
    const contents = new Map<string, Content>();
    for (const [contentId, { content }] of bound) contents.set(markOf(contentId), content);
    return contents.size === 0 ? value : (unmarked(value, contents) as object);
  }
}

function unmarked(value: unknown, contents: ReadonlyMap<string, Content>): unknown {
  if (typeof value === 'string') return contents.get(value) ?? value;
  if (Array.isArray(value)) return value.map(each => unmarked(each, contents));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unmarked(each, contents)]));
}
