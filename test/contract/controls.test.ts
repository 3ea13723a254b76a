import { expect } from 'chai';
import { createApiKey } from '../../src/areas/access/operations.ts';
import { newId } from '../../src/core/ids.ts';
import type { Operation } from '../../src/core/operation.ts';
import { AuditEvent } from '../../src/db/audit.ts';
import { bothDoors, done } from '../areas/through.ts';
import type { Kit } from '../kit/app.ts';
import type { Overrides } from '../kit/rest-client.ts';
import { type Party, party, startContractKit } from './case.ts';
import { cases, operations } from './cases.ts';

/** An address of this machine that nobody registered. */
const elsewhere = '127.0.0.9';

describe('the four controls', () => {
  let kit: Kit;
  let acme: Party;
  before(async () => {
    kit = await startContractKit();
    acme = await party(kit, 'Acme Health', 'health.test');
  });
  after(() => kit.close());

  const targetOf = (op: Operation) => op.path.replaceAll(/\{(\w+?)_id\}/g, (_, prefix: string) => newId(prefix));
  const bodyOf = (op: Operation) => (op.method === 'GET' || op.method === 'DELETE' ? undefined : {});

  const lacking: [string, Overrides, number, string][] = [
    ['a registered address', { localAddress: elsewhere }, 403, 'address_not_allowed'],
    ['a client certificate', { tls: null }, 401, 'certificate_required'],
    ['an API key', { headers: { Authorization: undefined } }, 401, 'key_invalid'],
    ['a signature', { headers: { 'Bastion-Signature': undefined } }, 401, 'signature_invalid'],
    ['its own signature', { canonical: text => `${text} ` }, 401, 'signature_invalid'],
  ];
  for (const [what, overrides, status, error] of lacking) {
    it(`hold for every operation: none answers without ${what}, asks anybody, or leaves a row [BAS-007]`, async () => {
      const rows = () => kit.app.db.fork('system').count(AuditEvent, {});
      const before = { asked: kit.responder.requests.length, rows: await rows() };
      for (const op of operations) {
        const answer = await acme.rest.call(op.method, targetOf(op), bodyOf(op), overrides);
        expect([answer.status, answer.body.error], op.soap).to.deep.equal([status, error]);
      }
      expect({ asked: kit.responder.requests.length, rows: await rows() }).to.deep.equal(before);
    });
  }

  it('send nobody an authorization request for what comes from elsewhere, be it complete otherwise [BAS-017]', async () => {
    const sensitive = cases.find(({ op }) => op === createApiKey)!;
    const input = await sensitive.input!(acme);
    const from = (localAddress: string) => acme.rest.call('POST', '/v3/api-keys', input, { localAddress });
    const before = kit.responder.requests.length;
    expect((await from(elsewhere)).status).to.equal(403);
    await kit.settle();
    expect(kit.responder.requests).to.have.lengthOf(before);
    expect((await from('127.0.0.1')).status).to.equal(200);
    expect(kit.responder.requests).to.have.lengthOf(before + 1);
  });

  for (const door of bothDoors) {
    it(`hold for every key that is made over ${door}, whatever it was made with [BAS-076]`, async () => {
      for (const wish of [{}, { ip_allowlist: ['127.0.0.1'] }, { org_id: acme.id }]) {
        const { secret } = await done(door, acme, createApiKey, { name: 'made', scopes: ['keys:read'], ...wish });
        const { rest } = kit.caller({ ...acme, apiKey: secret });
        const get = async (overrides: Overrides = {}) => {
          const { status, body } = await rest.call('GET', '/v3/scopes', undefined, overrides);
          return [status, body.error];
        };
        expect(await get()).to.deep.equal([200, undefined]);
        expect(await get({ tls: null })).to.deep.equal([401, 'certificate_required']);
        expect(await get({ localAddress: elsewhere })).to.deep.equal([403, 'address_not_allowed']);
        const { otherPartner } = kit.set;
        const another = {
          tls: { cert: otherPartner.certificate, key: otherPartner.key },
          headers: { 'Bastion-Cert-Thumbprint': otherPartner.thumbprint },
          signWith: otherPartner.key,
        };
        expect((await get(another))[0]).to.equal(401);
      }
    });
  }

  it('let nobody elsewhere see that there is anything at the address at all [BAS-004]', async () => {
    for (const path of ['/', '/docs', '/openapi.json', '/v3/scopes', '/nothing', '/soap/v3/organizations?wsdl']) {
      const bare = { localAddress: elsewhere, tls: null, headers: { Authorization: undefined } };
      const { status, body } = await acme.rest.call('GET', path, undefined, bare);
      expect([status, body.error], path).to.deep.equal([403, 'address_not_allowed']);
    }
  });
});

describe('a server with a base URL of its own', () => {
  let kit: Kit;
  before(async () => {
    kit = await startContractKit({
      publicUrl: 'https://acme.bastion.example',
      soapUrl: 'https://acme.extranet.example',
    });
  });
  after(() => kit.close());

  it('names that one in all that it publishes, whatever Host a request names [BAS-004]', async () => {
    const headers = { Host: 'evil.example' };
    const { body } = await kit.rest.call('GET', '/openapi.json', undefined, { headers });
    expect(body.servers).to.deep.equal([{ url: 'https://acme.bastion.example' }]);
    const { text } = await kit.soap.get('/soap/v3/organizations?wsdl');
    expect(text).to.contain('location="https://acme.extranet.example/soap/v3/organizations"');
    expect(JSON.stringify(body) + text).to.not.contain('evil.example');
  });
});
