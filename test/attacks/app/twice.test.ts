import { Resolver } from 'node:dns/promises';
import { expect } from 'chai';
import { ApprovalWebhook, AuthorizationRequest } from '../../../src/areas/approvals/entities.ts';
import { AuditEvent } from '../../../src/db/audit.ts';
import { registerApprovalWebhook } from '../../../src/operator.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { ScriptedWebhook } from '../../kit/webhook.ts';

/** Answers nothing until it is told to go on. */
class SlowResolver extends Resolver {
  asked = 0;
  wait: Promise<void> | undefined;
  override resolveMx = (async () => []) as Resolver['resolveMx'];
  override resolveTxt = (async () => {
    this.asked += 1;
    await this.wait;
    return [];
  }) as Resolver['resolveTxt'];
}

describe('the same thing at the same time', () => {
  const resolver = new SlowResolver();
  let kit: Kit;
  let webhook: ScriptedWebhook;
  before(async () => {
    kit = await startKit({ resolver });
    webhook = await ScriptedWebhook.start(kit.set, kit.set.approver, () => 'silence');
    await registerApprovalWebhook(kit.app, kit.tenant.id, { url: webhook.url });
    await system().nativeDelete(ApprovalWebhook, { url: kit.responder.url });
  });
  after(async () => {
    webhook.close();
    await kit.close();
  });
  const system = () => kit.app.db.fork('system');

  it('a request that was slow commits nothing when another has taken over its Idempotency-Key', async () => {
    const { body } = await kit.rest.call('POST', `/v3/organizations/${kit.tenant.id}/domains`, { domain: 'slow.test' });
    const path = `/v3/organizations/${kit.tenant.id}/domains/${body.domain_id}/verify`;
    const { promise, resolve: goOn } = Promise.withResolvers<void>();
    resolver.wait = promise;
    const slow = kit.rest.call('POST', path, {}, { idempotencyKey: 'once' });
    while (resolver.asked === 0) await new Promise(resolve => setTimeout(resolve, 5));
    resolver.wait = undefined;
    kit.clock.advance(61_000);
    const quick = await kit.rest.call('POST', path, {}, { idempotencyKey: 'once' });
    goOn();
    expect(quick.status).to.equal(200);
    expect((await slow).body.error).to.equal('idempotency_in_flight');
    expect(await system().count(AuditEvent, { operation: 'VerifyDomain', outcome: 'done' })).to.equal(1);
  });

  it('twenty requests in one moment are no way past the limit of five that may wait', async () => {
    const wish = { name: 'k', scopes: ['org:read'] };
    const ask = () => kit.rest.call('POST', '/v3/api-keys', wish, { prefer: 'respond-async' });
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.filter(({ status }) => status === 202)).to.have.length(5);
    expect(await system().count(AuthorizationRequest, { state: 'pending' })).to.equal(5);
  });

  it('nor are requests for eight organisations at once a way past the limit of the key', async () => {
    const tenant = await kit.organization('Wide', { parent: kit.tenant });
    const beneath = [];
    for (let i = 0; i < 8; i++) beneath.push((await kit.organization(`Beneath ${i}`, { parent: tenant })).id);
    const ask = (orgId: string) => {
      const block = { cidr: '198.51.100.1/32' };
      return tenant.rest.call('POST', '/v3/allowed-addresses', block, { orgId, prefer: 'respond-async' });
    };
    const answers = await Promise.all([...beneath, ...beneath].map(ask));
    expect(answers.filter(({ status }) => status === 202)).to.have.length(5);
  });

  it('a nonce in twenty requests at one moment is good for one', async () => {
    const ask = () => kit.rest.call('GET', '/v3/organizations', undefined, { nonce: 'the-same-nonce' });
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
    expect(answers.filter(({ body }) => body.error === 'nonce_reused')).to.have.length(19);
  });

  it('a signed message in ten copies at one moment is good for one', async () => {
    const raw = kit.soap.envelope('ListOrganizations', {});
    const send = () => kit.soap.call('ListOrganizations', {}, { raw });
    const answers = await Promise.all(Array.from({ length: 10 }, send));
    expect(answers.filter(({ output }) => output)).to.have.length(1);
    expect(answers.filter(({ fault }) => fault?.error === 'replayed')).to.have.length(9);
  });
});
