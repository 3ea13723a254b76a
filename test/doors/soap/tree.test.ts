import { expect } from 'chai';
import { XmlDocument } from 'libxml2-wasm';
import { Refusal } from '../../../src/core/errors.ts';
import { canonicalize } from '../../../src/doors/soap/canonical.ts';
import { decodeXml } from '../../../src/doors/soap/lexical.ts';
import { attributeOf, childElements, parseXml, textOf, type XmlElement } from '../../../src/doors/soap/tree.ts';
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
