import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';
import { type DkimKey, signMessage } from './dkim.ts';
import { plainText } from './plain-text.ts';

export interface Attachment {
  readonly filename: string;
  readonly contentType: string;
  readonly content: Buffer;
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
export async function compose(mail: Outgoing): Promise<Buffer> {
  const unsigned = await new MailComposer({
    from: { name: '', address: mail.from },
    to: mail.to.map(address => ({ name: '', address })),
    subject: mail.subject,
    messageId: mail.messageId,
    date: mail.date,
    html: mail.html,
    text: plainText(mail.html),
    attachments: mail.attachments.map(({ filename, contentType, content }) => ({ filename, contentType, content })),
    baseBoundary: createHash('sha256').update(mail.messageId).digest('hex').slice(0, 24),
    newline: 'windows',
    // Contents are bytes that we hold; a path or an address in them must never be opened.
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build();
  return signMessage(unsigned, mail.dkim, mail.date);
}
