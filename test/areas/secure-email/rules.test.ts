import { expect } from 'chai';
import { Attachment, domainOf, requireRoom, requireUnique } from '../../../src/areas/secure-email/rules.ts';
import { OctetContent } from '../../../src/core/content.ts';
import { Refusal } from '../../../src/core/errors.ts';

const attachment = (change: object) => ({
  filename: 'statement.pdf',
  content_type: 'application/pdf',
  content: Buffer.from('x').toString('base64'),
  ...change,
});
const isAttachment = (change: object): boolean => Attachment.safeParse(attachment(change)).success;

function refusalOf(act: () => unknown): Refusal {
  try {
    act();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('the rules of secure mail', () => {
  for (const filename of ['Übersicht 2026 (final).pdf', 'レポート.pdf', '.profile', 'a.tar.gz']) {
    it(`takes a file named ${filename}`, () => expect(isAttachment({ filename })).to.equal(true));
  }

  const names: [string, string][] = [
    ['a path', '../../etc/passwd'],
    ['a Windows path', 'C:\\x.pdf'],
    ['a line end', 'a\r\nBcc: x@y.example'],
    ['NUL', 'a\0.pdf'],
    ['an override of the reading direction', 'invoice\u202efdp.exe'],
    ['nothing but dots', '..'],
    ['nothing', ' '],
    ['a dot at the end', 'a.pdf.'],
    ['more than 255 characters', 'x'.repeat(256)],
  ];
  for (const [what, filename] of names) {
    it(`refuses a file name with ${what}`, () => expect(isAttachment({ filename })).to.equal(false));
  }

  for (const content_type of ['text/plain; charset=utf-8', 'text', 'a/b\r\nX: y', 'multipart/mixed', 'text/<b>']) {
    it(`refuses the media type ${JSON.stringify(content_type)}`, () =>
      expect(isAttachment({ content_type })).to.equal(false));
  }

  it('refuses content that is not base64, and unknown members', () => {
    expect(isAttachment({ content: 'not base64!' })).to.equal(false);
    expect(isAttachment({ path: '/etc/passwd' })).to.equal(false);
  });

  it('takes so much of body and attachments together, and not an octet more', () => {
    const most = 1000;
    const files = [{ ...attachment({}), content: new OctetContent(Buffer.alloc(most - 2)) }];
    requireRoom('ü', files, most);
    expect(refusalOf(() => requireRoom('üx', files, most)).errors[0]).to.include({
      field: 'attachments',
      code: 'too_large',
    });
  });

  it('refuses a recipient who is named twice, in whatever case, by its place', () => {
    expect(refusalOf(() => requireUnique(['a@y.example', 'b@y.example', 'A@Y.example'])).errors[0]!.field).to.equal(
      'to.2',
    );
  });

  it('takes the domain after the last @, in lower case', () => {
    expect(domainOf('"a@b"@Stonebridge.Health')).to.equal('stonebridge.health');
  });
});
