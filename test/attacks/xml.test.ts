import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { codes, Refusal } from '../../src/core/errors.ts';
import { decodeXml } from '../../src/doors/soap/lexical.ts';
import { parseXml, type XmlElement, xmlLimits } from '../../src/doors/soap/tree.ts';

const folder = join(import.meta.dirname, 'xml');
const read = (octets: Buffer | string, charset?: string): XmlElement =>
  parseXml(decodeXml(Buffer.from(octets), charset));

function refusalOf(act: () => unknown): Refusal {
  try {
    act();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('XML that is refused', () => {
  for (const file of readdirSync(folder).sort()) {
    it(file.replace(/\.xml$/, '').replaceAll('-', ' '), () => {
      expect(refusalOf(() => read(readFileSync(join(folder, file)))).code).to.equal('malformed');
    });
  }

  const hostile: Record<string, () => string> = {
    'nested 101 deep': () => '<a>'.repeat(101) + '</a>'.repeat(101),
    'nested 200,000 deep and never closed': () => '<a>'.repeat(200_000),
    'of 50,001 elements': () => `<a>${'<b/>'.repeat(50_000)}</a>`,
    'with 65 attributes on one element': () => `<a ${Array.from({ length: 65 }, (_, i) => `b${i}="1"`).join(' ')}/>`,
    'with 100,000 attributes on one element': () =>
      `<a ${Array.from({ length: 100_000 }, (_, i) => `b${i}="1"`).join(' ')}/>`,
    'with 65 namespaces on one element': () =>
      `<a ${Array.from({ length: 65 }, (_, i) => `xmlns:b${i}="urn:b"`).join(' ')}/>`,
    'with one more namespace on each of 65 nested elements': () =>
      Array.from({ length: 65 }, (_, i) => `<a xmlns:b${i}="urn:b">`).join('') + '</a>'.repeat(65),
    'with a name of 257 characters': () => `<${'a'.repeat(257)}/>`,
    'with a name of a million characters': () => `<${'a'.repeat(1_000_000)}/>`,
    'with an attribute of 64 KiB and one': () => `<a b="${'c'.repeat(65_537)}"/>`,
    'with an attribute that never ends': () => `<a b="${'c'.repeat(1_000_000)}`,
    'with a comment that never ends': () => `<a><!--${' -'.repeat(500_000)}`,
    'with a million open angle brackets': () => '<'.repeat(1_000_000),
    'with a million ampersands': () => `<a>${'&'.repeat(1_000_000)}</a>`,
  };
  for (const [what, make] of Object.entries(hostile)) {
    it(what, () => {
      const start = process.cpuUsage();
      expect(refusalOf(() => read(make())).code).to.equal('malformed');
      expect(process.cpuUsage(start).user, 'microseconds of work').to.be.below(2_000_000);
    });
  }

  it('says where, in words that quote nothing secret', () => {
    const { message } = refusalOf(() => read('<a>\n  <b>&x;</b>\n</a>'));
    expect(message).to.match(/line 2, column \d+/);
  });

  for (const charset of ['iso-8859-1', 'utf-16', 'utf-7', 'us-ascii', '']) {
    it(`labelled with the charset "${charset}"`, () => {
      expect(refusalOf(() => read('<a/>', charset)).code).to.equal('malformed');
    });
  }

  it('is told as a 400', () => {
    expect(codes.malformed.status).to.equal(400);
  });
});

describe('XML that is read safely', () => {
  it('keeps elements called __proto__, constructor and toString apart from objects', () => {
    const root = read('<a __proto__="x"><__proto__ id="__proto__">1</__proto__><constructor/><toString/></a>');
    expect(root.children.map(child => (child as XmlElement).local)).to.deep.equal([
      '__proto__',
      'constructor',
      'toString',
    ]);
    expect(({} as Record<string, unknown>).x).to.equal(undefined);
    expect(Object.prototype).to.not.have.property('obj');
  });

  it('takes CDATA that looks like a document for the text it is', () => {
    expect(read('<a><![CDATA[<?xml version="1.0"?><!DOCTYPE b><b/>]]></a>').children).to.deep.equal([
      '<?xml version="1.0"?><!DOCTYPE b><b/>',
    ]);
  });

  it('joins text around comments, so that no reader sees less than was signed', () => {
    expect(read('<a>admin@example.com<!-- x -->.evil.example</a>').children).to.deep.equal([
      'admin@example.com.evil.example',
    ]);
  });

  it('takes what the limits allow', () => {
    const depth = xmlLimits.depth;
    expect(read('<a>'.repeat(depth) + '</a>'.repeat(depth)).local).to.equal('a');
    expect(read(`<a>${'<b/>'.repeat(xmlLimits.elements - 1)}</a>`).children).to.have.length(xmlLimits.elements - 1);
  });

  it('reads a text of two million characters in one pass', () => {
    const text = 'words &amp; more '.repeat(125_000);
    const start = process.cpuUsage();
    expect(read(`<a>${text}</a>`).children[0]).to.have.length(13 * 125_000);
    expect(process.cpuUsage(start).user, 'microseconds of work').to.be.below(3_000_000);
  });
});
