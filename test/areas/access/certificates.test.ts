import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import {
  createCertificateChallenge,
  listCertificates,
  registerCertificate,
  revokeCertificate,
  rotateCertificate,
} from '../../../src/areas/access/certificate-operations.ts';
import { listOrganizations } from '../../../src/areas/organizations/operations.ts';
import { type Authority, newRequest } from '../../../src/core/authority.ts';
import { signDetached } from '../../../src/core/detached-signature.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { type Pair, pair } from '../../kit/certificates.ts';
import { bothDoors, done, pattern, type TestedDoor, through } from '../through.ts';

describe('client certificates', () => {
  let kit: Kit;
  let rival: Tenant;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  const client = async (name = 'CN=client, O=Acme'): Promise<Pair> =>
    pair(await kit.set.authority.client(name, 'P-256'));

  async function offerOf(door: TestedDoor, { certificate, privateKey }: Pair, tenant = kit.tenant) {
    const { challenge, text } = await done(door, tenant, createCertificateChallenge);
    return { certificate_pem: certificate, challenge, proof: signDetached(privateKey, text) };
  }

  const register = async (door: TestedDoor, offered: Pair, uses = ['request'], tenant = kit.tenant) =>
    through(door, tenant, registerCertificate, { ...(await offerOf(door, offered, tenant)), uses });

  const listed = async (door: TestedDoor, id: string) =>
    (await done(door, kit.tenant, listCertificates, { limit: 200 })).certificates.find(
      (row: { certificate_id: string }) => row.certificate_id === id,
    );

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('count once registered with a proof of possession, after approval', async () => {
        const fresh = await client();
        const holder = kit.caller({ ...kit.tenant, certificate: fresh });
        await refused(door, holder);
        const asked = kit.responder.requests.length;
        const { output } = await register(door, fresh);
        expect(kit.responder.requests.length).to.equal(asked + 1);
        expect(pattern(output)).to.deep.equal({
          certificate_id: 'cert_…',
          thumbprint: fresh.thumbprint,
          subject: 'CN=client, O=Acme',
          issuer: 'CN=Bastion Test Authority',
          serial_number: fresh.x509.serialNumber.toLowerCase(),
          uses: ['request'],
          status: 'active',
          not_before: 'instant',
          not_after: 'instant',
          retires_at: null,
          last_used_at: null,
          policy: {
            signature_version_2: false,
            signature_algorithms: [],
            signed_headers: [],
            answer_algorithm: null,
            signature_confirmation: false,
            faults_as_500: false,
          },
          created_at: 'instant',
        });
        expect(await listed(door, output.certificate_id)).to.deep.equal(output);
        await done(door, holder, listOrganizations);
        await until(async () => (await listed(door, output.certificate_id)).last_used_at !== null);
      });

      it('are refused when another key signed, another text was signed, or the challenge is not ours', async () => {
        const [fresh, other] = [await client(), await client()];
        const good = await offerOf(door, fresh);
        const text = 'BASTION-POSSESSION\nanything';
        const theirs = await offerOf(door, fresh, rival);
        for (const [wrong, field] of [
          [{ proof: (await offerOf(door, other)).proof }, 'proof'],
          [{ proof: signDetached(fresh.privateKey, text) }, 'proof'],
          [{ challenge: `9${good.challenge}` }, 'challenge'],
          [{ challenge: theirs.challenge, proof: theirs.proof }, 'challenge'],
        ] as const) {
          const offer = { ...good, ...wrong, uses: ['request'] };
          const answer = await through(door, kit.tenant, registerCertificate, offer);
          expect(answer).to.deep.include({ outcome: 'validation_failed', fields: [field] });
        }
      });

      it('are refused from an authority that is not approved, and when they are none', async () => {
        const foreign = await register(door, kit.set.foreign);
        expect(foreign).to.deep.include({ outcome: 'validation_failed', fields: ['certificate_pem'] });
        const offer = {
          ...(await offerOf(door, await client())),
          certificate_pem: 'no certificate',
          uses: ['request'],
        };
        const none = await through(door, kit.tenant, registerCertificate, offer);
        expect(none.fields).to.deep.equal(['certificate_pem']);
      });

      it('never serve requests and approvals with one key', async () => {
        const both = { ...(await offerOf(door, await client())), uses: ['request', 'approval'] };
        expect((await through(door, kit.tenant, registerCertificate, both)).fields).to.deep.equal(['uses']);
        const [asking, approving] = await sameKey(kit.set.authority);
        expect((await register(door, asking)).outcome).to.equal('ok');
        const answer = await register(door, approving, ['approval']);
        expect(answer).to.deep.include({ outcome: 'validation_failed', fields: ['uses'] });
        const child = await kit.organization('Child', { parent: kit.tenant });
        const inherited = await register(door, approving, ['approval'], child);
        expect(inherited.fields).to.deep.equal(['uses']);
      });

      it('are registered once; a revoked one stays revoked', async () => {
        const fresh = await client();
        const { output } = await register(door, fresh);
        expect((await register(door, fresh)).outcome).to.equal('conflict');
        const revoked = { certificate_id: output.certificate_id, status: 'revoked' };
        const revoke = () => done(door, kit.tenant, revokeCertificate, { certificate_id: output.certificate_id });
        expect(await revoke()).to.deep.equal(revoked);
        await refused(door, kit.caller({ ...kit.tenant, certificate: fresh }));
        expect(await revoke()).to.deep.equal(revoked);
        expect((await register(door, fresh)).outcome).to.equal('conflict');
        expect(await listed(door, output.certificate_id)).to.include({ status: 'revoked' });
      });

      it('stay when they are the last in force for a use', async () => {
        const { certificates } = await done(door, rival, listCertificates);
        expect(certificates).to.have.lengthOf(2);
        for (const { certificate_id } of certificates) {
          expect((await through(door, rival, revokeCertificate, { certificate_id })).outcome).to.equal('conflict');
        }
        await done(door, rival, listOrganizations);
      });

      it('work side by side during a rotation', async () => {
        const [old, fresh] = [await client(), await client()];
        const { output } = await register(door, old);
        const asked = { certificate_id: output.certificate_id, ...(await offerOf(door, fresh)), overlap_seconds: 3600 };
        const rotated = await done(door, kit.tenant, rotateCertificate, asked);
        expect(rotated).to.deep.include({
          previous_certificate_id: output.certificate_id,
          uses: ['request'],
          thumbprint: fresh.thumbprint,
        });
        for (const certificate of [old, fresh]) {
          await done(door, kit.caller({ ...kit.tenant, certificate }), listOrganizations);
        }
        expect((await listed(door, output.certificate_id)).retires_at).to.equal(rotated.previous_valid_until);
        const again = { ...asked, ...(await offerOf(door, await client())) };
        expect((await through(door, kit.tenant, rotateCertificate, again)).outcome).to.equal('conflict');
      });

      it('are replaced at once by a rotation without overlap', async () => {
        const [old, fresh] = [await client(), await client()];
        const { output } = await register(door, old);
        const asked = { certificate_id: output.certificate_id, ...(await offerOf(door, fresh)), overlap_seconds: 0 };
        await done(door, kit.tenant, rotateCertificate, asked);
        await refused(door, kit.caller({ ...kit.tenant, certificate: old }));
        expect(await listed(door, output.certificate_id)).to.include({ status: 'retired' });
      });

      it('of another organisation cannot be rotated or revoked', async () => {
        const { certificates } = await done(door, rival, listCertificates);
        const { certificate_id } = certificates[0];
        expect((await through(door, kit.tenant, revokeCertificate, { certificate_id })).outcome).to.equal('not_found');
        const rotation = { certificate_id, ...(await offerOf(door, await client())) };
        expect((await through(door, kit.tenant, rotateCertificate, rotation)).outcome).to.equal('not_found');
      });
    });
  }

  async function refused(door: TestedDoor, holder: Tenant): Promise<void> {
    const { outcome } = await through(door, holder, listOrganizations);
    expect(outcome).to.equal(door === 'rest' ? 'certificate_invalid' : 'FailedCheck');
  }
});

/** Uses are noted beside the request. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 50) throw new Error('it never came true');
    await sleep(20);
  }
}

/** Two certificates over one key. */
async function sameKey(authority: Authority): Promise<[Pair, Pair]> {
  const { request, key } = await newRequest('CN=two-faced', 'P-256');
  const signed = async () => pair({ certificate: await authority.signRequest(request), key });
  return [await signed(), await signed()];
}
