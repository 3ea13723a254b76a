import { expect } from 'chai';
import { Refusal } from '../../../src/core/errors.ts';
import { canonicalHeaders } from '../../../src/doors/soap/part-headers.ts';

const canonical = (headers: Record<string, string>): string => canonicalHeaders(new Map(Object.entries(headers)));

describe('the headers of a signed part', () => {
  const forms: Record<string, [headers: Record<string, string>, written: string]> = {
    'in the order of their names, the others left out': [
      {
        'content-type': 'application/pdf',
        'x-mailer': 'any',
        'content-id': '<one@x>',
        'content-transfer-encoding': 'base64',
        'content-location': 'a.pdf',
        'content-description': 'A  file',
      },
      'Content-Description:A  file\r\nContent-ID:<one@x>\r\nContent-Location:a.pdf\r\nContent-Type:application/pdf\r\n',
    ],
    'with the type that a part without one has': [
      { 'content-id': '<one@x>' },
      'Content-ID:<one@x>\r\nContent-Type:text/plain;charset="us-ascii"\r\n',
    ],
    'with parameters sorted, quoted and, where case does not matter, in small letters': [
      { 'content-type': 'Text/XML; Name=Report.XML; CHARSET="UTF-8"' },
      'Content-Type:text/xml;charset="utf-8";name="Report.XML"\r\n',
    ],
    'with a disposition': [
      { 'content-type': 'a/b', 'content-disposition': 'Attachment; size=3; filename="A b.pdf"' },
      'Content-Disposition:attachment;filename="a b.pdf";size="3"\r\nContent-Type:a/b\r\n',
    ],
  };
  for (const [what, [headers, written]] of Object.entries(forms)) {
    it(`are digested ${what}`, () => expect(canonical(headers)).to.equal(written));
  }

  for (const [what, type] of Object.entries({
    'a comment': 'a/b (a comment)',
    'an encoded word': 'a/b; name="=?utf-8?q?a?="',
    'an escape in quotes': 'a/b; name="a\\\\b"',
    'a parameter in a charset': "a/b; name*=utf-8''a",
    'a parameter in pieces': 'a/b; name*0=a; name*1=b',
  })) {
    it(`with ${what} are refused: no two stacks agree on their canonical form`, () => {
      expect(() => canonical({ 'content-type': type }))
        .to.throw(Refusal)
        .with.property('code', 'signature_invalid');
    });
  }
});
