import { expect } from 'chai';
import { XmlDocument } from 'libxml2-wasm';
import { Refusal } from '../../../src/core/errors.ts';
import { canonicalize } from '../../../src/doors/soap/canonical.ts';
import { decodeXml } from '../../../src/doors/soap/lexical.ts';
import { parseXml, xmlLimits } from '../../../src/doors/soap/parse.ts';
import { attributeOf, childElements, textOf, type XmlElement } from '../../../src/doors/soap/tree.ts';
import { mutated, randomDocument, seeded } from '../../kit/random-xml.ts';

const read = (text: string): XmlElement => parseXml(decodeXml(Buffer.from(text)));

/** The canonical form of the whole document by libxml2, undefined when it calls the text not well-formed. */
function byLibxml2(text: string): string | undefined {
  let document: XmlDocument | undefined;
  try {
    document = XmlDocument.fromBuffer(Buffer.from(text));
    return document.root.canonicalizeToString({ mode: 1 });
  } catch {
    return undefined;
  } finally {
    document?.dispose();
  }
}

function byUs(text: string): string | undefined {
  try {
    return canonicalize(read(text));
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

describe('the XML tree', () => {
  it('is never more lenient than libxml2, and reads the same: 4,000 damaged documents', () => {
    const random = seeded(7);
    let accepted = 0;
    for (let round = 0; round < 4_000; round++) {
      // libxml2 also wants an http: namespace name to have a proper host and port; that is not what is compared.
      const text = mutated(randomDocument(random).xml.replaceAll('http://example.com/', 'urn:'), random);
      const ours = byUs(text);
      if (ours === undefined) continue;
      accepted++;
      expect(ours, `round ${round}\n${text}`).to.equal(byLibxml2(text));
    }
    expect(accepted, 'damaged documents that are still well-formed').to.be.above(200);
  });

  it('resolves prefixes, the default namespace and its undeclaring', () => {
    const root = read('<a xmlns="urn:d" xmlns:p="urn:p"><p:b c="1" p:c="2"/><d xmlns=""/></a>');
    const [b, d] = childElements(root)!;
    expect([root.namespace, b!.namespace, d!.namespace]).to.deep.equal(['urn:d', 'urn:p', '']);
    expect([attributeOf(b!, '', 'c'), attributeOf(b!, 'urn:p', 'c')]).to.deep.equal(['1', '2']);
  });

  it('gives the same namespace in the element that redeclares a prefix and the outer one after it', () => {
    const root = read('<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"/><p:c/></p:a>');
    expect(childElements(root)!.map(each => each.namespace)).to.deep.equal(['urn:2', 'urn:1']);
  });

  it('normalises line ends, and white space in attributes, but not what is written as a reference', () => {
    const root = read('<a b="1\r\n2\t3&#9;4&#13;">\r\n\r&#13;\u0085\u2028</a>');
    expect(attributeOf(root, '', 'b')).to.equal('1 2 3\t4\r');
    expect(textOf(root)).to.equal('\n\n\r\u0085\u2028');
  });

  it('reads a byte order mark, a declaration in single quotes and comments around the envelope', () => {
    expect(
      read("\uFEFF<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<!-- a --><a/><!-- b -->\n").local,
    ).to.equal('a');
  });

  it('expands a reference once', () => {
    expect(textOf(read('<a>&#38;lt;&amp;amp;</a>'))).to.equal('&lt;&amp;');
  });

  it('tells text from elements', () => {
    const root = read('<a> <b/> text </a>');
    expect(childElements(root)).to.equal(undefined);
    expect(textOf(root)).to.equal(undefined);
    expect(textOf(read('<a/>'))).to.equal('');
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
