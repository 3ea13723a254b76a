import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { expect } from 'chai';
import {
  getCertificate,
  listCertificates,
  renewCertificate,
  revokeCertificate,
} from '../../../src/areas/access/certificate-operations.ts';
import { ClientCertificate } from '../../../src/areas/access/entities.ts';
import { getSigningCertificates } from '../../../src/areas/access/signing-certificates.ts';
import { listOrganizations } from '../../../src/areas/organizations/operations.ts';
import { newRequest } from '../../../src/core/authority.ts';
import { OutboxEvent } from '../../../src/db/outbox.ts';
import { read } from '../../../src/db/transaction.ts';
import { registerCertificate } from '../../../src/operator.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { pair } from '../../kit/certificates.ts';
import { bothDoors, done, through } from '../through.ts';

const dayMs = 86_400_000;

describe('the end of a certificate', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  async function registered(name: string, days = 100): Promise<string> {
    const notAfter = new Date(kit.clock.now().getTime() + days * dayMs);
    const request = await newRequest(name, 'P-256');
    const pem = await kit.set.authority.signRequest(request.request, { notAfter });
    return (await registerCertificate(kit.app, kit.tenant.id, { pem, uses: ['request'] })).id;
  }

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('is moved by a renewal: Bastion signs the key of a request, under the name that was registered', async () => {
        const old = await registered('CN=renewed, O=Acme');
        const { request, key } = await newRequest('CN=somebody else');
        const asked = kit.responder.requests.length;
        const input = { certificate_id: old, certificate_request: request, overlap_seconds: 3600 };
        const renewed = await done(door, kit.tenant, renewCertificate, input);
        expect(kit.responder.requests.length, 'it was approved').to.equal(asked + 1);
        expect(renewed).to.deep.include({
          subject: 'CN=renewed, O=Acme',
          uses: ['request'],
          status: 'active',
          previous_certificate_id: old,
        });
        const fresh = pair({ certificate: renewed.certificate_pem, key });
        expect(fresh.x509.checkPrivateKey(createPrivateKey(key))).to.equal(true);
        await done(door, kit.caller({ ...kit.tenant, certificate: fresh }), listOrganizations);
        const { retires_at } = await done(door, kit.tenant, getCertificate, { certificate_id: old });
        expect(retires_at).to.equal(renewed.previous_valid_until);
        expect((await through(door, kit.tenant, renewCertificate, input)).outcome).to.equal('conflict');
      });

      it('is not moved for a request that is broken, not signed with its own key, or of a weak key', async () => {
        const certificate_id = await registered('CN=unmoved');
        const good = (await newRequest('CN=x', 'P-256')).request;
        const lines = good.split('\n');
        lines[lines.length - 4] = lines.at(-4)!.replace(/^./, first => (first === 'A' ? 'B' : 'A'));
        for (const certificate_request of ['no request', kit.set.ca, lines.join('\n'), weakRequest]) {
          const answer = await through(door, kit.tenant, renewCertificate, { certificate_id, certificate_request });
          expect(answer).to.deep.include({ outcome: 'validation_failed', fields: ['certificate_request'] });
        }
      });

      it('is not moved with a key that approves', async () => {
        const { request, key } = await newRequest('CN=two-faced', 'P-256');
        const approving = await kit.set.authority.signRequest(request);
        expect(createPrivateKey(key).asymmetricKeyType).to.equal('ec');
        await registerCertificate(kit.app, kit.tenant.id, { pem: approving, uses: ['approval'] });
        const certificate_id = await registered('CN=asking');
        const input = { certificate_id, certificate_request: request };
        const answer = await through(door, kit.tenant, renewCertificate, input);
        expect(answer).to.deep.include({ outcome: 'validation_failed', fields: ['uses'] });
      });

      it("is not moved for a revoked certificate, or another organisation's", async () => {
        const certificate_id = await registered('CN=revoked');
        await done(door, kit.tenant, revokeCertificate, { certificate_id });
        const certificate_request = (await newRequest('CN=x', 'P-256')).request;
        const revoked = await through(door, kit.tenant, renewCertificate, { certificate_id, certificate_request });
        expect(revoked.outcome).to.equal('conflict');
        const rival = await kit.organization(`Rival ${door}`, { certificate: kit.set.otherPartner });
        const theirs = { certificate_id: await registered('CN=ours'), certificate_request };
        expect((await through(door, rival, renewCertificate, theirs)).outcome).to.equal('not_found');
        expect((await through(door, rival, getCertificate, theirs)).outcome).to.not.equal('ok');
      });

      it('can be asked for: what ends soon and has no successor', async () => {
        const soon = await registered('CN=soon', 10);
        const listed = async (ending_within_days: number) =>
          (await done(door, kit.tenant, listCertificates, { ending_within_days, limit: 200 })).certificates.map(
            (row: { certificate_id: string }) => row.certificate_id,
          );
        expect(await listed(11)).to.include(soon);
        expect(await listed(9)).to.not.include(soon);
        const certificate_request = (await newRequest('CN=x', 'P-256')).request;
        await done(door, kit.tenant, renewCertificate, { certificate_id: soon, certificate_request });
        expect(await listed(11)).to.not.include(soon);
      });

      it("of Bastion's own signing certificate is announced by the one that follows it", async () => {
        const { current, next } = await done(door, kit.tenant, getSigningCertificates);
        expect(current.thumbprint).to.equal(kit.set.signing.thumbprint);
        expect(current.certificate_pem.trim()).to.equal(kit.set.signing.certificate.trim());
        expect(next ?? null).to.equal(null);
      });
    });
  }

  it('is not moved by a server that holds no authority', async () => {
    const other = await startKit({ beside: kit, config: { clientAuthority: undefined } });
    try {
      const certificate_request = (await newRequest('CN=x', 'P-256')).request;
      const input = { certificate_id: await registered('CN=alone'), certificate_request };
      await kit.app.runner.stop();
      expect((await through('rest', other.tenant, renewCertificate, input)).outcome).to.equal('conflict');
    } finally {
      await other.close();
      await kit.app.runner.start();
    }
  });

  it('is told by event at 30, 14, 7 and 1 days, once each; a successor, or its end, silences it', async () => {
    const id = await registered('CN=ending', 40);
    const told = async () => {
      await kit.settle();
      const events = await read(kit.app.db, 'system', em => em.find(OutboxEvent, { type: 'certificate.expiring' }));
      return events.filter(({ payload }) => payload.certificate_id === id);
    };
    const counts: number[] = [];
    for (const days of [5, 6, 1, 15, 7, 5.5, 2]) {
      kit.clock.advance(days * dayMs);
      counts.push((await told()).length);
    }
    expect(counts).to.deep.equal([0, 1, 1, 2, 3, 4, 4]);
    const row = await read(kit.app.db, 'system', em => em.findOneOrFail(ClientCertificate, { id }));
    expect((await told())[0]!.payload).to.deep.equal({
      certificate_id: id,
      thumbprint: row.thumbprint,
      uses: ['request'],
      not_after: row.notAfter.toISOString().replace('.000', ''),
    });
  });

  it('is in the metrics, one figure for each use', async () => {
    const text = await (await fetch(`${kit.app.health.url}/metrics`)).text();
    for (const use of ['listeners', 'signing', 'approved_authority', 'partner_request', 'partner_approval']) {
      const seconds = new RegExp(`^bastion_certificate_expiry_seconds\\{use="${use}"\\} (\\d+)`, 'm').exec(text)?.[1];
      expect(Number(seconds), use).to.be.greaterThan(3600);
    }
  });
});

/** RSA of 1024 bits, which our own tools do not make. */
const weakRequest = execFileSync(
  'openssl',
  ['req', '-new', '-newkey', 'rsa:1024', '-nodes', '-keyout', '/dev/null', '-subj', '/CN=x'],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
);
