import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { sha256Hex } from '../../src/core/request-signature.ts';
import { checkTimestamp, readSecurityHeaders, verifyRequestSignature } from '../../src/gate/signature.ts';
import { type CertificateSet, certificates, type Pair } from '../kit/certificates.ts';

const script = resolve(import.meta.dirname, '../../docs/sign-and-call.sh');

describe('docs/sign-and-call.sh', () => {
  let set: CertificateSet;
  let server: Server;
  let folder: string;

  before(async () => {
    set = await certificates();
    folder = mkdtempSync(join(tmpdir(), 'bastion-script-'));
    server = createServer({
      cert: set.server.certificate,
      key: set.server.key,
      ca: set.ca,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.on('request', async (request, response) => {
      const body = (await request.toArray()).join('');
      const headers = readSecurityHeaders(request.rawHeaders);
      const caller = [set.partner, set.elliptic].find(each => each.thumbprint === headers.thumbprint)!;
      checkTimestamp(headers.timestamp, new Date());
      const { method = '', url: target = '' } = request;
      verifyRequestSignature({ method, target, headers, bodyHash: sha256Hex(body), publicKey: caller.publicKey });
      const { apiKey, orgId, contentType } = headers;
      response.end(JSON.stringify({ method, target, body, apiKey, orgId, contentType }));
    });
    await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready));
  });

  after(async () => {
    rmSync(folder, { recursive: true });
    await new Promise(resolve => server.close(resolve));
  });

  const put = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };

  /** What the server made of the call; its checks throw on anything wrong. */
  async function call(
    caller: Pair,
    args: string[],
    more: Record<string, string> = {},
  ): Promise<Record<string, string>> {
    const child = spawn('sh', [script, ...args], {
      timeout: 10_000,
      env: {
        PATH: process.env.PATH,
        BASTION_URL: `https://localhost:${(server.address() as AddressInfo).port}`,
        BASTION_KEY: 'sk_live_0123456789abcdef',
        CERT: put('client.pem', caller.certificate),
        KEY: put('client.key', caller.key),
        CACERT: put('ca.pem', set.ca),
        ...more,
      },
    });
    const [output, errors] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
    expect(errors.join('')).to.equal('');
    return JSON.parse(output.join(''));
  }

  it('makes a GET that verifies', async () => {
    const seen = await call(set.partner, ['GET', '/v3/audit-events?limit=5&since=2026-01-01T00%3A00%3A00Z']);
    expect(seen).to.deep.equal({
      method: 'GET',
      target: '/v3/audit-events?limit=5&since=2026-01-01T00%3A00%3A00Z',
      body: '',
      apiKey: 'sk_live_0123456789abcdef',
    });
  });

  it('makes a POST that verifies, with an elliptic key, for a sub-organisation', async () => {
    const body = '{"name": "@Rés\\u0075mé", "percent": "100%"}';
    const seen = await call(set.elliptic, ['POST', '/v3/organizations', body], { BASTION_ORG: 'org_1' });
    expect(seen).to.include({ method: 'POST', body, orgId: 'org_1', contentType: 'application/json' });
  });
});
