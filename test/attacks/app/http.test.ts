import { connect } from 'node:net';
import { expect } from 'chai';
import { Organization } from '../../../src/areas/organizations/entities.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { type RawConnection, type RawRequest, rawConnection, signedHead, statusesOf } from '../../kit/raw-http.ts';

const target = '/v3/organizations';

describe('HTTP that no client sends', () => {
  let kit: Kit;
  const open: RawConnection[] = [];
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());
  afterEach(async () => {
    for (const connection of open.splice(0)) connection.destroy();
    expect((await kit.rest.call('GET', target)).status, 'the process serves on').to.equal(200);
    expect(kit.errors, 'nothing a sender does is an error of ours').to.deep.equal([]);
  });

  const connection = async (known = true): Promise<RawConnection> => {
    const made = await rawConnection(kit, kit.app.rest.url, known ? kit.tenant : undefined);
    open.push(made);
    return made;
  };
  const head = (request: RawRequest) => signedHead(kit, kit.tenant, request);
  /** What is answered to these octets alone. */
  const answered = async (octets: string, known = true): Promise<string> => {
    const raw = await connection(known);
    raw.write(octets);
    return raw.until(text => /\r\n\r\n\{.*\}$/s.test(text));
  };
  const statusOf = async (octets: string) => statusesOf(await answered(octets)).at(0);
  const name = '{"name":"Made by an attack"}';
  const countMade = () => kit.app.db.fork('system').count(Organization, { name: 'Made by an attack' });

  it('the tool itself sends requests that are accepted', async () => {
    expect(await statusOf(head({ target }))).to.equal(200);
  });

  const broken: Record<string, (line: (...headers: string[]) => string) => string> = {
    'no request line': () => 'hello\r\n\r\n',
    'a folded header': line => line('Bastion-Org-Id: org_', ' continued'),
    'white space before the colon': line => line('Bastion-Org-Id : org_x'),
    'a NUL in a header': line => line('X-A: a\0b'),
    'a bare line feed within a header': line => line('X-A: a\nBastion-Org-Id: org_x\rX'),
    'Content-Length and Transfer-Encoding': line => line('Content-Length: 4', 'Transfer-Encoding: chunked'),
    'two different Content-Lengths': line => line('Content-Length: 4', 'Content-Length: 5'),
    'a Content-Length with a sign': line => line('Content-Length: +4'),
    'a Transfer-Encoding that does not end in chunked': line => line('Transfer-Encoding: chunked, identity'),
    'headers of 40 kilobytes': line => line(`X-A: ${'a'.repeat(40_000)}`),
  };
  for (const [what, octets] of Object.entries(broken)) {
    it(`refuses ${what}, and closes`, async () => {
      const raw = await connection();
      raw.write(octets((...headers) => head({ method: 'POST', target, headers })));
      const [status] = statusesOf(await raw.until(() => false));
      expect([400, 413, undefined]).to.include(status);
      await raw.closed;
    });
  }

  it('a deciding header is found twice however many others stand between', async () => {
    const filler = Array.from({ length: 900 }, () => 'a:b');
    const [once, twice] = [kit.tenant.id, 'org_01k00000000000000000000000'].map(id => `Bastion-Org-Id: ${id}`);
    expect(await statusOf(head({ target, headers: [once!, ...filler] }))).to.equal(200);
    const answer = await answered(head({ target, headers: [once!, ...filler, twice!] }));
    expect(statusesOf(answer)).to.deep.equal([400]);
    expect(answer).to.include('more than once');
  });

  it('more headers than Node keeps are refused, not dropped', async () => {
    const filler = Array.from({ length: 2100 }, () => 'a:');
    expect(await statusOf(head({ target, headers: filler }))).to.equal(413);
  });

  for (const header of ['Client-Cert: :AAAA:', 'Client-Cert-Chain: :AAAA:']) {
    it(`nobody but a proxy sends ${header.split(':')[0]}`, async () => {
      expect(await statusOf(head({ target, headers: [header] }))).to.equal(400);
    });
  }

  it('X-Forwarded-For of anybody but a proxy changes no address', async () => {
    expect(await statusOf(head({ target, headers: ['X-Forwarded-For: 203.0.113.9'] }))).to.equal(200);
  });

  it('what follows a refused request with a body is not read as a request', async () => {
    const raw = await connection();
    const inner = head({ method: 'POST', target, body: name, headers: [`Content-Length: ${name.length}`] }) + name;
    raw.write(`POST ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${inner.length + 100}\r\n\r\n${inner}`);
    const text = await raw.until(() => false, 2500);
    expect(statusesOf(text)).to.deep.equal([401]);
    await raw.closed;
    expect(await countMade()).to.equal(0);
  });

  it('requests in one write are judged one by one', async () => {
    const raw = await connection();
    raw.write(head({ target }) + head({ target, headers: ['Bastion-Org-Id: nonsense'] }) + head({ target }));
    const text = await raw.until(all => statusesOf(all).length === 3);
    expect(statusesOf(text)).to.deep.equal([200, 404, 200]);
  });

  it('more requests in one write than a handful end the connection', async () => {
    const raw = await connection();
    raw.write(head({ target }).repeat(30));
    await raw.closed;
  });

  it('a sender who leaves in the middle of the body is no error of ours', async () => {
    const raw = await connection();
    const json = 'Content-Type: application/json';
    raw.write(`${head({ method: 'POST', target, headers: [json, 'Content-Length: 1000'] })}{"name":`);
    await raw.until(() => false, 150);
    raw.destroy();
    await raw.closed;
    await new Promise(resolve => setTimeout(resolve, 100));
  });

  it('a sender who leaves in the middle of a chunk is no error of ours', async () => {
    const raw = await connection();
    raw.write(`${head({ method: 'POST', target, headers: ['Transfer-Encoding: chunked'] })}ff\r\n{"name":`);
    await raw.until(() => false, 150);
    raw.destroy();
    await raw.closed;
    await new Promise(resolve => setTimeout(resolve, 100));
  });

  it('a chunk that is no chunk makes nothing', async () => {
    const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
    const raw = await connection();
    raw.write(
      `${head({ method: 'POST', target, body: name, headers })}${name.length.toString(16)}\r\n${name}XX0\r\n\r\n`,
    );
    expect([400, undefined]).to.include(statusesOf(await raw.until(() => false, 1500)).at(0));
    expect(await countMade()).to.equal(0);
  });

  it('a body longer than its Content-Length is cut there, and the rest is no request', async () => {
    const headers = ['Content-Type: application/json', `Content-Length: ${name.length - 1}`];
    const raw = await connection();
    raw.write(head({ method: 'POST', target, body: name, headers }) + name);
    expect([400, 401]).to.include(statusesOf(await raw.until(() => false, 1500)).at(0));
    expect(await countMade()).to.equal(0);
  });

  it('who waits for 100 Continue is refused without it, and not asked for the body', async () => {
    const headers = ['Content-Length: 1000', 'Expect: 100-continue'];
    const refused = head({ method: 'POST', target, headers }).replace(/Bearer sk_live_..../, 'Bearer sk_live_xxxx');
    expect(statusesOf(await answered(refused))).to.deep.equal([401]);
  });

  it('who waits for 100 Continue and may send is told so', async () => {
    const headers = ['Content-Type: application/json', `Content-Length: ${name.length}`, 'Expect: 100-continue'];
    const raw = await connection();
    raw.write(head({ method: 'POST', target, body: '{"name":"Made politely!!!!"}', headers }));
    expect(statusesOf(await raw.until(text => text.includes('100')))).to.deep.equal([100]);
    raw.write('{"name":"Made politely!!!!"}');
    expect(statusesOf(await raw.until(text => text.includes('org_id')))).to.deep.equal([100, 200]);
  });

  for (const line of [`GET https://localhost${target} HTTP/1.1`, 'OPTIONS * HTTP/1.1', `TRACE ${target} HTTP/1.1`]) {
    it(`${line.split(' ')[0]} ${line.split(' ')[1]!.slice(0, 8)} reaches nothing`, async () => {
      const signed = head({ target }).replace(/^.*\r\n/, `${line}\r\n`);
      expect([400, 401, 405]).to.include(await statusOf(signed));
    });
  }

  it('CONNECT and upgrades open no tunnel', async () => {
    const raw = await connection();
    raw.write('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n');
    expect(statusesOf(await raw.until(() => false, 500))).to.not.include(200);
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket'];
    expect(statusesOf(await answered(head({ target, headers: upgrade })))).to.not.include(101);
  });

  it('whoever connects and says nothing is let go within seconds', async () => {
    const silent = connect({ host: '127.0.0.1', port: kit.app.rest.port });
    const silence = new Promise<void>(resolve => silent.once('close', () => resolve()).on('error', () => undefined));
    await silence;
  }).timeout(8000);

  it('whoever asks nothing is told nothing: a browser would take it for the answer to its first request', async () => {
    const { server } = kit.app.rest;
    const patience = server.headersTimeout;
    server.headersTimeout = 100;
    try {
      const [silent, slow] = [await connection(), await connection()];
      slow.write('GET / HTTP/1.1\r\n');
      await Promise.all([silent.closed, slow.closed]);
      expect(await silent.until(() => true)).to.equal('');
      expect(statusesOf(await slow.until(() => true))).to.deep.equal([400]);
    } finally {
      server.headersTimeout = patience;
    }
  }).timeout(12_000);
});
