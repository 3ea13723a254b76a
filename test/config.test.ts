import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readConfig } from '../src/config.ts';

describe('The configuration', () => {
  let folder: string;
  const file = (name: string): string => join(folder, name);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'bastion-config-'));
    for (const name of ['one', 'two']) {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file(`${name}.key`)];
      const options = { stdio: 'ignore' } as const;
      execFileSync('openssl', ['req', '-x509', ...key, '-subj', `/CN=${name}`, '-out', file(`${name}.pem`)], options);
    }
  });

  after(() => rmSync(folder, { recursive: true }));

  const production = (): Record<string, string> => ({
    BASTION_ENV: 'production',
    BASTION_MASTER_KEYS: `1:${Buffer.alloc(32).toString('base64')}`,
    BASTION_TLS_CERTIFICATE: file('one.pem'),
    BASTION_TLS_KEY: file('one.key'),
    BASTION_SIGNING_CERTIFICATE: file('two.pem'),
    BASTION_SIGNING_KEY: file('two.key'),
    BASTION_APPROVED_CAS: file('one.pem'),
    BASTION_RELAY_URL: 'smtp://relay.example',
    BASTION_PUBLIC_URL: 'https://bastion.example/',
    BASTION_SOAP_URL: 'https://soap.bastion.example',
  });

  it('starts in development with nothing set', () => {
    expect(readConfig({})).to.deep.include({ production: false, tls: undefined, relay: undefined });
  });

  it('names each variable that production misses', () => {
    const complete = production();
    expect(readConfig(complete)).to.deep.include({ production: true, publicUrl: 'https://bastion.example' });
    for (const name of Object.keys(complete).filter(each => each !== 'BASTION_ENV')) {
      expect(() => readConfig({ ...complete, [name]: undefined }), name).to.throw(name);
    }
  });

  it('takes a key only for the certificate that it belongs to', () => {
    const swapped = { BASTION_TLS_CERTIFICATE: file('one.pem'), BASTION_TLS_KEY: file('two.key') };
    expect(() => readConfig(swapped)).to.throw(
      `BASTION_TLS_CERTIFICATE and BASTION_TLS_KEY: ${file('two.key')} is not the private key of ${file('one.pem')}`,
    );
  });

  it('takes no other key than an EC key in its place', () => {
    const pair = { BASTION_SIGNING_EC_CERTIFICATE: file('one.pem'), BASTION_SIGNING_EC_KEY: file('one.key') };
    expect(readConfig(pair).ellipticSigning).to.include.keys('certificate', 'key');
    const rsa = [
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      file('rsa.key'),
      '-subj',
      '/CN=rsa',
      '-out',
      file('rsa.pem'),
    ];
    execFileSync('openssl', ['req', '-x509', ...rsa], { stdio: 'ignore' });
    const wrong = { BASTION_SIGNING_EC_CERTIFICATE: file('rsa.pem'), BASTION_SIGNING_EC_KEY: file('rsa.key') };
    expect(() => readConfig(wrong)).to.throw('BASTION_SIGNING_EC_KEY must be an EC key');
  });

  it('names the variable whose file cannot be read, or holds something else', () => {
    const missing = { BASTION_SIGNING_CERTIFICATE: file('none'), BASTION_SIGNING_KEY: file('one.key') };
    expect(() => readConfig(missing)).to.throw(/^BASTION_SIGNING_CERTIFICATE and BASTION_SIGNING_KEY: ENOENT.*none/);
    const wrong = { BASTION_SIGNING_CERTIFICATE: file('one.key'), BASTION_SIGNING_KEY: file('one.key') };
    expect(() => readConfig(wrong)).to.throw(
      /^BASTION_SIGNING_CERTIFICATE and BASTION_SIGNING_KEY: .* are no PEM files/,
    );
  });

  it('takes thumbprints of proxies as openssl prints them', () => {
    const printed = 'AB:'.repeat(31);
    const { proxyThumbprints } = readConfig({ BASTION_PROXY_THUMBPRINTS: `${printed}CD, ${'0'.repeat(64)}` });
    expect(proxyThumbprints).to.deep.equal([`${'ab'.repeat(31)}cd`, '0'.repeat(64)]);
    expect(() => readConfig({ BASTION_PROXY_THUMBPRINTS: 'AB:CD' })).to.throw('BASTION_PROXY_THUMBPRINTS');
  });
});
