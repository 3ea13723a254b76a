import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { XmlDocument } from 'libxml2-wasm';
import { Refusal } from '../../../src/core/errors.ts';
import { canonicalize } from '../../../src/doors/soap/canonical.ts';
import { decodeXml } from '../../../src/doors/soap/lexical.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import type { XmlElement } from '../../../src/doors/soap/tree.ts';
import { elementById } from '../../kit/soap-signing.ts';

/** XML_C14N_EXCLUSIVE_1_0 of libxml2. */
const exclusive = 1;

describe('exclusive canonicalization', () => {
  it('orders by code point, where UTF-16 would put U+10000 before U+FFFD', () => {
    const xml = '<a \u{10000}b="1" \uFFFDb="2" Zb="3"/>';
    expect(canonicalize(parseXml(xml))).to.equal('<a Zb="3" \uFFFDb="2" \u{10000}b="1"></a>');
  });

  it('escapes a namespace name as the attribute value it is', () => {
    expect(canonicalize(parseXml('<p:a xmlns:p="urn:a&amp;b"/>'))).to.equal('<p:a xmlns:p="urn:a&amp;b"></p:a>');
  });

  it('takes an attribute that is called xmlnsfoo for an attribute', () => {
    expect(canonicalize(parseXml('<a xmlnsfoo="1"/>'))).to.equal('<a xmlnsfoo="1"></a>');
  });

  it('is linear: a hundred times the elements takes nothing like ten thousand times the work', () => {
    const nested = (count: number): XmlElement =>
      parseXml(`<a xmlns:p="urn:p">${'<p:b x="1">text &amp; more</p:b>'.repeat(count)}</a>`);
    const time = (element: XmlElement): number => {
      const start = process.cpuUsage();
      canonicalize(element);
      const { user } = process.cpuUsage(start);
      return user;
    };
    const [small, large] = [nested(400), nested(40_000)];
    time(small);
    const base = Math.min(...Array.from({ length: 20 }, () => time(small)));
    expect(time(large)).to.be.below(Math.max(base, 100) * 2_000);
  });
});

const vectors = process.env.BASTION_VECTORS && join(process.env.BASTION_VECTORS, 'xml');

if (vectors && existsSync(vectors)) {
  describe('exclusive canonicalization, published documents', () => {
    it("gives the digests of Merlin's exc-c14n document, with and without its PrefixList", () => {
      const text = readFileSync(join(vectors, 'xmlsec/tests/merlin-exc-c14n-one/exc-signature.xml'), 'utf8');
      const signed = elementById(parseXml(text), 'to-be-signed')!;
      const sha1 = (octets: string): string => createHash('sha1').update(octets).digest('base64');
      expect(sha1(canonicalize(signed))).to.equal('7yOTjUu+9oEhShgyIIXDLjQ08aY=');
      expect(sha1(canonicalize(signed, ['bar', '']))).to.equal('09xMy0RTQM1Q91demYe/0F6AGXo=');
    });

    it('equals libxml2 on every document of the corpora that we accept', () => {
      let compared = 0;
      for (const file of readdirSync(vectors, { recursive: true, encoding: 'utf8' })) {
        if (!file.endsWith('.xml')) continue;
        const octets = readFileSync(join(vectors, file));
        const ours = accepted(octets);
        if (ours === undefined) continue;
        const document = XmlDocument.fromBuffer(octets);
        expect(canonicalize(ours), file).to.equal(document.root.canonicalizeToString({ mode: exclusive }));
        document.dispose();
        compared++;
      }
      expect(compared).to.be.above(100);
    });
  });
}

/** undefined for documents with a DTD, another encoding or whatever else we refuse. */
function accepted(octets: Buffer): XmlElement | undefined {
  try {
    return parseXml(decodeXml(octets));
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
