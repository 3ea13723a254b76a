import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { Refusal } from '../../../src/core/errors.ts';
import { canonicalize } from '../../../src/doors/soap/canonical.ts';
import { type AttachedParts, decodeAnswer, decodeRequest } from '../../../src/doors/soap/decode.ts';
import { encodeAnswer, encodeRequest } from '../../../src/doors/soap/encode.ts';
import { buildModel, commonNamespace } from '../../../src/doors/soap/model.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import { generate } from '../../../src/doors/soap/wsdl.ts';
import { withPublishedSchema } from './published-schema.ts';
import { sampleAreas } from './sample-areas.ts';

const model = buildModel(sampleAreas);
const samples = model.areas[0]!;
const echo = samples.operations.get('EchoEverything')!;
const touch = samples.operations.get('TouchNothing')!;

const id = 'org_00000000000000000000000000';
const least = {
  org_id: id,
  title: 'x',
  state: 'active',
  urgent: false,
  size: 0,
  due_at: '2026-01-01T00:00:00Z',
  labels: [],
  address: { street: 'a', zip_code: null },
};

const full = {
  ...least,
  title: `<![CDATA[ & "it's" ]]> <b/> \u{1F600} é \u2028\u0085`,
  body_html: '  <p>\n\tkept as sent\n</p>  ',
  note: null,
  urgent: true,
  limit: 200,
  size: Number.MAX_SAFE_INTEGER,
  ratio: 0.1,
  born: '2000-02-29',
  labels: ['a', 'b c'],
  recipients: [{ email: 'a@example.org' }, { email: 'b@example.org', name: 'B' }],
  address: { street: 'a', zip_code: '0123' },
  root: { name: 'r', folders: [{ name: 's', folders: [] }] },
  variables: { constructor: 'x', 'a b': '', '<': '>' },
  settings: { on: true, name: '12', count: 12, share: -0.5 },
  content: Buffer.from([0, 255, 1]).toString('base64'),
};

const decode = (xml: string, parts?: AttachedParts) => decodeRequest(echo, parseXml(xml), parts);

/** The least request with one change to its XML. */
function changed(from: string | RegExp, to: string): string {
  const xml = encodeRequest(echo, least);
  const result = xml.replace(from, to);
  expect(result).not.to.equal(xml);
  return result;
}

