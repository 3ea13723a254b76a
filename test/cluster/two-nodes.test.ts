import { expect } from 'chai';
import { type Kit, startKit } from '../kit/app.ts';

/** On SQLite two processes share one file; on MariaDB, what two nodes are for. */
describe('two nodes on one database', function () {
  this.timeout(60_000);
  let one: Kit;
  let two: Kit;

  before(async () => {
    one = await startKit();
    two = await startKit({ beside: one });
  });
  after(async () => {
    await two.close();
    await one.close();
  });

  it('refuse a nonce on one that was used on the other [BAS-015]', async () => {
    const nonce = 'shared-nonce-0001';
    const path = `/v3/organizations/${one.tenant.id}`;
    expect((await one.rest.call('GET', path, undefined, { nonce })).status).to.equal(200);
    const again = await two.rest.call('GET', path, undefined, { nonce });
    expect(again.status).to.equal(401);
    expect(again.body.error).to.equal('nonce_reused');
  });

  it('refuse a signed envelope on one that was received on the other', async () => {
    const input = { org_id: one.tenant.id };
    const sent = one.soap.envelope('GetOrganization', input);
    expect((await one.soap.call('GetOrganization', input, { raw: sent })).output).to.include({ org_id: one.tenant.id });
    const again = await two.soap.call('GetOrganization', input, { raw: sent });
    expect(again.fault?.code).to.equal('replayed');
  });

  it('release on one what was approved by a job on the other', async () => {
    await one.app.runner.stop();
    const answer = await one.rest.call('POST', '/v3/api-keys', { name: 'made by the other', scopes: ['org:read'] });
    expect(answer.status).to.equal(200);
    expect(answer.body.secret).to.match(/^sk_live_/);
  });

  it('refuse on one, at once, a key that was revoked on the other [BAS-087]', async () => {
    const made = await two.rest.call('POST', '/v3/api-keys', { name: 'short-lived', scopes: ['org:read'] });
    const { key_id, secret } = made.body as { key_id: string; secret: string };
    const caller = one.caller({ ...one.tenant, apiKey: secret });
    const path = `/v3/organizations/${one.tenant.id}`;
    expect((await caller.rest.call('GET', path)).status).to.equal(200);
    expect((await two.rest.call('DELETE', `/v3/api-keys/${key_id}`)).status).to.equal(200);
    const refused = await caller.rest.call('GET', path);
    expect(refused.status).to.equal(401);
    expect(refused.body.error).to.equal('key_invalid');
  });
});
