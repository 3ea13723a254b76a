import { expect } from 'chai';
import { type Kit, startKit } from '../../kit/app.ts';

describe('bodies that are made to cost', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  const post = (body: string) => kit.rest.call('POST', '/v3/api-keys', Buffer.from(body));
  const members = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":1`).join(',');

  it('a million unknown members are refused before anything is built of them', async () => {
    const answer = await post(`{${members(1_000_000)}}`);
    expect(answer.status).to.equal(413);
    expect(answer.body.error).to.equal('too_large');
  });

  it('a million items are refused as well, in whatever they stand', async () => {
    expect((await post(`{"name":"a","scopes":[${'1,'.repeat(1_000_000)}1]}`)).status).to.equal(413);
  });

  it('the answer to many mistakes stays short', async () => {
    const answer = await post(`{"name":"a","scopes":["org:read"],${members(9000)}}`);
    expect(answer.status).to.equal(422);
    expect(answer.body.errors).to.have.length(100);
  });

  it('a name of megabytes does not come back', async () => {
    const answer = await post(`{"name":"a","scopes":["org:read"],"${'k'.repeat(500_000)}":1}`);
    expect(answer.status).to.equal(422);
    expect(JSON.stringify(answer.body).length).to.be.below(2000);
  });

  it('an address of megabytes is refused by its length, before any pattern tries it', async () => {
    const mail = { to: ['a@acme.test'], subject: 's', body_html: 'b' };
    const answer = await kit.rest.call('POST', '/v3/secure-email/send', {
      ...mail,
      from: `a@${'a.'.repeat(5_000_000)}`,
    });
    expect(answer.status).to.equal(422);
    expect(answer.body.errors[0]).to.include({ field: 'from', code: 'too_big' });
  });

  it('the room that bodies take is given back, so that one after the other may send any number', async () => {
    const body = `{"name":"${'n'.repeat(1_000_000)}","scopes":["org:read"]}`;
    for (let i = 0; i < 140; i++) expect((await post(body)).status, `request ${i}`).to.equal(422);
  });
});
