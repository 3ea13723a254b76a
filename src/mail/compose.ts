import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as othersTurn } from 'node:timers/promises';
import MailComposer from 'nodemailer/lib/mail-composer';
import { type DkimKey, type Message, signMessage } from './dkim.ts';
import { plainText } from './plain-text.ts';

export interface Attachment {
  readonly filename: string;
  readonly contentType: string;
  /** Its octets from the start, the same each time. */
  open(): AsyncIterable<Buffer>;
}

export interface Outgoing {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly html: string;
  /** With angle brackets. */
  readonly messageId: string;
  readonly date: Date;
  readonly attachments: readonly Attachment[];
  readonly dkim: readonly DkimKey[];
}

/**
 * Builds the message (RFC 5322, MIME): multipart/alternative of text and HTML, with the attachments beside it, signed
 * with DKIM. The same input gives the same bytes, boundaries included, so that a repeated attempt sends the same mail.
 */
export const compose = (mail: Outgoing): Promise<Message> => signMessage(() => unsigned(mail), mail.dkim, mail.date);

async function* unsigned(mail: Outgoing): AsyncGenerator<Buffer> {
  const composer = new MailComposer({
    from: { name: '', address: mail.from },
    to: mail.to.map(address => ({ name: '', address })),
    subject: mail.subject,
    messageId: mail.messageId,
    date: mail.date,
    html: mail.html,
    text: plainText(mail.html),
    attachments: await Promise.all(mail.attachments.map(part)),
    baseBoundary: createHash('sha256').update(mail.messageId).digest('hex').slice(0, 24),
    newline: 'windows',
    // Contents are bytes that we read; a path or an address in them must never be opened.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  yield* composer.compile().createReadStream() as Readable;
}

/** A message within the message must not be encoded, and how it is labelled depends on all its octets. */
async function part({ filename, contentType, open }: Attachment) {
  const isMessage = contentType.startsWith('message/');
  return { filename, contentType, content: isMessage ? await buffer(open()) : Readable.from(inPieces(open())) };
}

const pieceSize = 64 * 1024;

/** What is handed on in one turn of the event loop is encoded in it, too, and goes all the way to the socket. */
async function* inPieces(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const octets of content) {
    for (let at = 0; at < octets.length; at += pieceSize) {
      yield octets.subarray(at, at + pieceSize);
      await othersTurn();
    }
  }
}
