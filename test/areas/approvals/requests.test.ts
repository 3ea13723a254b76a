import { expect } from 'chai';
import { createApiKey, revokeApiKey } from '../../../src/areas/access/operations.ts';
import { AuthorizationRequest } from '../../../src/areas/approvals/entities.ts';
import {
  cancelAuthorizationRequest,
  getAuthorizationRequest,
  listAuthorizationRequests,
} from '../../../src/areas/approvals/operations.ts';
import { openOutcome } from '../../../src/areas/approvals/outcome.ts';
import { newId } from '../../../src/core/ids.ts';
import { createKey } from '../../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, through } from '../through.ts';

describe('authorization requests', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());
  afterEach(() => {
    kit.responder.decide = () => 'approve';
  });

  async function ask(tenant: Tenant = kit.tenant): Promise<{ authorization_request_id: string }> {
    const wish = { name: 'wanted', scopes: ['org:read'] };
    const { body } = await tenant.rest.call('POST', '/v3/api-keys', wish, { prefer: 'respond-async' });
    return { authorization_request_id: body.authorization_request_id };
  }
  const outOfOrder = () => {
    kit.responder.decide = () => {
      throw new Error('out of order');
    };
  };
  /** Another key of the same organisation. */
  async function colleague(scopes: readonly string[]): Promise<Tenant> {
    const { secret } = await createKey(kit.app, kit.tenant.id, { name: 'colleague', scopes });
    return kit.caller({ ...kit.tenant, apiKey: secret });
  }

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      const get = (id: object, tenant = kit.tenant) => done(door, tenant, getAuthorizationRequest, { ...id });

      it('tell their requester what they came to, a shown-once secret in the first reading only', async () => {
        const id = await ask();
        await kit.settle();
        const [first, second] = [await get(id), await get(id)];
        expect(first).to.include({ ...id, state: 'executed', operation: 'CreateApiKey', requesting_ip: '127.0.0.1' });
        expect(first.customer_approval_ids).to.deep.equal([`DEV-${id.authorization_request_id}`]);
        const { secret, ...shown } = JSON.parse(first.result);
        expect(secret).to.match(/^sk_live_/);
        expect(JSON.parse(second.result)).to.deep.equal(shown);
        const row = await kit.app.db
          .fork('system')
          .findOneOrFail(AuthorizationRequest, { id: id.authorization_request_id });
        expect(JSON.stringify(openOutcome(kit.app.services.keyring, row)), 'nor is it kept').to.not.contain('sk_live_');
      });

      it('tell no result to another key, and nothing to one without approvals:read', async () => {
        const id = await ask();
        await kit.settle();
        const reader = await colleague(['approvals:read']);
        expect(await get(id, reader)).to.include({ state: 'executed', result: null });
        const stranger = await colleague(['keys:write', 'approvals:write']);
        const theirs = await through(door, stranger, getAuthorizationRequest, id);
        const missing = { authorization_request_id: newId('areq') };
        expect(theirs).to.deep.equal(await through(door, stranger, getAuthorizationRequest, missing));
        expect(theirs.outcome).to.equal('not_found');
        expect(JSON.parse((await get(id)).result)).to.include.keys('secret');
      });

      it('are taken back by their requester only, and once', async () => {
        outOfOrder();
        const id = await ask();
        const reader = await colleague(['approvals:read', 'approvals:write', 'keys:write']);
        expect((await through(door, reader, cancelAuthorizationRequest, id)).outcome).to.equal('not_found');
        expect(await get(id)).to.include({ state: 'pending' });
        const cancelled = await done(door, kit.tenant, cancelAuthorizationRequest, id);
        expect(cancelled).to.deep.equal({ ...id, state: 'cancelled' });
        expect((await through(door, kit.tenant, cancelAuthorizationRequest, id)).outcome).to.equal('conflict');
      });

      it('do not run when the approval comes after they were taken back [BAS-013]', async () => {
        const asked = Promise.withResolvers<void>();
        const cancelled = Promise.withResolvers<void>();
        kit.responder.decide = async () => {
          asked.resolve();
          await cancelled.promise;
          return 'approve' as const;
        };
        const id = await ask();
        await asked.promise;
        await done(door, kit.tenant, cancelAuthorizationRequest, id);
        cancelled.resolve();
        await kit.settle();
        expect(await get(id)).to.include({ state: 'cancelled', result: null });
      });

      it('show as expired once their time is over, in lists too, before any job has said so [BAS-022]', async () => {
        const tenant = await kit.organization('Slow');
        outOfOrder();
        const id = await ask(tenant);
        const idsIn = async (state: string) => {
          const { authorization_requests } = await done(door, tenant, listAuthorizationRequests, { state });
          return authorization_requests.map((each: { state: string }) => each.state);
        };
        expect([await idsIn('pending'), await idsIn('expired')]).to.deep.equal([['pending'], []]);
        kit.clock.advance(61_000);
        expect([await idsIn('pending'), await idsIn('expired')]).to.deep.equal([[], ['expired']]);
        expect(await get(id, tenant)).to.include({ state: 'expired', error: 'approval_expired' });
        expect((await through(door, tenant, cancelAuthorizationRequest, id)).outcome).to.equal('conflict');
      });

      it('are listed newest first in pages, those of the own organisation only [BAS-025]', async () => {
        const tenant = await kit.organization('Busy');
        for (let n = 0; n < 3; n++) {
          await done(door, tenant, createApiKey, { name: `key ${n}`, scopes: ['org:read'] });
        }
        const first = await done(door, tenant, listAuthorizationRequests, { limit: 2 });
        const rest = await done(door, tenant, listAuthorizationRequests, { limit: 2, cursor: first.next_cursor });
        const ids = [...first.authorization_requests, ...rest.authorization_requests].map(
          ({ authorization_request_id }) => authorization_request_id,
        );
        expect(ids).to.have.lengthOf(3);
        expect(ids).to.deep.equal(ids.toSorted().reverse());
        expect(rest.next_cursor).to.equal(null);
      });
    });
  }

  it('say why an approved request failed', async () => {
    const { key_id } = await done('rest', kit.tenant, createApiKey, { name: 'gone', scopes: ['org:read'] });
    await done('rest', kit.tenant, revokeApiKey, { key_id });
    const { body } = await kit.rest.call('POST', `/v3/api-keys/${key_id}/rotate`, undefined, {
      prefer: 'respond-async',
    });
    await kit.settle();
    const answer = await kit.rest.call('GET', `/v3/authorization-requests/${body.authorization_request_id}`);
    expect(answer.body).to.include({ state: 'failed', error: 'conflict', result: null });
    expect(answer.body.message).to.equal('A revoked key stays revoked.');
  });
});
