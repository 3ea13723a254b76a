import 'reflect-metadata';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { expect } from 'chai';
import { getApprovalSettings, updateApprovalSettings } from '../../../src/areas/approvals/operations.ts';
import { createOrgUnit } from '../../../src/areas/organizations/operations.ts';
import type { Authority } from '../../../src/core/authority.ts';
import { registerApprovalWebhook, registerCertificate } from '../../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { type Pair, pair } from '../../kit/certificates.ts';
import { approval, type Question, ScriptedWebhook } from '../../kit/webhook.ts';
import { bothDoors, done, through } from '../through.ts';

describe('approval settings', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  const update = (tenant: Tenant, settings: object) =>
    done('rest', tenant, updateApprovalSettings, settings as Record<string, unknown>);

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('start without demands, and change by the members that are sent', async () => {
        const tenant = await kit.organization('Fresh');
        const read = () => done(door, tenant, getApprovalSettings);
        expect(await read()).to.deep.equal({ sensitive_operations: [], quorum: 1, window_seconds: null });
        const first = { sensitive_operations: ['CreateRole', 'CreateOrgUnit', 'CreateRole'], window_seconds: 30 };
        await done(door, tenant, updateApprovalSettings, first);
        await done(door, tenant, updateApprovalSettings, { window_seconds: 300 });
        const expected = { sensitive_operations: ['CreateRole', 'CreateOrgUnit'], quorum: 1, window_seconds: 300 };
        expect(await read()).to.deep.equal(expected);
      });

      for (const [field, value] of [
        ['sensitive_operations', ['DestroyEverything']],
        ['sensitive_operations', ['GetOrganization']],
        ['quorum', 0],
        ['quorum', 11],
        ['window_seconds', 4],
        ['window_seconds', 301],
      ] as const) {
        it(`refuse ${field} ${value}`, async () => {
          const { outcome, fields } = await through(door, kit.tenant, updateApprovalSettings, { [field]: value });
          expect({ outcome, fields }).to.deep.equal({ outcome: 'validation_failed', fields: [field] });
        });
      }
    });
  }

  describe('of the organisation and of all above it unite', () => {
    let parent: Tenant;
    let child: Tenant;
    before(async () => {
      parent = await kit.organization('Parent');
      child = await kit.organization('Child', { parent });
      await update(parent, { sensitive_operations: ['CreateOrgUnit'], window_seconds: 30 });
      await update(child, { sensitive_operations: ['CreateRole'], window_seconds: 300 });
    });

    /** The operations that somebody was asked about, of those that the call needed. */
    async function askedBy(call: () => Promise<unknown>): Promise<string[]> {
      const from = kit.responder.requests.length;
      await call();
      return kit.responder.requests.slice(from).map(({ operation }) => operation);
    }
    let made = 0;
    const unit = (caller: Tenant, at: Tenant) => () =>
      done('rest', caller, createOrgUnit, { org_id: at.id, name: `unit ${++made}` });
    const role = (caller: Tenant, at: Tenant) => () =>
      caller.rest.call('POST', `/v3/organizations/${at.id}/roles`, { name: `role ${++made}`, scopes: ['org:read'] });

    it('what an ancestor demands holds beneath it', async () => {
      expect(await askedBy(unit(child, child))).to.deep.equal(['CreateOrgUnit']);
      await update(child, { sensitive_operations: [] });
      expect(await askedBy(unit(child, child)), 'a child relaxes nothing').to.deep.equal(['CreateOrgUnit']);
      await update(child, { sensitive_operations: ['CreateRole'] });
    });

    it('what a descendant adds holds for it, whoever acts on it, and not above', async () => {
      expect(await askedBy(role(child, child))).to.deep.equal(['CreateRole']);
      expect(await askedBy(role(parent, child))).to.deep.equal(['CreateRole']);
      expect(await askedBy(role(parent, parent))).to.deep.equal([]);
    });

    it('the shortest window counts', async () => {
      const windowOf = async (tenant: Tenant) => {
        await unit(tenant, tenant)();
        const { requested_at, expires_at } = JSON.parse(kit.responder.requests.at(-1)!.authorization);
        return (Date.parse(expires_at) - Date.parse(requested_at)) / 1000;
      };
      expect(await windowOf(child)).to.equal(30);
      await update(child, { window_seconds: 5 });
      expect(await windowOf(child)).to.equal(5);
      expect(await windowOf(parent)).to.equal(30);
    });
  });

  describe('can demand two approvals', () => {
    let second: Pair;
    let tenant: Tenant;
    let child: Tenant;
    let webhooks: ScriptedWebhook[];
    const by = (signer: Pair) => (question: Question) => approval(question, signer);

    before(async () => {
      second = pair(await kit.set.authority.client('CN=second approver, O=Acme', 'P-384'));
      tenant = await kit.organization('Careful', { unapproved: true });
      child = await kit.organization('Careless', { parent: tenant });
      await registerCertificate(kit.app, tenant.id, { pem: second.certificate, uses: ['approval'] });
      const { approver } = kit.set;
      webhooks = await Promise.all([
        ScriptedWebhook.start(kit.set, approver, by(approver)),
        ScriptedWebhook.start(kit.set, second, by(second)),
      ]);
      for (const { url } of webhooks) {
        await registerApprovalWebhook(kit.app, tenant.id, { url, allowPrivate: ['127.0.0.1/32'] });
      }
      await update(tenant, { quorum: 2 });
    });
    after(() => {
      for (const webhook of webhooks) webhook.close();
    });

    afterEach(() => {
      webhooks[0]!.say = by(kit.set.approver);
      webhooks[1]!.say = by(second);
    });

    /** What a request came to, once everybody was asked. */
    const ask = async (caller = tenant) => {
      const wish = { name: 'wanted', scopes: ['org:read'] };
      const { body } = await caller.rest.call('POST', '/v3/api-keys', wish, { prefer: 'respond-async' });
      await kit.settle();
      const path = `/v3/authorization-requests/${body.authorization_request_id}`;
      return async () => (await caller.rest.call('GET', path)).body;
    };

    it('which two keys give', async () => {
      const outcome = await (await ask())();
      expect(outcome).to.include({ state: 'executed' });
      expect(outcome.customer_approval_ids).to.have.lengthOf(2);
    });

    it('which one key does not give twice', async () => {
      webhooks[1]!.say = by(kit.set.approver);
      const read = await ask();
      const { authorization_request_id, ...shown } = await read();
      expect(shown).to.include({ state: 'pending', result: null });
      for (const { questions } of webhooks) expect(questions.at(-1)).to.include({ authorization_request_id });
      kit.clock.advance(61_000);
      expect(await read()).to.include({ state: 'expired', error: 'approval_expired' });
    });

    it('which one key does not give by two certificates', async () => {
      const pem = await certifiedAgain(kit.set.authority, kit.set.approver);
      await registerCertificate(kit.app, tenant.id, { pem, uses: ['approval'] });
      webhooks[1]!.say = by(kit.set.approver);
      expect(await (await ask())()).to.include({ state: 'pending' });
    });

    it('of which a descendant needs no fewer', async () => {
      await update(child, { quorum: 1 });
      webhooks[1]!.say = () => ({ status: 503, body: '' });
      expect(await (await ask(child))()).to.include({ state: 'pending' });
    });

    it('of which none counts beside a denial', async () => {
      webhooks[1]!.say = question => approval(question, second, { decision: 'denied' });
      expect(await (await ask())()).to.include({ state: 'denied', error: 'approval_denied', result: null });
    });
  });
});

/** Another certificate over the same key. */
async function certifiedAgain(authority: Authority, { privateKey, publicKey }: Pair): Promise<string> {
  const signingAlgorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const keys = {
    privateKey: privateKey.toCryptoKey(signingAlgorithm, true, ['sign']),
    publicKey: publicKey.toCryptoKey(signingAlgorithm, true, ['verify']),
  };
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=approver renewed, O=Acme',
    keys,
    signingAlgorithm,
  });
  return authority.signRequest(request.toString('pem'));
}
