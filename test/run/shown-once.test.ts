import { expect } from 'chai';
import { type Kit, startKit } from '../kit/app.ts';

describe('a secret that is shown once', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  const wish = { name: 'twice', scopes: ['org:read'] };

  it('is not in the answer that an Idempotency-Key repeats over REST [BAS-080]', async () => {
    const create = () => kit.rest.call('POST', '/v3/api-keys', wish, { idempotencyKey: 'rest-once' });
    const first = await create();
    const again = await create();
    expect(first.body.secret).to.match(/^sk_live_/);
    expect(again.status).to.equal(200);
    expect(again.body).to.include({ key_id: first.body.key_id }).and.not.have.property('secret');
  });

  it('nor over SOAP, whose schema allows for that', async () => {
    const create = () => kit.soap.call('CreateApiKey', wish, { headers: { 'Idempotency-Key': 'soap-once' } });
    const first = await create();
    const again = await create();
    expect(first.output?.secret).to.match(/^sk_live_/);
    expect(again.output).to.include({ key_id: first.output?.key_id }).and.not.have.property('secret');
  });

  it('stands in the first reading of a request that was answered 202, and in no later one', async () => {
    const held = await kit.rest.call('POST', '/v3/api-keys', wish, { prefer: 'respond-async' });
    expect(held.status).to.equal(202);
    await kit.settle();
    const read = async () => JSON.parse((await kit.rest.call('GET', String(held.headers.location))).body.result);
    expect((await read()).secret).to.match(/^sk_live_/);
    expect(await read()).to.not.have.property('secret');
  });
});
