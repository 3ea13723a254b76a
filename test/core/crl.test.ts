import 'reflect-metadata';
import { generateKeyPairSync, KeyObject, type webcrypto } from 'node:crypto';
import { Extension, X509CrlGenerator } from '@peculiar/x509';
import { expect } from 'chai';
import { parseRevocationLists } from '../../src/core/crl.ts';

const issuingDistributionPoint = (tag: number) =>
  new Extension('2.5.29.28', true, new Uint8Array([0x30, 3, 0x80 | tag, 1, 0xff]));

describe('revocation lists', () => {
  const signings = {
    'RSA PKCS1-v1_5': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...rsa() },
    'RSA PSS': { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48, ...rsa() },
    'ECDSA P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
    Ed25519: { name: 'Ed25519' },
  };

  for (const [what, signing] of Object.entries(signings)) {
    it(`are verified when signed with ${what}, and not by another key`, async () => {
      const { der, publicKey } = await list(signing);
      const [parsed] = parseRevocationLists(der);
      const others = [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ed25519')];
      const answers = [publicKey, ...others.map(each => each.publicKey)].map((key, i) => parsed!.signedBy(`${i}`, key));
      expect(answers).to.deep.equal([true, false, false]);
    });
  }

  it('are not verified when an octet of what is signed has changed', async () => {
    const { der, publicKey } = await list(signings['ECDSA P-384']);
    const at = der.indexOf(Buffer.from('aabbcc', 'hex'));
    der[at]! ^= 1;
    expect(parseRevocationLists(der)[0]!.signedBy('x', publicKey)).to.equal(false);
  });

  it('name serial numbers whatever their leading zeros', async () => {
    const [parsed] = parseRevocationLists((await list(signings.Ed25519)).der);
    expect(['aabbcc', 'f1', '0f1'].map(serial => parsed!.revokes(serial))).to.deep.equal([true, true, false]);
  });

  it('may be one partition of several', async () => {
    const { der } = await list(signings.Ed25519, { extensions: [issuingDistributionPoint(1)] });
    expect(parseRevocationLists(der)[0]!.partition).not.to.equal('');
  });

  const unusable = {
    'no end': { nextUpdate: undefined },
    'an unknown critical extension': { extensions: [new Extension('1.2.3.4', true, new Uint8Array([5, 0]))] },
    'the mark of a delta': { extensions: [new Extension('2.5.29.27', true, new Uint8Array([2, 1, 1]))] },
    'other issuers in it': { extensions: [issuingDistributionPoint(4)] },
    'some reasons only': { extensions: [issuingDistributionPoint(3)] },
  };
  for (const [what, changes] of Object.entries(unusable)) {
    it(`with ${what} are refused when they are read`, async () => {
      const { der } = await list(signings.Ed25519, changes);
      expect(() => parseRevocationLists(der)).to.throw();
    });
  }

  it('signed with SHA-1 are refused when they are read', async () => {
    const { der } = await list({ ...signings['RSA PKCS1-v1_5'], hash: 'SHA-1' });
    expect(() => parseRevocationLists(der)).to.throw('weak hash');
  });
});

function rsa() {
  return { publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 };
}

async function list(
  signing: { name: string; hash?: string },
  changes: { nextUpdate?: Date | undefined; extensions?: Extension[] } = {},
) {
  const keys = (await crypto.subtle.generateKey(signing, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const made = await X509CrlGenerator.create({
    issuer: 'CN=Issuer',
    thisUpdate: new Date(),
    nextUpdate: new Date(Date.now() + 1_000_000),
    signingAlgorithm: signing,
    signingKey: keys.privateKey,
    entries: [{ serialNumber: 'aabbcc' }, { serialNumber: '00f1' }],
    ...changes,
  });
  return { der: Buffer.from(made.rawData), publicKey: KeyObject.from(keys.publicKey) };
}
