import { createHash } from 'node:crypto';
import { X509Certificate as ParsedCertificate, SubjectKeyIdentifierExtension } from '@peculiar/x509';
import { expect } from 'chai';
import { isNamedBy } from '../../src/gate/certificate-selection.ts';
import { type CertificateSet, certificates } from '../kit/certificates.ts';

describe('selecting a certificate by what a message says of it', () => {
  let set: CertificateSet;
  before(async () => {
    set = await certificates();
  });

  it('knows it by its octets', () => {
    expect(isNamedBy(set.partner.x509, { kind: 'certificate', certificate: set.partner.x509 })).to.equal(true);
    expect(isNamedBy(set.partner.x509, { kind: 'certificate', certificate: set.otherPartner.x509 })).to.equal(false);
  });

  for (const hash of ['sha1', 'sha256'] as const) {
    it(`knows it by its ${hash} thumbprint`, () => {
      const value = createHash(hash).update(set.partner.x509.raw).digest();
      expect(isNamedBy(set.partner.x509, { kind: 'thumbprint', hash, value })).to.equal(true);
      expect(isNamedBy(set.otherPartner.x509, { kind: 'thumbprint', hash, value })).to.equal(false);
    });
  }

  it('knows it by its key identifier', () => {
    const extension = new ParsedCertificate(set.partner.x509.raw).getExtension(SubjectKeyIdentifierExtension)!;
    const value = Buffer.from(extension.keyId, 'hex');
    expect(isNamedBy(set.partner.x509, { kind: 'subjectKeyIdentifier', value })).to.equal(true);
    expect(isNamedBy(set.otherPartner.x509, { kind: 'subjectKeyIdentifier', value })).to.equal(false);
  });

  it('knows it by issuer and serial number, however the issuer is spelled', () => {
    const serial = BigInt(`0x${set.partner.x509.serialNumber}`).toString();
    for (const issuer of ['CN=Bastion Test Authority', 'cn = bastion  test authority', 'CN="Bastion Test Authority"']) {
      expect(isNamedBy(set.partner.x509, { kind: 'issuerSerial', issuer, serial }), issuer).to.equal(true);
    }
    expect(isNamedBy(set.partner.x509, { kind: 'issuerSerial', issuer: 'CN=Another', serial })).to.equal(false);
    const next = (BigInt(serial) + 1n).toString();
    const issuer = 'CN=Bastion Test Authority';
    expect(isNamedBy(set.partner.x509, { kind: 'issuerSerial', issuer, serial: next })).to.equal(false);
  });
});
