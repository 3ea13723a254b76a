import { expect } from 'chai';
import { parseJsonObject } from '../../../src/doors/rest/json.ts';
import { refusalFrom } from '../../kit/refusal.ts';

const parse = (text: string | Buffer) => parseJsonObject(Buffer.from(text as string));
const codeOf = async (text: string | Buffer) => (await refusalFrom((async () => parse(text))())).code;

describe('strict JSON', () => {
  it('reads what JSON.parse reads', () => {
    const text =
      '{"a":[1,-2.5e3,{"b":null,"c":"\\u00e9\\ud83d\\ude00\\"\\\\"}],"d":{"a":true},"e":"\\\\","f":"{\\"a\\":[","":0}';
    expect(parse(text)).to.deep.equal(JSON.parse(text));
  });

  it('takes equal names in different objects', () => {
    expect(parse('{"a":{"a":1},"b":[{"a":1},{"a":2}]}')).to.deep.equal({ a: { a: 1 }, b: [{ a: 1 }, { a: 2 }] });
  });

  const refused: [string, string | Buffer][] = [
    ['no JSON [BAS-028]', '{"a":'],
    ['a trailing comma [BAS-028]', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{/* a */}'],
    ['NaN', '{"a":NaN}'],
    ['text after the object', '{} {}'],
    ['a list', '[1]'],
    ['a string', '"a"'],
    ['null', 'null'],
    ['white space only', ' \n'],
    ['octets that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['overlong UTF-8', Buffer.from([0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
    ['a byte order mark', '\ufeff{}'],
    ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
    ['a member twice', '{"a":1,"a":2}'],
    ['a member twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a member twice, deep', '{"x":[{"a":1,"b":{},"a":2}]}'],
    ['__proto__', '{"__proto__":{"admin":true}}'],
    ['__proto__, escaped and deep', '{"a":[{"\\u005f_proto__":1}]}'],
    ['an escaped NUL', '{"a":"x\\u0000y"}'],
    ['an escaped NUL in a name', '{"a\\u0000":1}'],
    ['a raw NUL', '{"a":"\0"}'],
    ['half of a surrogate pair', '{"a":"\\ud800"}'],
    ['a surrogate pair the wrong way round', '{"a":"\\ude00\\ud83d"}'],
    ['a string without an end', '{"a":"b\\"}'],
    ['33 levels', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`],
    ['a million levels', `{"a":${'['.repeat(1e6)}`],
  ];
  for (const [what, text] of refused) {
    it(`refuses ${what}`, async () => expect(await codeOf(text)).to.equal('malformed'));
  }

  it('takes 32 levels', () => {
    expect(parse(`{"a":${'['.repeat(31)}${']'.repeat(31)}}`)).to.have.property('a');
  });

  it('refuses every cut of a document', async () => {
    const text = '{"a":"\\\\","b":[true,{"c":"\\u0041"}],"d":-1.5e+7}';
    for (let end = 0; end < text.length; end++) {
      expect(await codeOf(text.slice(0, end)), text.slice(0, end)).to.equal('malformed');
    }
    expect(parse(text)).to.deep.equal(JSON.parse(text));
  });

  it('reads long strings full of escapes', () => {
    const value = '\\\\'.repeat(2_000_000);
    expect((parse(`{"a":"${value}"}`).a as string).length).to.equal(2_000_000);
  });
});
