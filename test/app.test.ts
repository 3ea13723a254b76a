import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type Kit, startKit } from './kit/app.ts';

const mail = {
  from: 'billing@acme.test',
  to: ['patient@example.com'],
  subject: 'Your statement',
  body_html: '<p>Attached.</p>',
};

describe('the app', () => {
  describe('while it runs', () => {
    let kit: Kit;
    const health = async (path: string) => {
      const answer = await fetch(`${kit.app.health.url}${path}`);
      return { status: answer.status, text: await answer.text() };
    };
    before(async () => {
      kit = await startKit();
    });
    after(() => kit.close());

    it('says on loopback that it is healthy and ready', async () => {
      expect((await health('/healthz')).status).to.equal(200);
      expect((await health('/readyz')).status).to.equal(200);
    });

    it('counts requests by operation, door and outcome, refused strangers, waiting approvals and job lag', async () => {
      await kit.rest.call('GET', `/v3/organizations/${kit.tenant.id}`);
      await kit.soap.call('GetOrganization', { org_id: kit.tenant.id });
      await kit.rest.call('GET', '/v3/scopes', undefined, { headers: { Authorization: 'Bearer sk_live_wrong-wrong' } });
      kit.responder.decide = () => 'ignore';
      await kit.rest.call('POST', '/v3/secure-email/send', mail, { prefer: 'respond-async' });
      const { text } = await health('/metrics');
      expect(text).to.include('bastion_requests_total{operation="GetOrganization",door="rest",outcome="done"} 1');
      expect(text).to.include('bastion_requests_total{operation="GetOrganization",door="soap",outcome="done"} 1');
      expect(text).to.include('bastion_requests_total{operation="SendSecureEmail",door="rest",outcome="held"} 1');
      expect(text).to.include('bastion_strangers_refused_total{door="rest",code="key_invalid"} 1');
      expect(text).to.match(/^bastion_approvals_waiting 1$/m);
      expect(text).to.match(/^bastion_job_lag_seconds [\d.]+$/m);
      expect(text, 'no secret and no address in the metrics').to.not.match(/sk_live|acme\.test|127\.0\.0\.1/);
      kit.responder.decide = () => 'approve';
    });
  });

  describe('when it is stopped', () => {
    it('finishes the request that waits for its approval, and takes no new one', async () => {
      const kit = await startKit();
      kit.responder.decide = async () => {
        await sleep(700);
        return 'approve' as const;
      };
      const waiting = kit.rest.call('POST', '/v3/api-keys', { name: 'late', scopes: ['org:read'] });
      await sleep(300);
      const stopped = kit.app.stop();
      await sleep(50);
      const ready = await fetch(`${kit.app.health.url}/readyz`);
      expect(ready.status).to.equal(503);
      const late = kit.caller(kit.tenant).rest.call('GET', '/v3/scopes');
      expect(
        await late.then(
          () => 'answered',
          error => error.code,
        ),
      ).to.equal('ECONNREFUSED');
      expect((await waiting).status).to.equal(200);
      await stopped;
      await kit.close();
    });

    it('finishes the mail that is on its way', async () => {
      const kit = await startKit();
      let arrived = () => {};
      const inFlight = new Promise<void>(resolve => {
        arrived = resolve;
      });
      kit.sinkRules.message = async () => {
        arrived();
        await sleep(500);
        return undefined;
      };
      await kit.rest.call('POST', '/v3/secure-email/send', mail);
      await inFlight;
      await kit.app.stop();
      expect(kit.sink.mails).to.have.length(1);
      await kit.close();
    });
  });
});
