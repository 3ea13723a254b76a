import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Authority } from '../../src/core/authority.ts';
import { thumbprintOf } from '../../src/core/certificates.ts';
import { readTrustFiles } from '../../src/core/trust-files.ts';

describe('trust files', () => {
  let one: Authority;
  let two: Authority;
  let folder: string;

  before(async () => {
    one = await Authority.create('CN=One');
    two = await Authority.create('CN=Two');
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bastion-trust-'));
    mkdirSync(join(folder, 'cas'));
    mkdirSync(join(folder, 'crls'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const put = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const der = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const names = (path: string) => readTrustFiles(path).authorities.map(each => each.subject);

  it('are a bundle, or a folder of bundles and single certificates in PEM or DER', () => {
    expect(names(put('bundle.pem', one.certificate + two.certificate))).to.deep.equal(['CN=One', 'CN=Two']);
    put('cas/a.pem', one.certificate);
    put('cas/b.cer', der(two.certificate));
    put('cas/README', 'not a certificate');
    expect(names(join(folder, 'cas'))).to.deep.equal(['CN=One', 'CN=Two']);
  });

  it('name the authorities whose certificates need no clientAuth, beside the bundle or in the folder', () => {
    const thumbprint = thumbprintOf(new X509Certificate(one.certificate));
    const spoken = thumbprint.toUpperCase().replace(/..(?=.)/g, '$&:');
    const bundle = put('bundle.pem', one.certificate);
    put('accept-without-client-auth', `# public authority\n\n${spoken} # since 2026\n`);
    expect([...readTrustFiles(bundle).withoutClientAuth]).to.deep.equal([thumbprint]);
    put('cas/a.pem', one.certificate);
    expect([...readTrustFiles(join(folder, 'cas')).withoutClientAuth]).to.deep.equal([]);
    put('cas/accept-without-client-auth', `${thumbprint}\n`);
    expect([...readTrustFiles(join(folder, 'cas')).withoutClientAuth]).to.deep.equal([thumbprint]);
  });

  it('name the authorities beneath which responders are asked, whom, and what counts without an answer', () => {
    const [first, second] = [one, two].map(({ certificate }) => thumbprintOf(new X509Certificate(certificate)));
    const bundle = put('bundle.pem', one.certificate);
    put('ask-responders', `${first} closed http://ocsp.example/ # in the own network\n${second} open\n`);
    expect([...readTrustFiles(bundle).responders]).to.deep.equal([
      [first, { without: 'closed', url: 'http://ocsp.example/' }],
      [second, { without: 'open' }],
    ]);
  });

  it('hold revocation lists as PEM with either label, or DER', async () => {
    const bundle = put('bundle.pem', one.certificate);
    const list = await one.revocationList([one.certificate]);
    put('crls/a.pem', list);
    put('crls/b.crl', list.replaceAll('X509 CRL', 'CRL'));
    put('crls/c.crl', der(list));
    const { revocationLists } = readTrustFiles(bundle, join(folder, 'crls'));
    const { serialNumber } = new X509Certificate(one.certificate);
    const serial = serialNumber.toLowerCase().replace(/^0+/, '');
    expect(revocationLists.map(each => each.revokes(serial))).to.deep.equal([true, true, true]);
    expect(revocationLists.map(each => each.revokes('1'))).to.deep.equal([false, false, false]);
  });

  it('may hold no revocation list yet', () => {
    expect(readTrustFiles(put('bundle.pem', one.certificate), join(folder, 'crls')).revocationLists).to.deep.equal([]);
  });

  it('hold nothing but authorities', async () => {
    const { certificate } = await one.client('CN=Partner');
    expect(() => names(put('bundle.pem', one.certificate + certificate))).to.throw(
      /bundle.pem: CN=Partner is no authority/,
    );
  });

  for (const [what, name, content] of [
    ['a broken certificate', 'cas/x.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['an empty file', 'cas/x.pem', ''],
    ['a broken revocation list', 'crls/x.crl', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'],
    [
      'a certificate in place of a revocation list',
      'crls/x.pem',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    ],
    ['a word in place of a thumbprint', 'cas/accept-without-client-auth', 'all\n'],
    ['a responder without a policy', 'cas/ask-responders', `${'a'.repeat(64)} https://ocsp.example/\n`],
    ['a responder that is no address', 'cas/ask-responders', `${'a'.repeat(64)} closed ldap://ocsp.example/\n`],
  ] as const) {
    it(`are refused by name when there is ${what} among them`, () => {
      put('cas/good.pem', one.certificate);
      const file = put(name, content);
      expect(() => readTrustFiles(join(folder, 'cas'), join(folder, 'crls'))).to.throw(file);
    });
  }

  it('are refused when they name no authority: nobody could come in', () => {
    expect(() => readTrustFiles(join(folder, 'cas'))).to.throw('no approved authority');
  });
});
