import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { capacities } from '../../../src/gate/room.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { pair } from '../../kit/certificates.ts';
import { type RawConnection, rawConnection, signedHead } from '../../kit/raw-http.ts';
import { signedEnvelope } from '../../kit/soap-signing.ts';

const mega = 1_000_000;
/** Client and server share the process, and memory is freed when it pleases the collector: a flood passes this by far. */
const margin = 800 * mega;

describe('floods', () => {
  let kit: Kit;
  let honest: Tenant;
  const open: { destroy(): unknown }[] = [];
  let rss = 0;
  before(async () => {
    kit = await startKit();
    honest = await own('Honest');
  });
  after(() => kit.close());
  beforeEach(() => {
    rss = process.memoryUsage.rss();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) each.destroy();
    await settled(async () =>
      (await Promise.all([kit.app.rest, kit.app.soap].map(connectionsOf))).every(count => count < 10),
    );
    expect(kit.errors, 'nothing a sender does is an error of ours').to.deep.equal([]);
  });

  /** An organisation with a certificate of its own. */
  async function own(name: string): Promise<Tenant> {
    const certificate = pair(await kit.set.authority.client(`CN=${name}`, 'P-256'));
    return kit.organization(name, { certificate });
  }
  const grown = () => process.memoryUsage.rss() - rss;
  const isServed = async () => {
    const [rest, soap] = await Promise.all([honest.rest.call('GET', '/v3/scopes'), honest.soap.call('ListScopes', {})]);
    expect([rest.status, soap.status], 'the honest client is served meanwhile').to.deep.equal([200, 200]);
  };
  /** Looks again and again until the flood is over. */
  async function meanwhile(flood: Promise<unknown>): Promise<number> {
    let looks = 0;
    let most = 0;
    const over = flood.then(() => true);
    do {
      await isServed();
      most = Math.max(most, grown());
      looks++;
    } while (!(await Promise.race([over, sleep(100, false)])));
    expect(looks).to.be.greaterThan(0);
    return most;
  }
  const raw = async (tenant: Tenant, url = kit.app.rest.url): Promise<RawConnection> => {
    const made = await rawConnection(kit, url, tenant);
    open.push(made);
    return made;
  };
  const rawSoap = (tenant: Tenant) => raw(tenant, kit.app.soap.url);

  it('of headers in single octets end within seconds', async () => {
    const slow = await Promise.all(Array.from({ length: 100 }, () => raw(kit.tenant)));
    const head = signedHead(kit, kit.tenant, { target: '/v3/scopes' });
    let at = 0;
    const dripping = setInterval(() => {
      for (const each of slow) each.write(head[at % head.length]!);
      at++;
    }, 100);
    try {
      await meanwhile(Promise.all(slow.map(each => each.closed)));
    } finally {
      clearInterval(dripping);
    }
    expect(at, 'before the headers were complete').to.be.lessThan(head.length);
  }).timeout(30_000);

  it('of bodies that never end take no more than a share of the room, and give it back', async () => {
    const pieces = 3 * mega;
    const slow = await Promise.all(Array.from({ length: 60 }, () => raw(kit.tenant)));
    const headers = ['Content-Type: application/json', `Content-Length: ${30 * mega}`];
    for (const each of slow) {
      each.write(signedHead(kit, kit.tenant, { method: 'POST', target: '/v3/secure-email/send', headers }));
      each.write(Buffer.alloc(pieces, ' '));
    }
    const fitting = Math.floor(capacities.bodies / 4 / pieces);
    const refused = () => tooMany(slow);
    const most = await meanwhile(settled(async () => (await refused()) >= slow.length - fitting));
    expect(await refused()).to.be.within(slow.length - fitting, slow.length - fitting + 2);
    expect(most).to.be.lessThan(margin);
    for (const each of slow) each.destroy();
    await Promise.all(slow.map(each => each.closed));
    const body = Buffer.alloc(30 * mega, ' ');
    await settled(async () => (await kit.rest.call('POST', '/v3/secure-email/send', body)).status === 400);
    expect((await kit.rest.call('POST', '/v3/secure-email/send', body)).body.error).to.equal('malformed');
  }).timeout(90_000);

  it('of ten thousand connections leave the callers theirs', async () => {
    const attempt = (localAddress: string) =>
      new Promise<void>(resolve => {
        const socket = connect({ host: '127.0.0.1', port: kit.app.rest.port, localAddress });
        open.push(socket);
        socket.once('connect', () => resolve()).on('error', () => resolve());
        socket.resume();
      });
    const flood = async () => {
      for (let made = 0; made < 10_000; made += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, n) => attempt(`127.0.0.${2 + (n % 10)}`)));
      }
    };
    expect(await meanwhile(flood())).to.be.lessThan(margin);
    expect(await connectionsOf(kit.app.rest)).to.be.lessThan(capacities.strangers + 50);
  }).timeout(90_000);

  it('of requests in one write whose answers nobody reads take no memory for them', async () => {
    const { hostname: host, port } = new URL(kit.app.rest.url);
    const { certificate: cert, key } = kit.tenant.certificate;
    const ask = async () => {
      const socket = connectTls({ host, port: Number(port), servername: host, ca: kit.set.ca, cert, key });
      open.push(socket.pause().on('error', () => undefined));
      await new Promise(resolve => socket.once('secureConnect', resolve));
      socket.write('GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(70));
    };
    const flood = async () => {
      for (let made = 0; made < 160; made += 20) await Promise.all(Array.from({ length: 20 }, ask));
      await sleep(1000);
    };
    expect(await meanwhile(flood())).to.be.lessThan(margin);
  }).timeout(60_000);

  it('of large envelopes whose parts never come keep nobody from being read', async () => {
    const staller = await own('Staller');
    const head = '--b\r\nContent-Type: application/soap+xml\r\n\r\n';
    const rest = '\r\n--b\r\nContent-ID: <a>\r\n\r\nto be continued';
    const stalled = await Promise.all(Array.from({ length: 70 }, () => rawSoap(staller)));
    for (const each of stalled) {
      const octets = Buffer.from(head + large(staller, 100_000) + rest);
      each.write(posted(staller, 'multipart/related; boundary=b', octets, octets.length + 1000));
    }
    await sleep(1000);
    const asking = await rawSoap(honest);
    asking.write(posted(honest, 'application/soap+xml; charset=utf-8', large(honest, 100_000)));
    expect(await asking.until(all => all.includes('Envelope>'))).to.include('validation_failed');
    expect(await tooMany(stalled), 'what waits for its sender takes memory only').to.equal(0);
  }).timeout(30_000);

  describe('of 200 envelopes of two megabytes at once', () => {
    const tail = 100;
    const message = (tenant: Tenant) =>
      posted(tenant, 'application/soap+xml; charset=utf-8', large(tenant, 1.9 * mega));

    for (const [senders, least, code] of [
      [1, 155, 'rate_limited'],
      [10, 20, 'rate_limited'],
    ] as const) {
      it(`from ${senders} certificate(s) keep to the room, and those that fit are read`, async () => {
        const tenants = await Promise.all(Array.from({ length: senders }, (_, n) => own(`Sender ${n} of ${senders}`)));
        const sent: { connection: RawConnection; octets: Buffer }[] = [];
        const connections: RawConnection[] = [];
        const sendAll = async () => {
          for (const tenant of tenants) {
            const octets = message(tenant);
            for (let n = 0; n < 200 / senders; n++) {
              const connection = await rawSoap(tenant);
              // At once: a connection that asks nothing is closed before a slow machine has made them all.
              connection.write(octets.subarray(0, -tail));
              connections.push(connection);
              sent.push({ connection, octets });
            }
          }
          await settled(async () => (await tooMany(connections)) >= least);
        };
        const most = await meanwhile(sendAll());
        expect(await tooMany(connections)).to.be.within(least, 180);
        expect(most).to.be.lessThan(margin);
        for (const { connection, octets } of sent) connection.write(octets.subarray(-tail));
        const texts = await Promise.all(connections.map(each => each.until(all => all.includes('Envelope>'), 20_000)));
        const read = texts.filter(text => /validation_failed|replayed/.test(text));
        expect(read.length).to.be.within(20, 200 - least);
        expect(texts.find(isTooMany))
          .to.match(/^Retry-After: 1\r$/m)
          .and.to.include(code);
      }).timeout(90_000);
    }
  });
});

