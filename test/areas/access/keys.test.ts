import { expect } from 'chai';
import { ApiKey } from '../../../src/areas/access/entities.ts';
import {
  addAllowedAddress,
  createApiKey,
  issueApiKey,
  listApiKeys,
  listAuditEvents,
  listScopes,
  removeAllowedAddress,
  revokeApiKey,
  rotateApiKey,
} from '../../../src/areas/access/operations.ts';
import { createOrganization, getOrganization, listOrganizations } from '../../../src/areas/organizations/operations.ts';
import { read } from '../../../src/db/transaction.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, pattern, type TestedDoor, through } from '../through.ts';

const hour = 3_600_000;

describe('API keys', () => {
  let kit: Kit;
  let rival: Tenant;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  const create = (door: TestedDoor, wish: object = {}, tenant = kit.tenant) =>
    done(door, tenant, createApiKey, { name: 'key', scopes: ['org:read'], ...wish });
  const holderOf = ({ secret }: { secret: string }, tenant = kit.tenant) => kit.caller({ ...tenant, apiKey: secret });
  const rowOf = async (door: TestedDoor, keyId: string) =>
    (await done(door, kit.tenant, listApiKeys, { limit: 200 })).keys.find(
      (row: { key_id: string }) => row.key_id === keyId,
    );

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('can do what their scopes allow and nothing else [BAS-078]', async () => {
        const key = await create(door, { name: 'Verification service (read-only)' });
        expect(pattern(key)).to.deep.equal({
          key_id: 'key_…',
          name: 'Verification service (read-only)',
          scopes: ['org:read'],
          org_id: null,
          secret: 'secret',
          created_at: 'instant',
        });
        const holder = holderOf(key);
        await done(door, holder, listOrganizations);
        expect((await through(door, holder, createOrganization, { name: 'x' })).outcome).to.equal('scope_missing');
      });

      it('get no scope that their maker lacks, and none that no operation knows', async () => {
        const maker = holderOf(await create(door, { scopes: ['keys:write', 'org:read'] }));
        const beyond = { name: 'x', scopes: ['org:write'] };
        expect((await through(door, maker, createApiKey, beyond)).outcome).to.equal('scope_missing');
        const unknown = { name: 'x', scopes: ['org:read', 'org:destroy'] };
        expect((await through(door, kit.tenant, createApiKey, unknown)).fields).to.deep.equal(['scopes']);
      });

      it('act on one sub-organisation when bound to it, and on no other [BAS-079]', async () => {
        const child = await kit.organization('Bound', { parent: kit.tenant });
        const key = await create(door, { org_id: child.id });
        expect(key.org_id).to.equal(child.id);
        const holder = holderOf(key);
        const seen = await done(door, holder, getOrganization, { org_id: child.id });
        expect(seen.name).to.equal('Bound');
        expect((await through(door, holder, getOrganization, { org_id: kit.tenant.id })).outcome).to.equal('not_found');
      });

      it('are not bound to an organisation beyond the reach of their maker', async () => {
        const foreign = { name: 'x', scopes: ['org:read'], org_id: rival.id };
        expect((await through(door, kit.tenant, createApiKey, foreign)).fields).to.deep.equal(['org_id']);
      });

      it('that are bound make only bound keys, and learn the secret of no other', async () => {
        const scopes = ['keys:write', 'keys:read', 'org:read'];
        const free = await create(door, { scopes });
        const bound = await create(door, { scopes, org_id: kit.tenant.id });
        const holder = holderOf(bound);
        expect((await create(door, { scopes }, holder)).org_id).to.equal(kit.tenant.id);
        const stolen = await through(door, holder, rotateApiKey, { key_id: free.key_id });
        expect(stolen.outcome).to.equal('scope_missing');
      });

      it('take addresses among the allowed ones, and refuse others', async () => {
        const key = await create(door, { ip_allowlist: ['127.0.0.1', '127.0.0.1/32'] });
        expect(await rowOf(door, key.key_id)).to.deep.include({ ip_allowlist: ['127.0.0.1/32'] });
        await done(door, holderOf(key), listOrganizations);
        for (const wrong of ['203.0.113.24/32', '::1', 'localhost', '127.0.0.1/24', '1.2.3']) {
          const wish = { name: 'x', scopes: ['org:read'], ip_allowlist: [wrong] };
          expect((await through(door, kit.tenant, createApiKey, wish)).fields, wrong).to.deep.equal(['ip_allowlist']);
        }
      });

      it('refuse an expiry that is past', async () => {
        const wish = { name: 'x', scopes: ['org:read'], expires_at: '2020-01-01T00:00:00Z' };
        expect((await through(door, kit.tenant, createApiKey, wish)).fields).to.deep.equal(['expires_at']);
      });

      it('open only the doors that they name', async () => {
        const other = door === 'rest' ? 'soap' : 'rest';
        const holder = holderOf(await create(door, { doors: [other] }));
        await done(other, holder, listOrganizations);
        expect((await through(door, holder, listOrganizations)).outcome).to.equal('door_closed');
      });

      it('are listed with scopes, binding and last use, without secrets [BAS-084] [BAS-085]', async () => {
        const key = await create(door, { name: 'listed', org_id: kit.tenant.id, expires_at: '2099-01-01T00:00:00Z' });
        expect((await rowOf(door, key.key_id)).last_used_at).to.equal(null);
        await done(door, holderOf(key), listOrganizations);
        await done(door, holderOf(key), listOrganizations);
        expect(pattern(await rowOf(door, key.key_id))).to.deep.equal({
          key_id: 'key_…',
          name: 'listed',
          scopes: ['org:read'],
          org_id: 'org_…',
          member_id: null,
          doors: ['rest', 'soap'],
          ip_allowlist: [],
          status: 'active',
          created_at: 'instant',
          expires_at: 'instant',
          last_used_at: 'instant',
        });
      });

      it('show their label in the audit trail [BAS-083]', async () => {
        const key = await create(door, { name: `Payroll ${door}`, scopes: ['org:write'] });
        await done(door, holderOf(key), createOrganization, { name: 'x' });
        const { audit_events } = await done(door, kit.tenant, listAuditEvents, { operation: 'CreateOrganization' });
        expect(audit_events[0]).to.include({ actor_id: key.key_id, actor_name: `Payroll ${door}`, outcome: 'done' });
      });

      it('work with both secrets after a rotation, and after a second one not with the oldest', async () => {
        const key = await create(door);
        const rotated = await done(door, kit.tenant, rotateApiKey, { key_id: key.key_id });
        expect(pattern(rotated)).to.deep.equal({ key_id: 'key_…', secret: 'secret', previous_valid_until: 'instant' });
        for (const { secret } of [key, rotated]) await done(door, holderOf({ secret }), listOrganizations);
        const again = await done(door, kit.tenant, rotateApiKey, { key_id: key.key_id });
        for (const { secret } of [rotated, again]) await done(door, holderOf({ secret }), listOrganizations);
        await refused(door, holderOf(key));
      });

      it('give their secret to no caller with fewer scopes', async () => {
        const strong = await create(door, { scopes: ['org:write', 'org:read'] });
        const weak = holderOf(await create(door, { scopes: ['keys:write', 'org:read'] }));
        const { outcome } = await through(door, weak, rotateApiKey, { key_id: strong.key_id });
        expect(outcome).to.equal('scope_missing');
      });

      it('stop at once when revoked, for good, and answer a second revocation the same [BAS-087]', async () => {
        const key = await create(door);
        await done(door, holderOf(key), listOrganizations);
        const revoked = { key_id: key.key_id, status: 'revoked' };
        expect(await done(door, kit.tenant, revokeApiKey, { key_id: key.key_id })).to.deep.equal(revoked);
        await refused(door, holderOf(key));
        expect(await done(door, kit.tenant, revokeApiKey, { key_id: key.key_id })).to.deep.equal(revoked);
        expect((await through(door, kit.tenant, rotateApiKey, { key_id: key.key_id })).outcome).to.equal('conflict');
        expect(await rowOf(door, key.key_id)).to.include({ status: 'revoked' });
      });

      it('of another organisation cannot be rotated or revoked, nor seen', async () => {
        const { key_id } = await create(door, {}, rival);
        for (const op of [rotateApiKey, revokeApiKey]) {
          expect((await through(door, kit.tenant, op, { key_id })).outcome).to.equal('not_found');
        }
        expect(await rowOf(door, key_id)).to.equal(undefined);
      });

      it('are given scopes from a catalogue by product, resource:action each [BAS-089] [BAS-090]', async () => {
        const { scopes } = await done(door, kit.tenant, listScopes);
        const required = new Set(kit.app.parts.operations.map(op => op.scope));
        const listed = scopes.map(({ scope }: { scope: string }) => scope);
        expect(listed).to.include.members([...required]);
        for (const scope of listed) expect(scope).to.match(/^[a-z][a-z_]*:[a-z]+$/);
        const products = scopes.map(({ product }: { product: string }) => product);
        expect(products).to.deep.equal([...products].sort());
        expect(scopes).to.deep.include({
          scope: 'secure_email:write',
          product: 'Email Encryption',
          grants: 'Send an encrypted message.',
        });
      });
    });
  }

  it('show their secret in one answer, and keep only its hash [BAS-071] [BAS-080]', async () => {
    for (const [op, wish] of [
      [createApiKey, {}],
      [issueApiKey, { org_id: kit.tenant.id }],
    ] as const) {
      const { key_id, secret } = await done('rest', kit.tenant, op, { name: 'once', scopes: ['org:read'], ...wish });
      const everything = JSON.stringify([
        await done('rest', kit.tenant, listApiKeys, { limit: 200 }),
        await done('rest', kit.tenant, listAuditEvents, { limit: 200 }),
        await read(kit.app.db, 'system', em => em.findOneOrFail(ApiKey, { id: key_id })),
      ]);
      expect(everything).to.include(key_id);
      expect(everything).to.not.include(secret);
    }
  });

  it('let in only the addresses that they name, of those that are allowed [BAS-081]', async () => {
    const { address_id } = await done('rest', kit.tenant, addAllowedAddress, { cidr: '127.0.0.2' });
    const narrowed = await create('rest', { ip_allowlist: ['127.0.0.0/30'] });
    const single = await create('rest', { ip_allowlist: ['127.0.0.2'] });
    const from = async (key: { secret: string }, localAddress: string) =>
      (await holderOf(key).rest.call('GET', '/v3/organizations', undefined, { localAddress })).status;
    expect([await from(single, '127.0.0.2'), await from(single, '127.0.0.1')]).to.deep.equal([200, 403]);
    expect([await from(narrowed, '127.0.0.2'), await from(narrowed, '127.0.0.3')]).to.deep.equal([200, 403]);
    await done('rest', kit.tenant, removeAllowedAddress, { address_id });
  });

  it('leave their secret out of the answer to a repeated request', async () => {
    const body = { name: 'once', scopes: ['org:read'] };
    const first = await kit.rest.call('POST', '/v3/api-keys', body, { idempotencyKey: 'mint-1' });
    const second = await kit.rest.call('POST', '/v3/api-keys', body, { idempotencyKey: 'mint-1' });
    expect(second.body.key_id).to.equal(first.body.key_id);
    expect([typeof first.body.secret, typeof second.body.secret]).to.deep.equal(['string', 'undefined']);
  });

  it('commit nothing when they are revoked while their request waits for approval [BAS-088]', async () => {
    const key = await create('rest', { scopes: ['keys:write', 'org:read'] });
    const { decide } = kit.responder;
    kit.responder.decide = async ({ operation }) => {
      kit.responder.decide = decide;
      expect(operation).to.equal('CreateApiKey');
      await done('rest', kit.tenant, revokeApiKey, { key_id: key.key_id });
      return 'approve' as const;
    };
    const wish = { name: 'born of a revoked key', scopes: ['org:read'] };
    expect((await through('rest', holderOf(key), createApiKey, wish)).outcome).to.equal('key_invalid');
    const { keys } = await done('rest', kit.tenant, listApiKeys, { limit: 200 });
    expect(keys.map(({ name }: { name: string }) => name)).to.not.include(wish.name);
  });

  it('page through the list once', async () => {
    for (const name of ['1', '2']) await create('rest', { name }, rival);
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const answer: { keys: { key_id: string }[]; next_cursor: string | null } = await done(
        'rest',
        rival,
        listApiKeys,
        {
          limit: 1,
          ...(cursor && { cursor }),
        },
      );
      names.push(...answer.keys.map(({ key_id }) => key_id));
      cursor = answer.next_cursor;
    } while (cursor);
    const whole = await done('rest', rival, listApiKeys);
    expect(names).to.deep.equal(whole.keys.map(({ key_id }: { key_id: string }) => key_id));
    expect(names.length).to.be.greaterThan(2);
  });

  it('stop at their expiry, and without one never [BAS-082]', async () => {
    const soon = new Date(kit.clock.now().getTime() + hour).toISOString();
    const ending = await create('rest', { expires_at: soon });
    const lasting = await create('rest');
    await done('rest', holderOf(ending), listOrganizations);
    kit.clock.advance(hour + 1000);
    await refused('rest', holderOf(ending));
    await done('rest', holderOf(lasting), listOrganizations);
    expect(await rowOf('rest', ending.key_id)).to.include({ status: 'expired' });
  });

  it('work with the previous secret for 24 hours after a rotation, and no longer [BAS-086]', async () => {
    const key = await create('rest');
    const rotated = await done('rest', kit.tenant, rotateApiKey, { key_id: key.key_id });
    const until = new Date(rotated.previous_valid_until).getTime() - kit.clock.now().getTime();
    expect(until).to.be.within(24 * hour - 5000, 24 * hour);
    kit.clock.advance(until - 60_000);
    await done('rest', holderOf(key), listOrganizations);
    kit.clock.advance(61_000);
    await refused('rest', holderOf(key));
    await done('rest', holderOf(rotated), listOrganizations);
  });

  /** Strangers get one constant answer over SOAP. */
  async function refused(door: TestedDoor, holder: Tenant): Promise<void> {
    const { outcome } = await through(door, holder, listOrganizations);
    expect(outcome).to.equal(door === 'rest' ? 'key_invalid' : 'FailedCheck');
  }
});
