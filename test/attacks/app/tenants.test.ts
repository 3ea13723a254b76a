import { expect } from 'chai';
import { Organization } from '../../../src/areas/organizations/entities.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';

describe('ways around the borders of an organisation', () => {
  let kit: Kit;
  let child: Tenant;
  let stranger: Tenant;
  before(async () => {
    kit = await startKit({ config: { dataRegion: 'eu' } });
    child = await kit.organization('Child', { parent: kit.tenant });
    stranger = await kit.organization('Stranger', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  const get = async (tenant: Tenant, path: string, orgId?: string) => {
    const { status, body } = await tenant.rest.call('GET', path, undefined, { orgId });
    return [status, body.error];
  };

  it('an organisation of another data region is not served by its path either, nor what stands beneath it', async () => {
    const beneath = await kit.organization('Beneath', { parent: child });
    const region = (dataRegion: string | null) =>
      kit.app.db.fork('system').nativeUpdate(Organization, { id: child.id }, { dataRegion });
    await region('us');
    for (const { id } of [child, beneath]) {
      expect(await get(kit.tenant, `/v3/organizations/${id}`)).to.deep.equal([403, 'region_mismatch']);
      const answer = await kit.soap.call('GetOrganization', { org_id: id });
      expect(answer.fault?.error).to.equal('region_mismatch');
    }
    await region(null);
    expect(await get(kit.tenant, `/v3/organizations/${beneath.id}`)).to.deep.equal([200, undefined]);
  });

  const names: Record<string, (id: string) => string> = {
    'in capitals': id => id.toUpperCase(),
    'as a path': id => `${kit.tenant.id}/${id}`,
    'with a wildcard': id => id.replace(/.$/, '_'),
    'with another kind of wildcard': () => 'org_%',
    'in quotes': id => `${id}' or '1'='1`,
    'twice in one header': id => `${kit.tenant.id}, ${id}`,
    empty: () => '',
  };
  for (const [how, write] of Object.entries(names)) {
    it(`another tenant's organisation is nowhere when it is named ${how}`, async () => {
      const [status] = await get(kit.tenant, '/v3/scopes', write(stranger.id));
      expect(status).to.equal(404);
    });
  }

  it("one's own child is found by its exact id alone", async () => {
    expect(await get(kit.tenant, '/v3/scopes', child.id)).to.deep.equal([200, undefined]);
    for (const how of ['in capitals', 'as a path', 'with a wildcard']) {
      expect((await get(kit.tenant, '/v3/scopes', names[how]!(child.id)))[0], how).to.equal(404);
    }
  });

  it("a key with another tenant's certificate, and a certificate with another tenant's key, open nothing", async () => {
    const crossed = [
      kit.caller({ ...kit.tenant, certificate: stranger.certificate }),
      kit.caller({ ...stranger, certificate: kit.tenant.certificate }),
    ];
    for (const each of crossed) {
      expect(await get(each, '/v3/scopes')).to.deep.equal([401, 'key_invalid']);
      expect((await each.soap.call('ListScopes', {})).fault?.code).to.equal('FailedCheck');
      expect((await each.soap.call('ListScopes', {}, { context: true })).fault?.code).to.equal('FailedCheck');
    }
  });

  it("a message that another tenant signed is nobody's over one's own connection", async () => {
    const raw = stranger.soap.envelope('ListScopes', {});
    expect((await kit.soap.call('ListScopes', {}, { raw })).fault?.code).to.equal('FailedCheck');
  });

  it('a challenge of one organisation registers nothing in another, whoever signs it', async () => {
    const { body } = await stranger.rest.call('POST', '/v3/certificates/challenges', {});
    const offer = { certificate_pem: kit.set.elliptic.certificate, challenge: body.challenge, uses: ['request'] };
    const { signDetached } = await import('../../../src/core/detached-signature.ts');
    const proof = signDetached(kit.set.elliptic.privateKey, body.text);
    const answer = await kit.rest.call('POST', '/v3/certificates', { ...offer, proof });
    expect([answer.status, answer.body.errors[0]?.field]).to.deep.equal([422, 'challenge']);
  });

  it('a cursor of one organisation is none in another, nor of another list', async () => {
    for (const name of ['a', 'b']) await kit.organization(name, { parent: kit.tenant });
    const { body } = await kit.rest.call('GET', '/v3/organizations?limit=1');
    expect(body.next_cursor).to.be.a('string');
    const cursor = encodeURIComponent(body.next_cursor);
    expect((await get(kit.tenant, `/v3/organizations?limit=1&cursor=${cursor}`))[0]).to.equal(200);
    expect((await get(stranger, `/v3/organizations?limit=1&cursor=${cursor}`))[1]).to.equal('cursor_invalid');
    expect((await get(kit.tenant, `/v3/organizations?limit=1&cursor=${cursor}`, child.id))[1]).to.equal(
      'cursor_invalid',
    );
    expect((await get(kit.tenant, `/v3/api-keys?limit=1&cursor=${cursor}`))[1]).to.equal('cursor_invalid');
  });
});
