import { expect } from 'chai';
import { ClientCertificate } from '../../src/areas/access/entities.ts';
import { ApprovalWebhook } from '../../src/areas/approvals/entities.ts';
import { AuditEvent } from '../../src/db/audit.ts';
import { registerApprovalWebhook, registerCertificate } from '../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';
import type { Pair } from '../kit/certificates.ts';
import { approval, ScriptedWebhook } from '../kit/webhook.ts';

describe('who asks', () => {
  let kit: Kit;
  let webhook: ScriptedWebhook;
  /** Signs the approvals. */
  let approver: Pair;
  /** Beneath the organisation that approves, with a request certificate of its own. */
  let child: Tenant;
  const block = (n: number) => ({ cidr: `198.51.100.${n}/32` });

  before(async () => {
    kit = await startKit();
    approver = kit.set.approver;
    webhook = await ScriptedWebhook.start(kit.set, approver, question => approval(question, approver));
    await registerApprovalWebhook(kit.app, kit.tenant.id, { url: webhook.url });
    await kit.app.db.fork('system').nativeDelete(ApprovalWebhook, { url: kit.responder.url });
    child = await kit.organization('Child', { parent: kit.tenant, certificate: kit.set.elliptic });
  });
  after(async () => {
    webhook.close();
    await kit.close();
  });
  beforeEach(() => {
    approver = kit.set.approver;
    webhook.questions.length = 0;
  });

  const asked = () => JSON.parse(webhook.questions[0]!.authorization);

  it('with a key that is registered for approval above cannot approve itself', async () => {
    const ask = (n: number) => child.rest.call('POST', '/v3/allowed-addresses', block(n));
    await registerCertificate(kit.app, kit.tenant.id, { pem: child.certificate.certificate, uses: ['approval'] });
    approver = child.certificate;
    const own = await ask(1);
    expect([own.status, own.body.error]).to.deep.equal([403, 'approval_denied']);
    approver = kit.set.approver;
    expect((await ask(1)).status, 'by somebody else').to.equal(200);
  });

  it('cannot approve with the key that signed the message either, whatever the connection shows', async () => {
    const connection = kit.caller({ ...child, certificate: kit.tenant.certificate });
    const send = (n: number) =>
      connection.soap.call('AddAllowedAddress', block(n), { raw: child.soap.envelope('AddAllowedAddress', block(n)) });
    approver = child.certificate;
    expect((await send(2)).fault?.error).to.equal('approval_denied');
    approver = kit.set.approver;
    expect((await send(2)).fault, 'by somebody else').to.equal(undefined);
  });

  it('can where an operator let one certificate serve both', async () => {
    const joined = await kit.organization('Joined', { certificate: kit.set.otherPartner });
    await kit.app.run.act(joined.id, { kind: 'cli', name: 'test.join' }, async ({ em }) => {
      const row = await em.findOneOrFail(ClientCertificate, { thumbprint: kit.set.otherPartner.thumbprint });
      row.uses = ['request', 'approval'];
      const own = await em.findOneOrFail(ApprovalWebhook, {});
      own.url = webhook.url;
    });
    approver = kit.set.otherPartner;
    expect((await joined.rest.call('POST', '/v3/allowed-addresses', block(3))).status).to.equal(200);
  });

  it('is named by both certificates, to the approver and in the trail, when another one signed the message', async () => {
    const connection = kit.caller({ ...child, certificate: kit.tenant.certificate });
    const raw = child.soap.envelope('AddAllowedAddress', block(4));
    await connection.soap.call('AddAllowedAddress', block(4), { raw });
    const thumbprints = {
      certificate_thumbprint: kit.tenant.certificate.thumbprint,
      signer_thumbprint: child.certificate.thumbprint,
    };
    expect(asked()).to.include(thumbprints);
    const where = { organizationId: child.id, operation: 'AddAllowedAddress', actorKind: 'key' };
    const rows = await kit.app.db.fork('system').find(AuditEvent, where, { orderBy: { id: 'desc' }, limit: 2 });
    const named = rows.map(row => [row.certificateThumbprint, row.signerThumbprint]);
    const both = [thumbprints.certificate_thumbprint, thumbprints.signer_thumbprint];
    expect(named, 'held and done').to.deep.equal([both, both]);
  });

  it('is named by one certificate when it signed itself', async () => {
    await child.soap.call('AddAllowedAddress', block(5));
    expect(asked()).to.include({ certificate_thumbprint: child.certificate.thumbprint });
    expect(asked()).to.not.have.property('signer_thumbprint');
    const where = { organizationId: child.id, operation: 'AddAllowedAddress', outcome: 'done' };
    const [row] = await kit.app.db.fork('system').find(AuditEvent, where, { orderBy: { id: 'desc' }, limit: 1 });
    expect(row!.signerThumbprint).to.equal(null);
  });
});
