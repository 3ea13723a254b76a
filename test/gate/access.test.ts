import { expect } from 'chai';
import { secretHash } from '../../src/areas/access/credentials.ts';
import { AllowedAddress, ApiKey, ClientCertificate } from '../../src/areas/access/entities.ts';
import { Member, Organization, Role } from '../../src/areas/organizations/entities.ts';
import { doors } from '../../src/core/caller.ts';
import type { EntityManager } from '../../src/db/orm.ts';
import { transaction } from '../../src/db/transaction.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';
import { expectRefusal, type Overrides } from '../kit/rest-client.ts';

type KeyWish = Partial<
  Pick<ApiKey, 'scopes' | 'doors' | 'boundOrganizationId' | 'memberId' | 'ipAllowlist' | 'expiresAt'>
>;

describe('access over REST', () => {
  let kit: Kit;
  let child: Tenant;
  let other: Tenant;
  const get = (overrides?: Overrides, path = '/v3/scopes') => kit.rest.call('GET', path, undefined, overrides);
  const system = <T>(work: (em: EntityManager) => Promise<T>) => transaction(kit.app.db, 'system', work);

  /** A further key of an organisation, as the API would make it. */
  let made = 0;
  async function keyOf(tenant: Tenant, wish: KeyWish = {}): Promise<Tenant> {
    const apiKey = `sk_live_test${++made}`.padEnd(40, 'x');
    await system(async em => {
      em.create(ApiKey, {
        organizationId: tenant.id,
        name: 'further key',
        scopes: ['org:read', 'keys:read'],
        doors: [...doors],
        ipAllowlist: [],
        secretHash: secretHash(apiKey),
        status: 'active',
        createdAt: kit.clock.now(),
        ...wish,
      });
    });
    return kit.caller({ id: tenant.id, apiKey, certificate: tenant.certificate });
  }
  const change = (apiKey: string, changes: object) =>
    system(em => em.nativeUpdate(ApiKey, { secretHash: secretHash(apiKey) }, changes));
  const organization = (tenant: Tenant, orgId = tenant.id) => tenant.rest.call('GET', `/v3/organizations/${orgId}`);

  before(async () => {
    kit = await startKit();
    child = await kit.organization('Acme West', { parent: kit.tenant });
    other = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  it('lets a request pass that holds all four controls', async () => expect((await get()).status).to.equal(200));

  describe('the source address', () => {
    it('is refused with 403 when it is not registered, before anything else is looked at [BAS-008]', async () => {
      const { certificate, ...none } = { certificate: null, headers: { Authorization: undefined } };
      expectRefusal(await get({ localAddress: '127.0.0.9', tls: certificate, ...none }), 403, 'address_not_allowed');
      expectRefusal(await get({ localAddress: '127.0.0.9' }), 403, 'address_not_allowed');
    });

    it('must belong to the credential: one that another tenant registered is refused [BAS-011]', async () => {
      await system(async em => {
        em.create(AllowedAddress, { organizationId: other.id, cidr: '127.0.0.2/32', createdAt: kit.clock.now() });
      });
      expectRefusal(await get({ localAddress: '127.0.0.2' }), 403, 'address_not_allowed');
      expect((await other.rest.call('GET', '/v3/scopes', undefined, { localAddress: '127.0.0.2' })).status).to.equal(
        200,
      );
    });

    it('is narrowed, never widened, by the list of the key [BAS-081]', async () => {
      const narrow = await keyOf(other, { ipAllowlist: ['127.0.0.2/32', '127.0.0.3/32'] });
      const from = (localAddress: string) => narrow.rest.call('GET', '/v3/scopes', undefined, { localAddress });
      expect((await from('127.0.0.2')).status).to.equal(200);
      expectRefusal(await from('127.0.0.1'), 403, 'address_not_allowed');
      expectRefusal(await from('127.0.0.3'), 403, 'address_not_allowed');
    });

    it('stops counting when it is removed', async () => {
      await system(async em => {
        const row = em.create(AllowedAddress, {
          organizationId: other.id,
          cidr: '127.0.0.4/32',
          createdAt: kit.clock.now(),
        });
        await em.flush();
        em.remove(row);
      });
      const answer = await other.rest.call('GET', '/v3/scopes', undefined, { localAddress: '127.0.0.4' });
      expectRefusal(answer, 403, 'address_not_allowed');
    });
  });

  describe('the client certificate', () => {
    it('is required [BAS-009]', async () => expectRefusal(await get({ tls: null }), 401, 'certificate_required'));

    it('must be from an approved authority [BAS-009]', async () => {
      const { foreign } = kit.set;
      const headers = { 'Bastion-Cert-Thumbprint': foreign.thumbprint };
      const tls = { cert: foreign.certificate, key: foreign.key };
      expectRefusal(await get({ tls, headers, signWith: foreign.key }), 401, 'certificate_invalid');
    });

    it('must be registered, though its authority is approved [BAS-009]', async () => {
      const { elliptic } = kit.set;
      const headers = { 'Bastion-Cert-Thumbprint': elliptic.thumbprint };
      const tls = { cert: elliptic.certificate, key: elliptic.key };
      expectRefusal(await get({ tls, headers, signWith: elliptic.key }), 401, 'certificate_invalid');
    });

    it('must be the one that the thumbprint names', async () => {
      const { otherPartner } = kit.set;
      expectRefusal(
        await get({ tls: { cert: otherPartner.certificate, key: otherPartner.key } }),
        401,
        'certificate_invalid',
      );
      const headers = { 'Bastion-Cert-Thumbprint': otherPartner.thumbprint };
      expectRefusal(await get({ headers }), 401, 'certificate_invalid');
    });

    it("must be the key's: another tenant's, complete with its signature, opens nothing [BAS-011]", async () => {
      const { otherPartner } = kit.set;
      const headers = { 'Bastion-Cert-Thumbprint': otherPartner.thumbprint };
      const tls = { cert: otherPartner.certificate, key: otherPartner.key };
      expectRefusal(await get({ tls, headers, signWith: otherPartner.key }), 401, 'key_invalid');
    });

    it('must be registered for requests: an approval certificate makes none', async () => {
      const { approver } = kit.set;
      const headers = { 'Bastion-Cert-Thumbprint': approver.thumbprint };
      const tls = { cert: approver.certificate, key: approver.key };
      expectRefusal(await get({ tls, headers, signWith: approver.key }), 401, 'certificate_invalid');
    });

    for (const [what, thumbprint, status, error] of [
      ['missing', undefined, 401, 'certificate_required'],
      ['cut off', 'ab:cd', 401, 'certificate_invalid'],
      ['not hex', 'z'.repeat(64), 401, 'certificate_invalid'],
    ] as const) {
      it(`is refused when its thumbprint is ${what}`, async () =>
        expectRefusal(await get({ headers: { 'Bastion-Cert-Thumbprint': thumbprint } }), status, error));
    }

    it('may be named in any case, with or without colons', async () => {
      const { thumbprint, x509 } = kit.set.partner;
      for (const spelling of [
        thumbprint,
        thumbprint.toUpperCase(),
        x509.fingerprint256,
        x509.fingerprint256.toLowerCase(),
      ]) {
        expect((await get({ headers: { 'Bastion-Cert-Thumbprint': spelling } })).status, spelling).to.equal(200);
      }
    });

    it('is inherited from ancestors, and never comes from below', async () => {
      expect((await child.rest.call('GET', '/v3/scopes')).status).to.equal(200);
      const below = await kit.organization('Acme East', { parent: kit.tenant, certificate: kit.set.elliptic });
      expect((await below.rest.call('GET', '/v3/scopes')).status).to.equal(200);
      const { elliptic } = kit.set;
      const headers = { 'Bastion-Cert-Thumbprint': elliptic.thumbprint };
      const tls = { cert: elliptic.certificate, key: elliptic.key };
      expectRefusal(await get({ tls, headers, signWith: elliptic.key }), 401, 'key_invalid');
    });

    it('stops counting at once when it is revoked, and when its overlap is over', async () => {
      const where = { organizationId: other.id, thumbprint: kit.set.otherPartner.thumbprint };
      const set = (changes: object) => system(em => em.nativeUpdate(ClientCertificate, where, changes));
      const call = () => other.rest.call('GET', '/v3/scopes');
      await set({ retiresAt: new Date(kit.clock.now().getTime() + 60_000) });
      expect((await call()).status).to.equal(200);
      await set({ retiresAt: kit.clock.now() });
      expectRefusal(await call(), 401, 'certificate_invalid');
      await set({ retiresAt: null, status: 'revoked' });
      expectRefusal(await call(), 401, 'certificate_invalid');
      await set({ status: 'active' });
      expect((await call()).status).to.equal(200);
    });

    it('is taken from the header of a proxy only, never from a client', async () => {
      const der = kit.set.otherPartner.x509.raw.toString('base64');
      const headers = { 'Client-Cert': `:${der}:`, 'Bastion-Cert-Thumbprint': kit.set.otherPartner.thumbprint };
      expectRefusal(await get({ headers }), 400, 'malformed');
      expectRefusal(await get({ headers: { 'Client-Cert-Chain': `:${der}:` } }), 400, 'malformed');
    });
  });

  describe('the API key', () => {
    it('alone is never enough [BAS-007]', async () => {
      const names = ['Bastion-Cert-Thumbprint', 'Bastion-Timestamp', 'Bastion-Nonce', 'Bastion-Signature'];
      const headers = Object.fromEntries(names.map(name => [name, undefined]));
      expectRefusal(await get({ tls: null, headers }), 401, 'certificate_required');
      expectRefusal(await get({ headers }), 401, 'certificate_required');
    });

    for (const [what, value] of [
      ['missing [BAS-029]', undefined],
      ['empty', 'Bearer '],
      ['of another scheme', 'Basic dXNlcjpwYXNz'],
      ['unknown [BAS-029]', `Bearer sk_live_${'x'.repeat(43)}`],
    ] as const) {
      it(`is refused with 401 when it is ${what}`, async () =>
        expectRefusal(await get({ headers: { Authorization: value } }), 401, 'key_invalid'));
    }

    it("of another tenant is refused with this tenant's certificate [BAS-011]", async () => {
      const headers = { Authorization: `Bearer ${other.apiKey}` };
      expectRefusal(await get({ headers }), 401, 'key_invalid');
    });

    it('is refused the moment it is revoked [BAS-087]', async () => {
      const tenant = await keyOf(kit.tenant);
      expect((await organization(tenant)).status).to.equal(200);
      await change(tenant.apiKey, { status: 'revoked' });
      expectRefusal(await organization(tenant), 401, 'key_invalid');
    });

    it('stops working at its expiry [BAS-082]', async () => {
      const expiresAt = new Date(kit.clock.now().getTime() + 3600_000);
      const tenant = await keyOf(kit.tenant, { expiresAt });
      expect((await organization(tenant)).status).to.equal(200);
      await change(tenant.apiKey, { expiresAt: kit.clock.now() });
      expectRefusal(await organization(tenant), 401, 'key_invalid');
    });

    it('works under its secret from before the rotation until the overlap ends [BAS-086]', async () => {
      const tenant = await keyOf(kit.tenant);
      const until = (previousValidUntil: Date) =>
        system(em =>
          em.nativeUpdate(ApiKey, { previousSecretHash: secretHash(tenant.apiKey) }, { previousValidUntil }),
        );
      await change(tenant.apiKey, {
        previousSecretHash: secretHash(tenant.apiKey),
        secretHash: secretHash('rotated'.repeat(6)),
      });
      await until(new Date(kit.clock.now().getTime() + 60_000));
      expect((await organization(tenant)).status).to.equal(200);
      await until(kit.clock.now());
      expectRefusal(await organization(tenant), 401, 'key_invalid');
    });

    it('opens only the doors that it names', async () => {
      const tenant = await keyOf(kit.tenant, { doors: ['soap'] });
      expectRefusal(await organization(tenant), 403, 'door_closed');
    });

    it('does only what its scopes allow [BAS-030]', async () => {
      const tenant = await keyOf(kit.tenant, { scopes: ['keys:read'] });
      expectRefusal(await organization(tenant), 403, 'scope_missing');
    });

    it("of a member does no more than the member's role", async () => {
      const role = {
        organizationId: kit.tenant.id,
        name: 'keys only',
        scopes: ['keys:read'],
        createdAt: kit.clock.now(),
      };
      const member = (wish: object) => ({
        organizationId: kit.tenant.id,
        email: `member${++made}@acme.test`,
        role: 'readonly',
        status: 'active' as const,
        invitationExpiresAt: kit.clock.now(),
        createdAt: kit.clock.now(),
        ...wish,
      });
      const [readonly, restricted] = await system(async em => {
        const custom = em.create(Role, role);
        await em.flush();
        const rows = [{}, { role: custom.id }].map(wish => em.create(Member, member(wish)));
        await em.flush();
        return rows.map(row => row.id);
      });
      const scopes = ['org:read', 'org:write', 'keys:read'];
      const reader = await keyOf(kit.tenant, { scopes, memberId: readonly });
      expect((await organization(reader)).status).to.equal(200);
      expectRefusal(await reader.rest.call('POST', '/v3/organizations', { name: 'x' }), 403, 'scope_missing');
      expectRefusal(
        await organization(await keyOf(kit.tenant, { scopes, memberId: restricted })),
        403,
        'scope_missing',
      );
    });

    it('has its last use noted', async () => {
      const tenant = await keyOf(kit.tenant);
      await organization(tenant);
      const noted = async () =>
        (await system(em => em.findOneOrFail(ApiKey, { secretHash: secretHash(tenant.apiKey) }))).lastUsedAt;
      for (let look = 0; look < 50 && !(await noted()); look++) await new Promise(resolve => setTimeout(resolve, 20));
      expect(await noted()).to.be.an.instanceOf(Date);
    });
  });

  describe('the acting organisation', () => {
    it('is the own one without Bastion-Org-Id [BAS-006] and the named descendant with it [BAS-005]', async () => {
      const list = (orgId?: string) => get({ orgId }, '/v3/api-keys');
      const own = await list();
      const beneath = await list(child.id);
      expect(own.status).to.equal(200);
      expect(beneath.status).to.equal(200);
      expect(beneath.body.api_keys ?? beneath.body.keys).to.have.length(1);
      expect(own.body).to.not.deep.equal(beneath.body);
    });

    it('is the same 404 when it is unknown, foreign, above, or no id at all [BAS-031]', async () => {
      const unknown = `org_${'0'.repeat(26)}`;
      const answers = [
        await get({ orgId: unknown }),
        await get({ orgId: other.id }),
        await get({ orgId: 'nonsense' }),
        await child.rest.call('GET', '/v3/scopes', undefined, { orgId: kit.tenant.id }),
      ];
      for (const answer of answers) {
        expectRefusal(answer, 404, 'not_found');
        expect({ ...answer.body, request_id: '' }).to.deep.equal({ ...answers[0]!.body, request_id: '' });
      }
    });

    it('is exactly the bound one for a bound key [BAS-070]', async () => {
      const bound = await keyOf(kit.tenant, { boundOrganizationId: child.id });
      expect((await organization(bound, child.id)).status).to.equal(200);
      const naming = (orgId: string) => bound.rest.call('GET', '/v3/scopes', undefined, { orgId });
      expect((await naming(child.id)).status).to.equal(200);
      expectRefusal(await naming(kit.tenant.id), 404, 'not_found');
      expectRefusal(await organization(bound, kit.tenant.id), 404, 'not_found');
      const grandchild = await kit.organization('Acme West One', { parent: child });
      expectRefusal(await naming(grandchild.id), 404, 'not_found');
      expectRefusal(await organization(bound, grandchild.id), 404, 'not_found');
    });

    it('reaches over several levels for an unbound key', async () => {
      const grandchild = await kit.organization('Acme West Two', { parent: child });
      expect((await get({ orgId: grandchild.id })).status).to.equal(200);
    });

    it('must be active, and all above it: suspension stops keys beneath at once [BAS-060]', async () => {
      const parent = await kit.organization('Initech', { certificate: kit.set.elliptic });
      const beneath = await kit.organization('Initech North', { parent });
      const set = (status: 'active' | 'suspended') =>
        system(em => em.nativeUpdate(Organization, { id: parent.id }, { status }));
      expect((await beneath.rest.call('GET', '/v3/scopes')).status).to.equal(200);
      await set('suspended');
      expectRefusal(await parent.rest.call('GET', '/v3/scopes'), 403, 'organization_suspended');
      expectRefusal(await beneath.rest.call('GET', '/v3/scopes'), 403, 'organization_suspended');
      await set('active');
      expect((await beneath.rest.call('GET', '/v3/scopes')).status).to.equal(200);
    });
  });
});

describe('a node with a data region', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit({ config: { dataRegion: 'eu' } });
  });
  after(() => kit.close());

  it('serves only organisations whose data belongs there, by their own or an inherited region [BAS-075]', async () => {
    const child = await kit.organization('Acme West', { parent: kit.tenant });
    const grandchild = await kit.organization('Acme West One', { parent: child });
    const region = (tenant: Tenant, dataRegion: string | null) =>
      transaction(kit.app.db, 'system', em => em.nativeUpdate(Organization, { id: tenant.id }, { dataRegion }));
    const call = async (tenant: Tenant) => {
      const { status, body } = await tenant.rest.call('GET', '/v3/scopes');
      return [status, body.error];
    };
    expect(await call(grandchild)).to.deep.equal([200, undefined]);
    await region(child, 'us');
    expect(await call(child)).to.deep.equal([403, 'region_mismatch']);
    expect(await call(grandchild)).to.deep.equal([403, 'region_mismatch']);
    expect(await call(kit.tenant)).to.deep.equal([200, undefined]);
    await region(grandchild, 'eu');
    expect(await call(grandchild)).to.deep.equal([200, undefined]);
  });
});
