import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { thumbprintOf } from '../../src/core/certificates.ts';
import { verifyDetached } from '../../src/core/detached-signature.ts';
import {
  canonicalString,
  type SignatureVersion,
  type SignedParts,
  sha256Hex,
} from '../../src/core/request-signature.ts';

interface Vector {
  name: string;
  version: SignatureVersion;
  /** File beside vectors.json. */
  certificate: string;
  algorithm: string;
  request: Omit<SignedParts, 'bodyHash'> & { body: string };
  bodyHash: string;
  canonical: string;
  digest: string;
  signature: string;
}

const root = resolve(import.meta.dirname, '../..');
const samples = join(root, 'test/samples/signing');
const vectors: Vector[] = JSON.parse(readFileSync(join(samples, 'vectors.json'), 'utf8'));
const page = readFileSync(join(root, 'docs/SIGNING.md'), 'utf8');
const certificate = (name: string) => new X509Certificate(readFileSync(join(samples, name)));

describe('the published signing vectors', () => {
  for (const vector of vectors) {
    it(`hold: ${vector.name} [BAS-016]`, () => {
      expect(sha256Hex(vector.request.body)).to.equal(vector.bodyHash);
      expect(canonicalString(vector.version, { ...vector.request, bodyHash: vector.bodyHash })).to.equal(
        vector.canonical,
      );
      expect(`sha256:${sha256Hex(vector.canonical)}`).to.equal(vector.digest);
      const { publicKey } = certificate(vector.certificate);
      expect(verifyDetached(publicKey, vector.canonical, vector.signature)).to.equal(true);
      expect(verifyDetached(publicKey, `${vector.canonical}\n`, vector.signature)).to.equal(false);
    });
  }

  it('are those of the page', () => {
    const printed = vectors.filter(vector => page.includes(`\n${vector.signature}\n`));
    expect(printed.map(vector => vector.version)).to.deep.equal([1, 1, 2]);
    for (const { canonical, digest } of printed) {
      expect(page).to.contain(`\n${canonical}\n`).and.to.contain(digest.replace('sha256:', ''));
    }
    expect(page).to.contain(thumbprintOf(certificate('rsa.pem')));
  });
});