/** An envelope with a text of that length, which is read to its end and then refused for what it holds. */
function large({ certificate: { x509: certificate, privateKey, publicKey } }: Tenant, length: number): string {
  const request = `<request><unheardOf>${'x'.repeat(length)}</unheardOf></request>`;
  const body = `<ListScopes xmlns="http://bastioncommunications.com/soap/v3/access">${request}</ListScopes>`;
  return signedEnvelope({ certificate, privateKey, publicKey }, { body });
}

function posted({ apiKey }: Tenant, type: string, body: string | Buffer, length = body.length): Buffer {
  const head = [
    'POST /soap/v3/access HTTP/1.1',
    'Host: localhost',
    `Content-Type: ${type}`,
    `Authorization: Bearer ${apiKey}`,
    `Content-Length: ${length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(body)]);
}

const connectionsOf = ({ server }: Kit['app']['rest']): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));

/** How many were told to come again, or closed: an answer can be lost on a sender who is busy writing for seconds. */
async function tooMany(connections: readonly RawConnection[]): Promise<number> {
  const refused = connections.map(({ closed, until }) =>
    Promise.race([closed.then(() => true), until(() => true).then(isTooMany)]),
  );
  return (await Promise.all(refused)).filter(Boolean).length;
}

const isTooMany = (text: string): boolean => /rate_limited|unavailable/.test(text);

async function settled(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await holds().catch(() => false)) && performance.now() < deadline) await sleep(50);
}
