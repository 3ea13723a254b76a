import { expect } from 'chai';
import { ClientCertificate } from '../../src/areas/access/entities.ts';
import { transaction } from '../../src/db/transaction.ts';
import { createKey } from '../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';
import { expectRefusal, type Overrides } from '../kit/rest-client.ts';

describe('the proofs of a REST call', () => {
  let kit: Kit;
  let child: Tenant;
  let other: Tenant;
  const get = (overrides?: Overrides, path = '/v3/scopes') => kit.rest.call('GET', path, undefined, overrides);

  before(async () => {
    kit = await startKit();
    child = await kit.organization('Acme West', { parent: kit.tenant });
    other = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  describe('the timestamp', () => {
    const seconds = (offset: number) => String(Math.floor(kit.clock.now().getTime() / 1000) + offset);

    it('may be off by up to a minute, either way', async () => {
      for (const offset of [-59, 0, 59]) expect((await get({ timestamp: seconds(offset) })).status).to.equal(200);
    });

    it('is refused beyond [BAS-014]', async () => {
      for (const offset of [-62, 62])
        expectRefusal(await get({ timestamp: seconds(offset) }), 401, 'timestamp_invalid');
    });

    for (const value of [undefined, '', 'now', '1.5e9', '99999999999', '2026-01-01T00:00:00Z']) {
      it(`is refused as ${JSON.stringify(value)}`, async () =>
        expectRefusal(await get({ headers: { 'Bastion-Timestamp': value } }), 401, 'timestamp_invalid'));
    }
  });

  describe('the nonce', () => {
    it('can be used once [BAS-015]', async () => {
      const nonce = 'nonce-used-once';
      expect((await get({ nonce })).status).to.equal(200);
      expectRefusal(await get({ nonce }), 401, 'nonce_reused');
      expectRefusal(await get({ nonce, timestamp: String(Math.floor(Date.now() / 1000) - 5) }), 401, 'nonce_reused');
    });

    it('of a replayed request is refused under another key of the same certificate, too', async () => {
      const nonce = 'nonce-under-another-key';
      const { secret } = await createKey(kit.app, kit.tenant.id, { name: 'further key' });
      const further = kit.caller({ id: kit.tenant.id, apiKey: secret, certificate: kit.tenant.certificate });
      expect((await get({ nonce })).status).to.equal(200);
      expectRefusal(await further.rest.call('GET', '/v3/scopes', undefined, { nonce }), 401, 'nonce_reused');
    });

    it('of another certificate does not collide', async () => {
      const nonce = 'nonce-of-two-partners';
      expect((await get({ nonce })).status).to.equal(200);
      expect((await other.rest.call('GET', '/v3/scopes', undefined, { nonce })).status).to.equal(200);
    });

    it('is not spent by a request whose signature does not verify', async () => {
      const nonce = 'nonce-not-spent';
      expectRefusal(await get({ nonce, canonical: text => `${text}!` }), 401, 'signature_invalid');
      expect((await get({ nonce })).status).to.equal(200);
    });

    it('is let through once of many at the same time', async () => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => get({ nonce: 'nonce-in-a-race' })));
      expect(answers.map(answer => answer.status).toSorted()).to.deep.equal([200, ...Array(9).fill(401)]);
    });

    for (const nonce of [undefined, 'short', 'a'.repeat(129), 'with space in it', 'umlaut%C3%BC']) {
      it(`is refused as ${JSON.stringify(nonce)}`, async () =>
        expectRefusal(await get({ headers: { 'Bastion-Nonce': nonce } }), 401, 'signature_invalid'));
    }
  });

  describe('the signature', () => {
    it('covers method, path with query, timestamp, nonce and body [BAS-010] [BAS-016]', async () => {
      const other: Overrides[] = [
        { canonical: text => text.replace('GET', 'POST') },
        { canonical: text => text.replace('limit=2', 'limit=3') },
        { canonical: text => text.replace(/\d{10}/, '1700000000') },
        { canonical: text => text.replace(/[0-9a-f]{32}\n/, `${'0'.repeat(32)}\n`) },
        { canonical: text => text.replace(/[0-9a-f]{64}$/, '0'.repeat(64)) },
        { canonical: text => text.replace('?limit=2', '') },
      ];
      expect((await get({}, '/v3/organizations?limit=2')).status).to.equal(200);
      for (const overrides of other) {
        expectRefusal(await get(overrides, '/v3/organizations?limit=2'), 401, 'signature_invalid');
      }
    });

    it('is refused over another body than the one that is sent', async () => {
      const answer = await kit.rest.call(
        'POST',
        '/v3/organizations',
        { name: 'signed' },
        { sentBody: '{"name":"sent"}' },
      );
      expectRefusal(answer, 401, 'signature_invalid');
    });

    it('is refused when another key made it', async () =>
      expectRefusal(await get({ signWith: kit.set.otherPartner.key }), 401, 'signature_invalid'));

    for (const value of [undefined, '', 'AAAA', '%%%', 'A'.repeat(2000)]) {
      it(`is refused as ${JSON.stringify(value?.slice(0, 10))}`, async () =>
        expectRefusal(await get({ headers: { 'Bastion-Signature': value } }), 401, 'signature_invalid'));
    }

    it('says what was misread once the certificate is proven', async () => {
      const { body } = await get({ canonical: text => `${text}\n` });
      expect(body.message).to.include('must not end with a line feed');
    });

    it('of version 2 covers host, organisation, key and the deciding headers', async () => {
      expect((await get({ version: 2, orgId: child.id, prefer: 'respond-async' })).status).to.equal(200);
      for (const [name, value] of [
        ['Bastion-Org-Id', child.id],
        ['Prefer', 'respond-async'],
        ['Idempotency-Key', 'abc'],
        ['Host', 'elsewhere.example'],
      ]) {
        expectRefusal(await get({ version: 2, headers: { [name!]: value } }), 401, 'signature_invalid');
      }
    });

    it('must be of version 2 where the certificate demands it', async () => {
      const where = { organizationId: other.id, thumbprint: kit.set.otherPartner.thumbprint };
      const set = (policy: object) =>
        transaction(kit.app.db, 'system', em => em.nativeUpdate(ClientCertificate, where, { policy }));
      await set({ signature_version_2: true });
      expectRefusal(await other.rest.call('GET', '/v3/scopes'), 401, 'signature_invalid');
      expect((await other.rest.call('GET', '/v3/scopes', undefined, { version: 2 })).status).to.equal(200);
      await set({});
    });

    it('is refused in a version that there is not', async () =>
      expectRefusal(await get({ headers: { 'Bastion-Signature-Version': '3' } }), 400, 'malformed'));
  });

  for (const name of [
    'Authorization',
    'Bastion-Org-Id',
    'Bastion-Nonce',
    'Bastion-Timestamp',
    'Bastion-Signature',
    'Idempotency-Key',
  ]) {
    it(`refuses a second ${name}`, async () => {
      expectRefusal(await get({ headers: { [name]: ['first-value', 'second-value'] } }), 400, 'malformed');
    });
  }
});
