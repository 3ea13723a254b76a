import { expect } from 'chai';
import { AllowedAddress, ClientCertificate } from '../../../src/areas/access/entities.ts';
import { ApprovalWebhook } from '../../../src/areas/approvals/entities.ts';
import { Organization } from '../../../src/areas/organizations/entities.ts';
import { registerApprovalWebhook, registerCertificate } from '../../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { approval, ScriptedWebhook } from '../../kit/webhook.ts';

describe('what changes while a request waits for approval', () => {
  let kit: Kit;
  let webhook: ScriptedWebhook;
  /** Happens after the request was let in and before it is approved. */
  let meanwhile: () => Promise<unknown>;
  let blocks = 0;

  before(async () => {
    kit = await startKit();
    webhook = await ScriptedWebhook.start(kit.set, kit.set.approver, async question => {
      await meanwhile();
      return approval(question, kit.set.approver);
    });
    await registerApprovalWebhook(kit.app, kit.tenant.id, { url: webhook.url });
    await system().nativeDelete(ApprovalWebhook, { url: kit.responder.url });
  });
  after(async () => {
    webhook.close();
    await kit.close();
  });

  const system = () => kit.app.db.fork('system');
  const pathOf = async (id: string) => (await system().findOneOrFail(Organization, { id })).path;
  const move = async (organization: Tenant, under: Tenant) => {
    const path = `${await pathOf(under.id)}/${organization.id}`;
    await system().nativeUpdate(Organization, { id: organization.id }, { path, parentId: under.id });
  };
  const child = (name: string, parent = kit.tenant) => kit.organization(name, { parent });
  const block = () => ({ cidr: `198.51.100.${++blocks}/32` });
  const rows = (organization: Tenant) => system().count(AllowedAddress, { organizationId: organization.id });
  const add = (tenant: Tenant, orgId?: string) => tenant.rest.call('POST', '/v3/allowed-addresses', block(), { orgId });

  it('an approval given while nothing changes is carried out', async () => {
    const above = await child('Above');
    meanwhile = async () => undefined;
    expect((await add(above)).status).to.equal(200);
    expect(await rows(above)).to.equal(1);
  });

  it('an organisation that was moved out of reach is not changed by the one it was taken from', async () => {
    const [from, to] = [await child('From'), await child('To')];
    const moved = await child('Moved', from);
    meanwhile = () => move(moved, to);
    const answer = await add(from, moved.id);
    expect(answer.status).to.equal(409);
    expect(await rows(moved)).to.equal(0);
  });

  it('a certificate that was inherited counts no longer where the organisation stands now', async () => {
    const from = await kit.organization('Lender', { parent: kit.tenant, certificate: kit.set.otherPartner });
    const [to, moved] = [await child('Elsewhere'), await child('Borrower', from)];
    meanwhile = () => move(moved, to);
    const answer = await add(moved);
    expect(answer.status).to.equal(409);
    expect(await rows(moved)).to.equal(0);
  });

  it('a key that is bound to an organisation loses it when that is moved away from the key', async () => {
    const [from, to] = [await child('Issuer'), await child('New home')];
    const bound = await child('Bound', from);
    meanwhile = async () => undefined;
    const wish = { name: 'bound', scopes: ['addresses:write'] };
    const { body } = await from.rest.call('POST', `/v3/organizations/${bound.id}/api-keys`, wish);
    const holder = kit.caller({ id: bound.id, apiKey: body.secret, certificate: kit.tenant.certificate });
    expect((await add(holder)).status).to.equal(200);
    meanwhile = () => move(bound, to);
    expect((await add(holder)).status).to.equal(409);
    expect(await rows(bound), 'the first one alone').to.equal(1);
  });

  it('an ancestor that was suspended above the new place stops it too', async () => {
    const [from, to] = [await child('Active'), await child('Suspended')];
    const moved = await child('Carried', from);
    meanwhile = async () => {
      await move(moved, to);
      await system().nativeUpdate(Organization, { id: to.id }, { status: 'suspended' });
    };
    expect((await add(moved)).status).to.equal(409);
    expect(await rows(moved)).to.equal(0);
  });

  it('a signed message counts only as long as the certificate that signed it', async () => {
    const { elliptic } = kit.set;
    await registerCertificate(kit.app, kit.tenant.id, { pem: elliptic.certificate, uses: ['request'] });
    const signer = kit.caller({ ...kit.tenant, certificate: elliptic });
    const send = () =>
      kit.soap.call('AddAllowedAddress', block(), { raw: signer.soap.envelope('AddAllowedAddress', block()) });
    meanwhile = async () => undefined;
    expect((await send()).fault, 'while it is in force').to.equal(undefined);
    const before = await rows(kit.tenant);
    meanwhile = () =>
      system().nativeUpdate(ClientCertificate, { thumbprint: elliptic.thumbprint }, { status: 'revoked' });
    expect((await send()).fault?.error).to.equal('certificate_invalid');
    expect(await rows(kit.tenant)).to.equal(before);
  });
});
