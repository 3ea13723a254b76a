import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { listApiKeys, rotateApiKey } from '../../src/areas/access/operations.ts';
import { listOrganizations } from '../../src/areas/organizations/operations.ts';
import { thumbprintOf } from '../../src/core/certificates.ts';
import { registerCertificate } from '../../src/operator.ts';
import { bothDoors, done, through } from '../areas/through.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';
import { type CertificateSet, certificates, pair } from '../kit/certificates.ts';

/** The whole way: gate, approval and resumption ask OpenSSL's responder, without which nothing is believed. */
describe('callers beneath an authority whose responder must say that they are good', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'bastion-responders-'));
  let kit: Kit;
  let revoked: Tenant;
  let responder: ChildProcess;

  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  before(async () => {
    const set = await certificates();
    const gone = pair(await set.authority.client('CN=gone'));
    const port = await freePort();
    responder = await startResponder(set, port, gone.x509.serialNumber);
    const authority = thumbprintOf(pair({ certificate: set.ca, key: set.authority.key }).x509);
    file('ask-responders', `${authority} open http://127.0.0.1:${port}/\n`);
    kit = await startKit({ config: { approvedCas: file('ca.pem', set.ca) } });
    file('ask-responders', `${authority} closed http://127.0.0.1:${port}/\n`);
    kit.app.services.trust.reload();
    revoked = kit.caller({ ...kit.tenant, certificate: gone });
  });
  after(async () => {
    await kit.close();
    responder.kill();
    rmSync(folder, { recursive: true });
  });

  async function startResponder(set: CertificateSet, port: number, gone: string): Promise<ChildProcess> {
    const line = (state: string, serial: string, since = '') =>
      `${[state, '401231235959Z', since, serial, 'unknown', `/CN=${serial}`].join('\t')}\n`;
    const good = [set.partner, set.approver].map(({ x509 }) => line('V', x509.serialNumber)).join('');
    const index = file('index.txt', good + line('R', gone, '260101000000Z'));
    const signer = ['-rsigner', file('r.pem', set.ca), '-rkey', file('r.key', set.authority.key)];
    const child = spawn(
      'openssl',
      ['ocsp', '-port', String(port), '-index', index, '-CA', file('root.pem', set.ca), ...signer, '-nmin', '60'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    await Promise.race([once(child.stdout!, 'data'), once(child.stderr!, 'data')]);
    await sleep(100);
    return child;
  }

  for (const door of bothDoors) {
    it(`come in over ${door}, and change what an approver approves that is good as well`, async () => {
      await done(door, kit.tenant, listOrganizations);
      const { keys } = await done(door, kit.tenant, listApiKeys);
      await done(door, kit.tenant, rotateApiKey, { key_id: keys[0].key_id });
    });

    it(`are refused over ${door} when it says that they are revoked`, async () => {
      const refused = door === 'rest' ? 'certificate_invalid' : 'FailedCheck';
      expect((await through(door, revoked, listOrganizations)).outcome).to.equal(refused);
    });
  }

  it('cannot be registered when they are revoked', async () => {
    const gone = { pem: revoked.certificate.certificate, uses: ['request'] as const };
    const refusal = await registerCertificate(kit.app, kit.tenant.id, gone).catch((error: Error) => error.message);
    expect(refusal).to.equal('the certificate is not acceptable: revoked');
  });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise(resolve => probe.close(resolve));
  return port;
}
