import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { ApprovalWebhook, AuthorizationRequest } from '../../src/areas/approvals/entities.ts';
import { SecureMessage } from '../../src/areas/secure-email/entities.ts';
import { signDetached } from '../../src/core/detached-signature.ts';
import { AuditEvent } from '../../src/db/audit.ts';
import { registerApprovalWebhook } from '../../src/operator.ts';
import { type Kit, startKit } from '../kit/app.ts';
import { approval, type Question, type Reply, ScriptedWebhook } from '../kit/webhook.ts';

const mail = (subject = 'Your statement') => ({
  from: 'billing@acme.test',
  to: ['patient@example.com'],
  subject,
  body_html: '<p>Your latest statement is attached.</p>',
});

describe('approval of sensitive operations', () => {
  let kit: Kit;
  let webhook: ScriptedWebhook;
  const approve = (question: Question): Reply => approval(question, kit.set.approver);

  before(async () => {
    kit = await startKit();
    webhook = await ScriptedWebhook.start(kit.set, kit.set.approver, approve);
    const { id } = kit.tenant;
    await registerApprovalWebhook(kit.app, id, { url: webhook.url });
    await kit.app.db.fork('system').nativeDelete(ApprovalWebhook, { organizationId: id, url: kit.responder.url });
  });
  after(async () => {
    webhook.close();
    await kit.close();
  });
  beforeEach(() => {
    webhook.say = approve;
    webhook.questions.length = 0;
  });

  const send = (headers: Record<string, string> = {}, body: object = mail()) =>
    kit.rest.call('POST', '/v3/secure-email/send', body, { headers });
  const stored = () => kit.app.db.fork('system').find(SecureMessage, { organizationId: kit.tenant.id });
  const countStored = async () => (await stored()).length;

  it('asks the webhook first, with the documented members, and runs only after the approval [BAS-012] [BAS-018] [BAS-020]', async () => {
    let storedWhenAsked = -1;
    const before = await countStored();
    webhook.say = async question => {
      storedWhenAsked = await countStored();
      return approve(question);
    };
    const answer = await send();
    expect(answer.status).to.equal(200);
    expect(answer.body.message_id).to.match(/^msg_/);
    expect(storedWhenAsked, 'nothing was stored when the webhook was asked').to.equal(before);
    expect(await countStored()).to.equal(before + 1);
    const [question] = webhook.questions;
    expect(question).to.include({ requesting_ip: '127.0.0.1', operation: 'SendSecureEmail' });
    expect(question!.received_request).to.include({ method: 'POST', path: '/v3/secure-email/send' });
    const hash = createHash('sha256').update(question!.authorization).digest('hex');
    expect(question!.received_request.digest).to.equal(`sha256:${hash}`);
    expect(JSON.parse(question!.authorization).input).to.include({ subject: 'Your statement' });
  });

  it('states an expiry 60 seconds after the request [BAS-022]', async () => {
    await send();
    const { requested_at, expires_at } = webhook.questions[0]!;
    expect(Date.parse(expires_at) - Date.parse(requested_at)).to.equal(60_000);
  });

  it("keeps the customer's approval id for the audit trail [BAS-021]", async () => {
    const { body } = await send();
    const rows = await kit.app.db.fork('system').find(AuditEvent, { target: body.message_id, outcome: 'done' });
    expect(rows.map(row => row.customerApprovalIds)).to.deep.equal([['CHG-2026-000481']]);
  });

  const refusals: Record<string, (question: Question) => Reply> = {
    'a denial': q => approval(q, kit.set.approver, { decision: 'denied' }),
    'an approval without an approval id [BAS-013]': q =>
      approval(q, kit.set.approver, { customer_approval_id: undefined }),
    'an approval of another digest [BAS-019]': q => {
      const digest = `sha256:${'0'.repeat(64)}`;
      const signature = signDetached(kit.set.approver.privateKey, `${digest}CHG-1`);
      return approval(q, kit.set.approver, { digest, customer_approval_id: 'CHG-1', signature });
    },
    'an approval of another request': q =>
      approval(q, kit.set.approver, { authorization_request_id: 'areq_01k00000000000000000000000' }),
    'an unsigned approval [BAS-013]': q => approval(q, kit.set.approver, { signature: undefined }),
    'an approval signed for another approval id': q => approval(q, kit.set.approver, { customer_approval_id: 'CHG-2' }),
    'an approval signed with the request certificate: nobody approves himself': q => approval(q, kit.set.partner),
    'an approval signed with a certificate that is not registered': q => approval(q, kit.set.otherPartner),
    'an approval signed with a certificate of an unapproved authority': q => approval(q, kit.set.foreign),
  };
  for (const [name, say] of Object.entries(refusals)) {
    it(`does not run on ${name}`, async () => {
      webhook.say = say;
      const before = await countStored();
      const answer = await send();
      expect(answer.status).to.equal(403);
      expect(answer.body.error).to.equal('approval_denied');
      expect(await countStored()).to.equal(before);
    });
  }

  it('asks again when the webhook is out of order, and takes the later approval', async () => {
    let asked = 0;
    webhook.say = question => (++asked === 1 ? { status: 503, body: 'later' } : approve(question));
    const answer = await send();
    expect(answer.status).to.equal(200);
    expect(asked).to.equal(2);
  });

  it('answers 202 at once when asked to, and the outcome is readable by the same key', async () => {
    const answer = await send({ Prefer: 'respond-async' });
    expect(answer.status).to.equal(202);
    const { authorization_request_id } = answer.body;
    expect(answer.headers.location).to.equal(`/v3/authorization-requests/${authorization_request_id}`);
    await kit.settle();
    const outcome = await kit.rest.call('GET', String(answer.headers.location));
    expect(outcome.body).to.include({ state: 'executed', operation: 'SendSecureEmail' });
    expect(JSON.parse(String(outcome.body.result)).message_id).to.match(/^msg_/);
  });

  it('refuses an approval that comes too late [BAS-022]', async () => {
    const before = await countStored();
    webhook.say = async question => {
      kit.clock.advance(61_000);
      return approve(question);
    };
    const answer = await send();
    expect(answer.status).to.equal(403);
    expect(answer.body.error).to.equal('approval_expired');
    await kit.settle();
    expect(await countStored()).to.equal(before);
  });

  it('can be taken back while it waits', async () => {
    webhook.say = () => 'silence';
    const { body } = await send({ Prefer: 'respond-async' });
    const path = `/v3/authorization-requests/${body.authorization_request_id}`;
    expect((await kit.rest.call('DELETE', path)).body.state).to.equal('cancelled');
    expect((await kit.rest.call('GET', path)).body).to.include({ state: 'cancelled', error: 'approval_denied' });
    expect((await kit.rest.call('DELETE', path)).status).to.equal(409);
  });

  it('lets at most five requests of a key wait', async () => {
    webhook.say = () => 'silence';
    const waiting = [];
    for (let i = 0; i < 5; i++) waiting.push((await send({ Prefer: 'respond-async' })).body.authorization_request_id);
    const sixth = await send({ Prefer: 'respond-async' });
    expect(sixth.status).to.equal(429);
    expect(sixth.body.error).to.equal('approval_limit');
    for (const id of waiting) await kit.rest.call('DELETE', `/v3/authorization-requests/${id}`);
  });

  it('refuses when there is nobody to ask', async () => {
    const tenant = await kit.organization('Unwatched', { certificate: kit.set.otherPartner, unapproved: true });
    const answer = await tenant.rest.call('POST', '/v3/api-keys', { name: 'x', scopes: ['org:read'] });
    expect(answer.status).to.equal(403);
    expect(answer.body.error).to.equal('approval_unavailable');
  });

  it('does not run for a key that was revoked while the request waited', async () => {
    const { parent } = { parent: kit.tenant };
    const child = await kit.organization('Revoked', { parent, domain: 'revoked.test' });
    webhook.say = async question => {
      const { ApiKey } = await import('../../src/areas/access/entities.ts');
      const { secretHash } = await import('../../src/areas/access/credentials.ts');
      const where = { secretHash: secretHash(child.apiKey) };
      await kit.app.db.fork('system').nativeUpdate(ApiKey, where, { status: 'revoked' });
      return approve(question);
    };
    const answer = await child.rest.call('POST', '/v3/secure-email/send', { ...mail(), from: 'a@revoked.test' });
    expect(answer.status).to.equal(401);
    expect(await kit.app.db.fork('system').count(SecureMessage, { organizationId: child.id })).to.equal(0);
    const rows = await kit.app.db.fork('system').find(AuthorizationRequest, { organizationId: child.id });
    expect(rows.map(row => row.state)).to.deep.equal(['failed']);
  });

  describe('with an Idempotency-Key', () => {
    it('happens once and answers alike', async () => {
      const before = await countStored();
      const first = await send({ 'Idempotency-Key': 'one' });
      const again = await send({ 'Idempotency-Key': 'one' });
      expect(first.status).to.equal(200);
      expect({ ...again.body, request_id: '' }).to.deep.equal({ ...first.body, request_id: '' });
      expect(await countStored()).to.equal(before + 1);
    });

    it('is refused with another body', async () => {
      await send({ 'Idempotency-Key': 'two' });
      const other = await send({ 'Idempotency-Key': 'two' }, mail('Something else'));
      expect(other.status).to.equal(422);
      expect(other.body.error).to.equal('idempotency_conflict');
    });

    it('joins the request that waits for approval', async () => {
      webhook.say = () => 'silence';
      const headers = { 'Idempotency-Key': 'three', Prefer: 'respond-async' };
      const first = await send(headers);
      const again = await send(headers);
      expect(again.body.authorization_request_id).to.equal(first.body.authorization_request_id);
      await kit.rest.call('DELETE', `/v3/authorization-requests/${first.body.authorization_request_id}`);
    });

    it('is free again after a denial', async () => {
      webhook.say = q => approval(q, kit.set.approver, { decision: 'no' });
      const denied = await send({ 'Idempotency-Key': 'four' });
      expect(denied.body.error).to.equal('approval_denied');
      webhook.say = approve;
      const allowed = await send({ 'Idempotency-Key': 'four' });
      expect(allowed.status).to.equal(200);
    });
  });
});
