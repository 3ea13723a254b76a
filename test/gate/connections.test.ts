import { once } from 'node:events';
import type { Server } from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { guardConnections } from '../../src/gate/connections.ts';
import { capacities } from '../../src/gate/room.ts';
import { type Kit, startKit } from '../kit/app.ts';
import { certificates, type Pair, pair } from '../kit/certificates.ts';
import { rawConnection } from '../kit/raw-http.ts';

/** What one source gets of a room that nobody else is in. */
const quarter = (capacity: number): number => Math.floor(capacity / 4);

describe('connections', () => {
  let kit: Kit;
  let proxy: Pair;
  const open: { destroy(): unknown }[] = [];
  before(async () => {
    proxy = pair(await (await certificates()).authority.client('CN=proxy', 'P-256'));
    kit = await startKit({ config: { proxyThumbprints: [proxy.thumbprint] } });
  });
  after(() => kit.close());
  afterEach(async () => {
    for (const each of open.splice(0)) each.destroy();
    await settled(async () => (await rest()) === 200);
  });

  const rest = async () => (await kit.rest.call('GET', '/v3/scopes')).status;
  const refused = async () => {
    const metrics = await kit.app.services.metrics.registry.metrics();
    return Number(/^bastion_connections_refused_total\{door="rest"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
  };
  /** Says nothing: a handshake that never ends. */
  const silent = (localAddress: string, port = kit.app.rest.port): Promise<Socket> =>
    new Promise(resolve => {
      const socket = connect({ host: '127.0.0.1', port, localAddress });
      open.push(socket);
      socket.once('connect', () => resolve(socket)).on('error', () => resolve(socket));
    });
  /** In bursts that the kernel's queue of unaccepted connections holds. */
  const many = async (count: number, localAddress: string): Promise<Socket[]> => {
    const sockets: Socket[] = [];
    while (sockets.length < count) {
      const burst = Math.min(100, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: burst }, () => silent(localAddress)))));
    }
    return sockets;
  };
  const stillOpen = async (sockets: Socket[], expected: number) => {
    const count = () => sockets.filter(socket => !socket.destroyed && !socket.readableEnded).length;
    for (const socket of sockets) socket.resume();
    await settled(async () => count() <= expected);
    return count();
  };

  it('of one stranger are a share of the room for strangers, and the others are closed at once', async () => {
    const before = await refused();
    const sockets = await many(400, '127.0.0.2');
    const most = quarter(capacities.strangers);
    expect(await stillOpen(sockets, most)).to.equal(most);
    expect((await refused()) - before).to.equal(400 - most);
  });

  it('of many strangers together leave the callers theirs', async () => {
    const sockets: Socket[] = [];
    for (const n of [2, 3, 4, 5, 6, 7]) sockets.push(...(await many(150, `127.0.0.${n}`)));
    expect(await stillOpen(sockets, capacities.strangers)).to.be.within(300, capacities.strangers);
    expect(await rest()).to.equal(200);
  });

  it('of an allowed address are bounded too', async () => {
    const sockets = await many(500, '127.0.0.1');
    const most = quarter(capacities.callers);
    expect(await stillOpen(sockets, most)).to.be.within(most - 10, most);
  });

  it('count while they are idle after their handshake', async () => {
    const before = await refused();
    const idle = 40;
    for (let made = 0; made < idle; made++) open.push(await rawConnection(kit, kit.app.rest.url, kit.tenant));
    await many(quarter(capacities.callers) - idle, '127.0.0.1');
    const [one] = await many(1, '127.0.0.1');
    await stillOpen([one!], 0);
    expect(await refused()).to.be.greaterThan(before);
  });

  it('count no more when they are closed', async () => {
    const before = await refused();
    for (let round = 0; round < 3; round++) {
      const sockets = await many(quarter(capacities.strangers), '127.0.0.2');
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => setTimeout(resolve, 300));
    }
    expect(await refused()).to.equal(before);
  });

  it('of a proxy are not counted by its address once it has shown its certificate', async () => {
    const before = await refused();
    const tenant = { ...kit.tenant, certificate: proxy };
    const most = quarter(capacities.callers);
    for (let made = 0; made <= most; made += 50) {
      open.push(...(await Promise.all(Array.from({ length: 50 }, () => rawConnection(kit, kit.app.rest.url, tenant)))));
    }
    expect(open.length).to.be.greaterThan(most);
    expect(await refused()).to.equal(before);
  });

  it('to the health listener are nobody’s business here', async () => {
    await many(1000, '127.0.0.2');
    expect((await fetch(`${kit.app.health.url}/healthz`)).status).to.equal(200);
  });
});

it('connections from one port after another, while the server is too busy to see that the first is gone, count once each', async () => {
  const accepted: Socket[] = [];
  // A socket that is not read from hears of no reset.
  const server = createServer({ pauseOnConnect: true }, socket => accepted.push(socket)) as Server;
  let refused = 0;
  guardConnections(server, { isListed: () => true, isProxy: () => false, onRefused: () => refused++ });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const open = async (localPort?: number) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9', localPort });
    await once(socket, 'connect');
    return socket;
  };
  try {
    for (let n = 0; n < 50; n++) {
      const first = await open();
      const { localPort } = first;
      first.resetAndDestroy();
      await once(first, 'close');
      (await open(localPort)).destroy();
    }
    await settled(async () => accepted.length === 100);
    await Promise.all(accepted.splice(0).map(socket => once(socket.destroy(), 'close')));
    const all = await Promise.all(Array.from({ length: quarter(capacities.callers) }, () => open()));
    await settled(async () => accepted.length === all.length);
    expect({ accepted: accepted.length, refused }).to.deep.equal({ accepted: all.length, refused: 0 });
    for (const socket of all) socket.destroy();
  } finally {
    for (const socket of accepted) socket.destroy();
    server.close();
  }
});

async function settled(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 4000;
  while (!(await holds().catch(() => false)) && performance.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