function refusalOf(run: () => unknown): Refusal {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A generator that gives the same values for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function anyRequest(next: () => number): Record<string, unknown> {
  const alphabet = ['a', ' ', '\n', '\t', '<', '>', '&', '"', "'", ']]>', 'é', '\u{10FFFF}', '\u2028', '\r'];
  const upTo = (most: number) => Math.floor(next() * (most + 1));
  const some = <T>(value: () => T): T | undefined => (next() < 0.5 ? value() : undefined);
  const words = () => Array.from({ length: upTo(12) }, () => alphabet[upTo(alphabet.length - 1)]).join('');
  const many = <T>(value: () => T): T[] => Array.from({ length: upTo(3) }, value);
  const folder = (depth: number): object => ({
    name: words(),
    folders: depth > 3 ? [] : many(() => folder(depth + 1)),
  });
  const map = (value: () => unknown) => Object.fromEntries(many(() => [words(), value()]));
  const number = () => Number(((next() - 0.5) * 10 ** (upTo(8) - 2)).toPrecision(12));
  const value = {
    ...least,
    title: words(),
    body_html: some(words),
    note: next() < 0.3 ? null : some(words),
    urgent: next() < 0.5,
    limit: some(() => upTo(2 ** 31 - 1)),
    size: upTo(Number.MAX_SAFE_INTEGER - 1),
    ratio: some(number),
    labels: many(words),
    recipients: some(() => many(() => ({ email: words(), ...(next() < 0.5 && { name: words() }) }))),
    address: { street: words(), zip_code: next() < 0.5 ? null : words() },
    root: some(() => folder(0)),
    variables: some(() => map(words)),
    settings: some(() => map(() => [words(), next() < 0.5, upTo(1000), number()][upTo(3)])),
    content: some(() => Buffer.from(words()).toString('base64')),
  };
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

describe('the SOAP codec', () => {
  it('reads what it wrote, for every word of the vocabulary', () => {
    expect(decode(encodeRequest(echo, full))).to.deep.equal(full);
    expect(decodeAnswer(echo, parseXml(encodeAnswer(echo, full)))).to.deep.equal(full);
    expect(decode(encodeRequest(echo, least))).to.deep.equal(least);
    expect(decodeRequest(touch, parseXml(encodeRequest(touch, {})))).to.deep.equal({});
  });

  it('reads what it wrote, for 500 generated requests', () => {
    const next = random(20261121);
    for (let i = 0; i < 500; i++) {
      const value = anyRequest(next);
      expect(decode(encodeRequest(echo, value))).to.deep.equal(value);
    }
  });

  it('writes canonical XML', () => {
    for (const xml of [
      encodeRequest(echo, full),
      encodeAnswer(echo, full),
      encodeAnswer(touch, { at: 'x', where: null }),
    ]) {
      expect(canonicalize(parseXml(xml))).to.equal(xml);
    }
  });

  it('writes nothing but text where a value stands, whatever the value looks like', () => {
    const hostile = { ...least, title: '<![CDATA[x</title><urgent>true</urgent>]]>', labels: ['\u0000\ud800\uffff'] };
    const read = decode(encodeRequest(echo, hostile)) as typeof hostile;
    expect(read.title).to.equal(hostile.title);
    expect(read.labels).to.deep.equal(['\ufffd\ufffd\ufffd']);
  });

  it('never writes an answer that lacks what the schema requires', () => {
    expect(() => encodeAnswer(echo, { ...least, address: undefined })).to.throw(TypeError, 'address is missing');
    expect(() => encodeAnswer(echo, { ...least, size: 1.5 })).to.throw(TypeError);
    expect(() => encodeAnswer(echo, { ...least, ratio: Number.NaN })).to.throw(TypeError);
  });

  it('leaves missing elements out, for the operation to judge', () => {
    const xml = changed(/<title.*<\/title>/, '');
    const { title: _, ...rest } = least;
    expect(decode(xml)).to.deep.equal(rest);
  });

  it('tells null, absent and empty apart', () => {
    const at = (note: string) => decode(changed('<state>', `${note}<state>`)) as { note?: unknown };
    const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
    expect(at(`<note ${xsi} xsi:nil="true"/>`).note).to.equal(null);
    expect(at(`<note ${xsi} xsi:nil="1"></note>`).note).to.equal(null);
    expect(at('<note/>').note).to.equal('');
    expect(at(`<note ${xsi} xsi:nil="false">x</note>`).note).to.equal('x');
    expect(decode(encodeRequest(echo, { ...least, recipients: [] }))).to.deep.equal({ ...least, recipients: [] });
  });

  it('accepts the lexical forms of XML Schema', () => {
    const read = (from: string, to: string) => decode(changed(from, to)) as typeof full;
    expect(read('<urgent>false', '<urgent> 1\n').urgent).to.equal(true);
    expect(read('<size>0', '<size>\t+0012 ').size).to.equal(12);
    expect(read('<dueAt>2026-01-01T00:00:00Z', '<dueAt> 2026-01-01T00:00:00.5+01:00 ').due_at).to.equal(
      '2026-01-01T00:00:00.5+01:00',
    );
    expect(read('<dueAt>', '<ratio>-.50</ratio><dueAt>').ratio).to.equal(-0.5);
    expect(read('<title>', '<!-- a comment -->\n<title><![CDATA[<]]>').title).to.equal('<x');
  });

  it('accepts xsi:type where it says what is so anyway', () => {
    const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema"';
    expect(decode(changed('<title>', `<title ${xsi} xsi:type="xs:string">`))).to.deep.equal(least);
    const other = refusalOf(() => decode(changed('<title>', `<title ${xsi} xsi:type="xs:int">`)));
    expect(other.errors[0]).to.include({ field: 'title', code: 'unexpected_attribute' });
  });

  const strictness: [string, string | RegExp, string, string, string, string][] = [
    ['an unknown element', '<state>', '<nose>x</nose><state>', 'validation_failed', 'nose', 'unknown_field'],
    ['an element of another namespace', '<state>', '<state xmlns="urn:x">', 'malformed', 'state', 'unknown_field'],
    ['an element that stands twice', '<state>', '<title>y</title><state>', 'malformed', 'title', 'repeated'],
    [
      'elements in another order',
      /(<title.*?\/title>)(<state.*?\/state>)/,
      '$2$1',
      'malformed',
      'title',
      'out_of_order',
    ],
    ['text between elements', '<state>', 'x<state>', 'malformed', '', 'unexpected_text'],
    ['elements where text is due', '<title>x', '<title>x<b/>', 'malformed', 'title', 'unexpected_element'],
    ['an attribute', '<title>', '<title a="b">', 'malformed', 'title', 'unexpected_attribute'],
    [
      'an id attribute named like the prototype',
      '<title>',
      '<title id="__proto__">',
      'malformed',
      'title',
      'unexpected_attribute',
    ],
    [
      'an element named constructor',
      '<state>',
      '<constructor/><state>',
      'validation_failed',
      'constructor',
      'unknown_field',
    ],
    ['an href that points elsewhere', '<title>', '<title href="#x">', 'malformed', 'title', 'unexpected_attribute'],
    ['digits with letters', '<size>0', '<size>12abc', 'validation_failed', 'size', 'invalid_type'],
    ['an empty number', '<size>0', '<size>', 'validation_failed', 'size', 'invalid_type'],
    ['an integer with a fraction', '<size>0', '<size>1.0', 'validation_failed', 'size', 'invalid_type'],
    ['an integer beyond 2^53', '<size>0', '<size>9007199254740993', 'validation_failed', 'size', 'invalid_type'],
    ['an exponent', '<size>0', '<size>1e3', 'validation_failed', 'size', 'invalid_type'],
    ['a boolean in words', '<urgent>false', '<urgent>TRUE', 'validation_failed', 'urgent', 'invalid_type'],
    [
      'a decimal that would be rounded',
      '<dueAt>',
      '<ratio>0.12345678901234567</ratio><dueAt>',
      'validation_failed',
      'ratio',
      'invalid_type',
    ],
    ['infinity', '<dueAt>', '<ratio>INF</ratio><dueAt>', 'validation_failed', 'ratio', 'invalid_type'],
    ['broken base64', '</request>', '<content>AAA</content></request>', 'validation_failed', 'content', 'invalid_type'],
    [
      'an inline value with another hash',
      '</request>',
      `<content sha256="${'0'.repeat(64)}">AAAA</content></request>`,
      'validation_failed',
      'content',
      'invalid',
    ],
    ['an error deep inside', '>a</street>', '>a</street><x/>', 'malformed', 'address.x', 'unknown_field'],
  ];
  for (const [what, from, to, code, field, errorCode] of strictness) {
    it(`refuses ${what}`, () => {
      const refusal = refusalOf(() => decode(changed(from, to)));
      expect(refusal.code).to.equal(code);
      expect(refusal.errors.map(error => [error.field, error.code])).to.deep.include([field, errorCode]);
    });
  }

  it('refuses nil where the schema does not allow it, and nil with content', () => {
    const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"';
    expect(refusalOf(() => decode(changed('<title>x', `<title ${xsi}>`))).code).to.equal('malformed');
    expect(refusalOf(() => decode(changed('<state>', `<note ${xsi}>x</note><state>`))).code).to.equal('malformed');
  });

  it('refuses a map that names something twice, and __proto__', () => {
    const entry = (name: string) => `<entry xmlns="${commonNamespace}"><name>${name}</name><value>v</value></entry>`;
    const withMap = (entries: string) => changed('</request>', `<variables>${entries}</variables></request>`);
    expect(refusalOf(() => decode(withMap(entry('a') + entry('a')))).errors[0]).to.include({ code: 'repeated' });
    expect(refusalOf(() => decode(withMap(entry('__proto__')))).errors[0]).to.include({ field: 'variables.entry.0' });
    expect(({} as Record<string, unknown>).v).to.equal(undefined);
  });

  it('refuses another wrapper, a second child and none', () => {
    const wrapper = (content: string) => `<EchoEverything xmlns="${samples.namespace}">${content}</EchoEverything>`;
    for (const xml of [wrapper(''), wrapper('<request/><request/>'), wrapper('text'), '<EchoEverything/>']) {
      expect(refusalOf(() => decode(xml)).code).to.equal('malformed');
    }
  });

  it('reports many problems at once, and no more than twenty', () => {
    const xml = changed('<state>', `${'<x/>'.repeat(30)}<state>`);
    expect(refusalOf(() => decode(xml)).errors).to.have.length(20);
  });

  it('answers 3,000 damaged requests with a value or a Refusal, never with another error', () => {
    const next = random(42);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
    const xml = encodeRequest(echo, full);
    const tags = [...xml.matchAll(/<[^>]+>[^<]*/g)].map(match => match[0]);
    const damage = [
      () => tags.filter(tag => tag !== pick(tags)),
      () => tags.flatMap(tag => (next() < 0.05 ? [tag, pick(tags)] : [tag])),
      () =>
        tags.map(tag =>
          next() < 0.05 ? tag.replace(/>[^<]*$/, `>${pick(['', '-', '1e9', '<b/>', 'NaN', '\u0600'])}`) : tag,
        ),
      () =>
        tags.map(tag =>
          next() < 0.05 ? tag.replace(/^<(\w+)/, `<$1 ${pick(['xsi:nil="true"', 'id="__proto__"', 'a=""'])}`) : tag,
        ),
    ];
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      try {
        decode(pick(damage)().join(''));
      } catch (error) {
        expect(error).to.be.instanceOf(Refusal);
        refused++;
      }
    }
    expect(refused).to.be.greaterThan(1000).and.lessThan(3000);
  });

  it('takes an attached part by contentId or xop:Include, with the hash that the Body gives', () => {
    const taken: unknown[] = [];
    const parts = { take: (...asked: unknown[]) => (taken.push(asked) > 0 ? 'AAAA' : '') };
    const sha256 = createHash('sha256').update('x').digest('hex');
    const at = (content: string) =>
      (decode(changed('</request>', `${content}</request>`), parts) as typeof full).content;
    expect(at(`<content contentId="a@b" sha256="${sha256.toUpperCase()}"/>`)).to.equal('AAAA');
    const include = '<i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:a%40b"/>';
    expect(at(`<content sha256="${sha256}">${include}</content>`)).to.equal('AAAA');
    expect(at(`<content>${include}</content>`)).to.equal('AAAA');
    expect(taken).to.deep.equal([
      ['a@b', sha256],
      ['a@b', sha256],
      ['a@b', undefined],
    ]);
    expect(refusalOf(() => at('<content contentId="a@b">AAAA</content>')).code).to.equal('malformed');
  });

  it('names each attached part with its hash when it writes one', () => {
    const sent: Buffer[] = [];
    const xml = encodeAnswer(echo, full, octets => `part-${sent.push(octets)}`);
    const parts = {
      take: (contentId: string, sha256: string | undefined) => {
        expect(contentId).to.equal('part-1');
        expect(sha256).to.equal(createHash('sha256').update(sent[0]!).digest('hex'));
        return sent[0]!.toString('base64');
      },
    };
    expect(decodeAnswer(echo, parseXml(xml), parts)).to.deep.equal(full);
  });
});

describe('what the SOAP codec writes', () => {
  it('is valid by the published schema', () => {
    const files = generate(sampleAreas, 'https://bastion.example');
    withPublishedSchema(files.get('samples.wsdl')!, files.get('common.xsd')!, validate => {
      validate(encodeRequest(echo, full));
      validate(encodeAnswer(echo, full, () => 'part@bastion'));
      validate(encodeAnswer(touch, { at: '2026-01-01T00:00:00Z', where: null }));
      const next = random(7);
      for (let i = 0; i < 200; i++) validate(encodeRequest(echo, anyRequest(next)));
      expect(() => validate(changed('<size>0', '<size>x'))).to.throw('xs:long');
    });
  });
});
