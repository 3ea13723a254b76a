import { expect } from 'chai';
import { signedFetch } from '../../demo/signed-fetch.ts';
import { type Kit, startKit } from '../kit/app.ts';

describe('demo/signed-fetch.ts', () => {
  let kit: Kit;
  let call: typeof fetch;
  before(async () => {
    kit = await startKit();
    const { certificate: cert, key } = kit.set.partner;
    call = signedFetch({ apiKey: kit.tenant.apiKey, ca: kit.set.ca, cert, key });
  });
  after(() => kit.close());

  const at = (target: string) => new URL(target, kit.app.rest.url).href;
  const body = JSON.stringify({ name: 'Größe' });
  const headers = { 'Content-Type': 'application/json' };

  it('signs a Request, as openapi-fetch makes them', async () => {
    const answer = await call(new Request(at('/v3/organizations'), { method: 'POST', headers, body }));
    expect(answer.status).to.equal(200);
    expect(await answer.json()).to.deep.include({ name: 'Größe' });
  });

  it('signs an address and what belongs to it, as OpenAPI Generator calls it', async () => {
    expect((await call(at('/v3/organizations?limit=2'))).status).to.equal(200);
    expect((await call(at('/v3/organizations'), { method: 'POST', headers, body })).status).to.equal(200);
  });

  it('hands on a refusal as it is', async () => {
    const answer = await call(at('/v3/organizations'), { method: 'POST', headers, body: '{}' });
    expect([answer.status, ((await answer.json()) as { error: string }).error]).to.deep.equal([400, 'malformed']);
  });
});
