import { spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { expect } from 'chai';
import { Authority, keyKinds } from '../../src/core/authority.ts';
import { pkcs12 } from '../../src/core/pkcs12.ts';

describe('a PKCS#12 file', () => {
  for (const kind of keyKinds.filter(each => each !== 'RSA-4096')) {
    it(`of a ${kind} key opens in OpenSSL and in TLS, with key, certificate and intermediates`, async () => {
      const middle = await (await Authority.create('CN=Root')).intermediate('CN=Middle');
      const { certificate, key } = await middle.client('CN=partner', kind);
      const file = await pkcs12({ certificate: certificate + middle.certificate, key }, 'open sesame');
      const { stdout, stderr } = spawnSync('openssl', ['pkcs12', '-nodes', '-passin', 'pass:open sesame'], {
        input: file,
      });
      const text = stdout.toString();
      const [first, second] = text.match(/-----BEGIN CERTIFICATE[\s\S]+?END CERTIFICATE-----/g) ?? [];
      const opened = /-----BEGIN PRIVATE KEY[\s\S]+?END PRIVATE KEY-----/.exec(text)?.[0];
      expect(opened, stderr.toString()).to.be.a('string');
      expect(new X509Certificate(first!).checkPrivateKey(createPrivateKey(opened!))).to.equal(true);
      expect(new X509Certificate(second!).subject).to.equal('CN=Middle');
      expect(createSecureContext({ pfx: file, passphrase: 'open sesame' })).to.be.an('object');
    });
  }

  it('does not open with another password', async () => {
    const file = await pkcs12(await (await Authority.create('CN=Root')).client('CN=partner'), 'right');
    expect(() => createSecureContext({ pfx: file, passphrase: 'wrong' })).to.throw(/mac verify failure/);
  });
});
