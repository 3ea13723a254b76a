import { expect } from 'chai';
import { type Kit, startKit } from '../kit/app.ts';
import { certificates, type Pair, pair } from '../kit/certificates.ts';
import type { Overrides } from '../kit/rest-client.ts';

describe('behind a TLS-terminating proxy', () => {
  let kit: Kit;
  let proxy: Pair;
  const clientCert = (certificate: Pair) => `:${certificate.x509.raw.toString('base64')}:`;
  const call = (headers: Overrides['headers'], more: Overrides = {}) =>
    kit.rest.call('GET', '/v3/scopes', undefined, {
      ...more,
      tls: { cert: proxy.certificate, key: proxy.key },
      headers: { 'X-Forwarded-For': '127.0.0.1', ...headers },
    });

  before(async () => {
    proxy = pair(await (await certificates()).authority.client('CN=proxy', 'P-256'));
    kit = await startKit({ config: { proxyThumbprints: [proxy.thumbprint] } });
  });
  after(() => kit.close());

  it('takes certificate and address from the proxy that authenticated (RFC 9440)', async () => {
    expect((await call({ 'Client-Cert': clientCert(kit.set.partner) })).status).to.equal(200);
  });

  it('still takes a direct connection for what it is', async () => {
    expect((await kit.rest.call('GET', '/v3/scopes')).status).to.equal(200);
    const headers = { 'X-Forwarded-For': '127.0.0.9' };
    expect((await kit.rest.call('GET', '/v3/scopes', undefined, { headers })).status).to.equal(200);
  });

  it('refuses the headers of anybody else with 400', async () => {
    const headers = { 'Client-Cert': clientCert(kit.set.partner), 'X-Forwarded-For': '127.0.0.1' };
    const { status, body } = await kit.rest.call('GET', '/v3/scopes', undefined, { headers });
    expect([status, body.error]).to.deep.equal([400, 'malformed']);
  });

  it("believes the proxy's own entry of X-Forwarded-For, which is the last, and none of the client's", async () => {
    const certificate = { 'Client-Cert': clientCert(kit.set.partner) };
    const from = async (value: string | string[] | undefined) =>
      (await call({ ...certificate, 'X-Forwarded-For': value })).status;
    expect(await from('127.0.0.9, 127.0.0.1')).to.equal(200);
    expect(await from(['127.0.0.9', '127.0.0.1'])).to.equal(200);
    expect(await from('127.0.0.1, 127.0.0.9')).to.equal(403);
    expect(await from(['127.0.0.1', '127.0.0.9'])).to.equal(403);
    expect(await from('unknown')).to.equal(403);
    expect(await from(undefined)).to.equal(403);
  });

  it("never takes the proxy's own certificate for the client's", async () => {
    const { status, body } = await call({ 'Bastion-Cert-Thumbprint': proxy.thumbprint }, { signWith: proxy.key });
    expect([status, body.error]).to.deep.equal([401, 'certificate_required']);
  });

  it('holds the certificate to the same rules as one of TLS', async () => {
    const { otherPartner, foreign } = kit.set;
    for (const stranger of [otherPartner, foreign]) {
      const headers = { 'Client-Cert': clientCert(stranger), 'Bastion-Cert-Thumbprint': stranger.thumbprint };
      const { status, body } = await call(headers, { signWith: stranger.key });
      expect([status, body.error]).to.deep.equal([401, 'certificate_invalid']);
    }
  });

  for (const value of ['', ':AAAA:', 'AAAA', ':%%%:', ':AAAA']) {
    it(`refuses Client-Cert ${JSON.stringify(value)}`, async () => {
      expect((await call({ 'Client-Cert': value })).status).to.equal(400);
    });
  }

  it('refuses Client-Cert twice', async () => {
    const value = clientCert(kit.set.partner);
    expect((await call({ 'Client-Cert': [value, value] })).status).to.equal(400);
  });
});
