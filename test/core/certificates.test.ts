import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { Authority } from '../../src/core/authority.ts';
import {
  isStrongKey,
  normalizeThumbprint,
  parseCertificate,
  parseCertificates,
  storedCertificate,
  thumbprintOf,
} from '../../src/core/certificates.ts';

const x509 = (pem: string) => new X509Certificate(pem);

describe('certificates', () => {
  let pem: string;
  before(async () => {
    pem = (await (await Authority.create('CN=Root')).client('CN=leaf')).certificate;
  });

  it('have a thumbprint of 64 lowercase hex digits, as OpenSSL computes it', () => {
    const told = spawnSync('openssl', ['x509', '-noout', '-fingerprint', '-sha256'], { input: pem, encoding: 'utf8' });
    const spoken = told.stdout.trim().split('=')[1]!;
    expect(normalizeThumbprint(spoken)).to.equal(thumbprintOf(x509(pem)));
  });

  it('are named by a thumbprint in any case, with or without colons, and by nothing else', () => {
    const plain = 'ab'.repeat(32);
    const colons = Array(32).fill('AB').join(':');
    expect([plain, plain.toUpperCase(), colons].map(normalizeThumbprint)).to.deep.equal([plain, plain, plain]);
    const wrong = ['', plain.slice(1), `${plain}ab`, `${plain} `, plain.replace('a', 'g'), colons.replace(':', '')];
    expect(wrong.map(normalizeThumbprint)).to.deep.equal(wrong.map(() => undefined));
  });

  it('are read from PEM and DER', () => {
    const expected = x509(pem).fingerprint256;
    const forms = [pem, Buffer.from(pem), x509(pem).raw, `# a comment\n${pem}`, pem.replaceAll('\n', '\r\n')];
    expect(forms.map(form => parseCertificate(form)?.fingerprint256)).to.deep.equal(forms.map(() => expected));
  });

  it('are not read from anything else', () => {
    const der = x509(pem).raw;
    const wrong = [
      '',
      'x',
      Buffer.concat([der, Buffer.from([0])]),
      der.subarray(1),
      pem.replace('MII', 'AAA'),
      pem + pem,
    ];
    expect(wrong.map(parseCertificate)).to.deep.equal(wrong.map(() => undefined));
  });

  it('are read in the order of a bundle, all or none', () => {
    expect(parseCertificates(pem + pem)).to.have.length(2);
    expect(parseCertificates(pem + pem.replace('MII', 'AAA'))).to.equal(undefined);
  });

  it('are parsed once when they come from our records', () => {
    expect(storedCertificate(pem)).to.equal(storedCertificate(pem));
    expect(() => storedCertificate('x')).to.throw();
  });

  it('may be used by partners with RSA from 2048 bits, P-256 and P-384', async () => {
    const authority = await Authority.create('CN=Root', 'P-384');
    const kinds = ['RSA-2048', 'P-256', 'P-384'] as const;
    const issued = await Promise.all(kinds.map(kind => authority.client('CN=leaf', kind)));
    expect(issued.map(each => isStrongKey(x509(each.certificate)))).to.deep.equal([true, true, true]);
  });
});
