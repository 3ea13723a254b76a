import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { expect } from 'chai';
import { Authority, newRequest } from '../../src/core/authority.ts';
import { signingKind } from '../../src/core/detached-signature.ts';

describe('an authority', () => {
  let authority: Authority;
  before(async () => {
    authority = await Authority.create('CN=Development');
  });

  for (const kind of ['RSA-2048', 'P-256', 'P-384'] as const) {
    it(`issues ${kind} certificates whose key belongs to them`, async () => {
      const { certificate, key } = await authority.client('CN=partner, O=Acme', kind);
      const parsed = new X509Certificate(certificate);
      expect(parsed.checkPrivateKey(createPrivateKey(key))).to.equal(true);
      expect(signingKind(parsed.publicKey)).to.equal(kind.replace('RSA-2048', 'rsa'));
      expect(parsed.verify(new X509Certificate(authority.certificate).publicKey)).to.equal(true);
    });

    it(`opens again from its PEM texts with a ${kind} key`, async () => {
      const made = await Authority.create('CN=Kept', kind);
      const again = Authority.open({ certificate: made.certificate, key: made.key });
      const issued = new X509Certificate((await again.client('CN=partner')).certificate);
      expect(issued.verify(new X509Certificate(made.certificate).publicKey)).to.equal(true);
    });
  }

  for (const host of ['localhost', '127.0.0.1', '::1']) {
    it(`issues a server certificate for ${host} that Node accepts`, async () => {
      const issued = await authority.server();
      const server = createServer({ cert: issued.certificate, key: issued.key });
      await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready));
      const { port } = server.address() as AddressInfo;
      const identity = host === 'localhost' ? { servername: host } : {};
      const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate, ...identity });
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
      expect(new X509Certificate(issued.certificate)[host === 'localhost' ? 'checkHost' : 'checkIP'](host)).to.equal(
        host,
      );
      expect(socket.authorized).to.equal(true);
      socket.destroy();
      await new Promise(closed => server.close(closed));
    });
  }

  it('signs a request for the key that made it, and no other', async () => {
    const { request, key } = await newRequest('CN=partner');
    const parsed = new X509Certificate(await authority.signRequest(request));
    expect([parsed.subject, parsed.checkPrivateKey(createPrivateKey(key))]).to.deep.equal(['CN=partner', true]);
    const lines = request.split('\n');
    const at = lines.length - 4;
    lines[at] = lines[at]!.replace(/^./, first => (first === 'A' ? 'B' : 'A'));
    const refused = await authority.signRequest(lines.join('\n')).then(
      () => false,
      () => true,
    );
    expect(refused).to.equal(true);
  });
});
