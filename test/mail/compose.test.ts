import { generateKeyPairSync } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import PostalMime from 'postal-mime';
import { type Attachment, compose as composed, type Outgoing } from '../../src/mail/compose.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const contents = [Buffer.from([0, 255, 13, 10, 46, 13, 10]), Buffer.from('a\nb')];
const file = (filename: string, contentType: string, content: Buffer): Attachment => ({
  filename,
  contentType,
  async *open() {
    for (let at = 0; at < content.length; at += 2) yield content.subarray(at, at + 2);
  },
});

const mail: Outgoing = {
  from: 'billing@stonebridge.example',
  to: ['patient@example.com', 'second@example.com'],
  subject: 'Überweisung — statement',
  html: '<p>Your latest statement is attached.</p>\n.\n.hidden\n<p>Größe</p>',
  messageId: '<msg_1@stonebridge.example>',
  date: new Date('2026-07-02T14:03:00Z'),
  attachments: [file('Übersicht.pdf', 'application/pdf', contents[0]!), file('note.txt', 'text/plain', contents[1]!)],
  dkim: [{ domain: 'stonebridge.example', selector: 'b1', privateKey: pem }],
};

/** The whole message, which must be as long as it says. */
async function compose(outgoing: Outgoing): Promise<Buffer> {
  const { size, open } = await composed(outgoing);
  const octets = await buffer(open());
  expect(octets.length).to.equal(size);
  return octets;
}

describe('composing a mail', () => {
  it('keeps subject, both bodies and attachments as they were given', async () => {
    const read = await new PostalMime().parse(await compose(mail));
    expect(read.subject).to.equal(mail.subject);
    expect(read.messageId).to.equal(mail.messageId);
    expect(read.from?.address).to.equal(mail.from);
    expect(read.to?.map(({ address }) => address)).to.deep.equal(mail.to);
    expect(new Date(read.date!)).to.deep.equal(mail.date);
    expect(read.html?.trim()).to.equal(mail.html);
    expect(read.text).to.contain('Your latest statement is attached.');
    expect(
      read.attachments.map(({ filename, mimeType, content }) => [
        filename,
        mimeType,
        Buffer.from(content as ArrayBuffer),
      ]),
    ).to.deep.equal(
      mail.attachments.map(({ filename, contentType }, index) => [filename, contentType, contents[index]]),
    );
  });

  it('gives the same octets every time, so that a retry is the same mail', async () => {
    const [first, second] = await Promise.all([compose(mail), compose(mail)]);
    expect(first.equals(second)).to.equal(true);
  });

  it('has only CRLF line ends and no line over 998 octets', async () => {
    const raw = (await compose({ ...mail, html: `<p>${'x'.repeat(5000)}</p>`, subject: 'ä'.repeat(800) })).toString(
      'latin1',
    );
    expect(raw).to.not.match(/[^\r]\n|\r[^\n]/);
    expect(Math.max(...raw.split('\r\n').map(line => line.length))).to.be.below(999);
  });

  it('labels a message within the message as what it is, since it must not be encoded', async () => {
    for (const [text, encoding] of [
      ['plain', '7bit'],
      ['grün', '8bit'],
    ] as const) {
      const within = `Subject: within\r\n\r\n${text}\r\n`;
      const attachments = [file('forwarded.eml', 'message/rfc822', Buffer.from(within))];
      const raw = (await compose({ ...mail, attachments })).toString();
      expect(raw).to.match(new RegExp(`Content-Transfer-Encoding: ${encoding}\\r\\n(?:.+\\r\\n)*\\r\\n${within}`));
    }
  });

  it('carries a DKIM signature of each key of the sender’s domain', async () => {
    const raw = (await compose(mail)).toString('latin1');
    expect(raw.match(/^DKIM-Signature: v=1; a=rsa-sha256;/gm)).to.have.length(1);
    expect((await compose({ ...mail, dkim: [] })).toString('latin1')).to.not.contain('DKIM-Signature');
  });

  it('opens no file and no address that an attachment seems to name', async () => {
    const attachments = [file('x', 'text/plain', Buffer.from('/etc/passwd'))];
    const read = await new PostalMime().parse(await compose({ ...mail, attachments, dkim: [] }));
    expect(Buffer.from(read.attachments[0]!.content as ArrayBuffer).toString()).to.equal('/etc/passwd');
  });
});
