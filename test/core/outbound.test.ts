import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { clientExtensions, serverExtensions } from '../../src/core/authority.ts';
import { checkUrl, createOutbound, OutboundError, type OutboundRequest } from '../../src/core/outbound.ts';
import { type CertificateSet, certificates, type Pair, pair } from '../kit/certificates.ts';

const loopback = ['127.0.0.0/8'];

describe('outbound requests', () => {
  let set: CertificateSet;
  let hook: Pair;
  let server: Server;
  let handler: (request: IncomingMessage, response: ServerResponse) => void;
  let connections = 0;
  let names: string[] = [];
  const sockets = new Set<Socket>();

  before(async () => {
    set = await certificates();
    hook = pair(
      await set.authority.issue({ name: 'CN=hook.test', extensions: serverExtensions(['hook.test'], ['127.0.0.1']) }),
    );
    server = createServer(
      { cert: hook.certificate, key: hook.key, ca: set.ca, requestCert: true, rejectUnauthorized: false },
      (request, response) => handler(request, response),
    );
    server.on('connection', (socket: Socket) => {
      connections += 1;
      sockets.add(socket);
    });
    await listening(server);
  });

  beforeEach(() => {
    connections = 0;
    names = [];
    handler = (_request, response) => response.end('fine');
  });

  after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  });

  const port = () => (server.address() as AddressInfo).port;
  const resolveTo =
    (...addresses: string[]) =>
    (name: string) => {
      names.push(name);
      return Promise.resolve(addresses);
    };
  const outbound = (resolve = resolveTo('127.0.0.1')) => createOutbound({ resolve, ca: set.ca });
  const request = (changes: Partial<OutboundRequest> = {}): OutboundRequest => ({
    url: `https://hook.test:${port()}/in?a=1`,
    method: 'POST',
    body: 'hello',
    deadlineMs: 5000,
    maxBytes: 1000,
    allowPrivate: loopback,
    ...changes,
  });

  it('sends to the looked-up address, under the name of the URL in Host and SNI', async () => {
    const seen = Promise.withResolvers<unknown[]>();
    handler = async (incoming, response) => {
      const body = (await incoming.toArray()).join('');
      const { servername } = incoming.socket as TLSSocket;
      seen.resolve([incoming.method, incoming.url, incoming.headers.host, servername, incoming.headers['x-a'], body]);
      response.writeHead(201, { 'X-Reply': 'yes' }).end('done');
    };
    const answer = await outbound().request(request({ headers: { 'X-A': 'b' } }));
    expect(await seen.promise).to.deep.equal(['POST', '/in?a=1', `hook.test:${port()}`, 'hook.test', 'b', 'hello']);
    expect([answer.status, answer.headers['x-reply'], answer.body.toString()]).to.deep.equal([201, 'yes', 'done']);
  });

  it('asks the name server once: no second answer can lead the connection elsewhere', async () => {
    await outbound().request(request());
    expect(names).to.deep.equal(['hook.test']);
  });

  it('reaches an address literal whose certificate names it', async () => {
    const answer = await outbound().request(request({ url: `https://127.0.0.1:${port()}/` }));
    expect([answer.status, names]).to.deep.equal([200, []]);
  });

  const inside = [
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '0',
    '%31%32%37.0.0.1',
    '１２７.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[2001::1]',
    '[fe80::1]',
    '[fc00::1]',
    '[fd00:ec2::254]',
    '169.254.169.254',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    'localhost',
    'localhost.',
    'a.localhost',
    'LOCALHOST',
  ];
  for (const host of inside) {
    it(`refuses https://${host}/ before anything is connected`, async () => {
      const error = await failure(outbound().request(request({ url: `https://${host}:${port()}/`, allowPrivate: [] })));
      expect([error.code, error.refused, connections]).to.deep.equal(['forbidden_url', true, 0]);
      expect(checkUrl(`https://${host}/`, [])).to.equal('must name a host at a public address');
    });
  }

  for (const url of [
    'http://hook.test/',
    'ftp://hook.test/',
    'file:///etc/passwd',
    'https://user:pass@hook.test/',
    'x',
  ]) {
    it(`refuses ${url}`, async () => {
      expect(checkUrl(url, loopback)).to.be.a('string');
      expect((await failure(outbound().request(request({ url })))).code).to.equal('forbidden_url');
    });
  }

  it('accepts a public name and a public address as a URL', () => {
    expect([checkUrl('https://hooks.example.com/in', []), checkUrl('https://8.8.8.8/', [])]).to.deep.equal([
      undefined,
      undefined,
    ]);
  });

  for (const [what, addresses] of Object.entries({
    'a private address': ['127.0.0.1'],
    'a mapped address': ['::ffff:127.0.0.1'],
    'a public and a private address': ['8.8.8.8', '127.0.0.1'],
    'something that is no address': ['hook.internal'],
  })) {
    it(`refuses a name that resolves to ${what}`, async () => {
      const error = await failure(outbound(resolveTo(...addresses)).request(request({ allowPrivate: [] })));
      expect([error.code, error.refused, connections]).to.deep.equal(['forbidden_address', true, 0]);
      expect(error.message).not.to.contain('127.0.0.1');
    });
  }

  it('does not carry the opened network of one call to the next', async () => {
    const shared = outbound();
    await shared.request(request());
    const error = await failure(shared.request(request({ allowPrivate: [] })));
    expect(error.code).to.equal('forbidden_address');
  });

  it('answers a redirect instead of following it', async () => {
    handler = (_incoming, response) => response.writeHead(307, { Location: '/elsewhere' }).end();
    const answer = await outbound().request(request());
    expect([answer.status, connections]).to.deep.equal([307, 1]);
  });

  it('goes on to the next address of a name when one does not connect', async () => {
    const answer = await outbound(resolveTo('127.0.0.99', '127.0.0.1')).request(request());
    expect(answer.status).to.equal(200);
  });

  it('refuses a certificate for another name', async () => {
    const url = `https://other.test:${port()}/`;
    expect((await failure(outbound().request(request({ url })))).code).to.equal('untrusted');
  });

  it('refuses a certificate of an authority that was not named', async () => {
    const plain = createOutbound({ resolve: resolveTo('127.0.0.1') });
    expect((await failure(plain.request(request()))).code).to.equal('untrusted');
  });

  it('shows its client certificate when it has one', async () => {
    const client = pair(await set.authority.issue({ name: 'CN=bastion', extensions: clientExtensions() }));
    const shown = Promise.withResolvers<[boolean, string]>();
    handler = (incoming, response) => {
      const socket = incoming.socket as TLSSocket;
      shown.resolve([socket.authorized, socket.getPeerCertificate().fingerprint256]);
      response.end();
    };
    await createOutbound({ resolve: resolveTo('127.0.0.1'), ca: set.ca, ...client }).request(request());
    expect(await shown.promise).to.deep.equal([true, client.x509.fingerprint256]);
  });

  it('reads an answer of exactly the permitted size and refuses one octet more', async () => {
    handler = (_incoming, response) => response.end('x'.repeat(1000));
    expect((await outbound().request(request())).body.length).to.equal(1000);
    handler = (_incoming, response) => response.end('x'.repeat(1001));
    expect((await failure(outbound().request(request()))).code).to.equal('too_large');
  });

  it('refuses an endless answer as soon as it is too large', async () => {
    handler = (_incoming, response) => {
      const timer = setInterval(() => response.write('x'.repeat(400)), 5);
      response.on('close', () => clearInterval(timer));
    };
    expect((await failure(outbound().request(request()))).code).to.equal('too_large');
  });

  it('does not unpack a compressed answer', async () => {
    handler = (_incoming, response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('raw');
    expect((await outbound().request(request())).body.toString()).to.equal('raw');
  });

  it('refuses an answer that is not HTTP', async () => {
    handler = incoming => incoming.socket.end('SSH-2.0-OpenSSH\r\n');
    expect((await failure(outbound().request(request()))).code).to.equal('protocol');
  });

  describe('with one deadline', () => {
    const expires = async (work: (soon: OutboundRequest) => Promise<unknown>) => {
      const started = Date.now();
      const error = await failure(work(request({ deadlineMs: 250 })));
      expect(error.code).to.equal('timeout');
      expect(Date.now() - started).to.be.within(200, 2000);
    };

    it('ends a look-up that never answers', () =>
      expires(soon => createOutbound({ resolve: () => new Promise(() => {}), ca: set.ca }).request(soon)));

    it('ends a handshake that never begins', async () => {
      const silent = createTcpServer(socket => sockets.add(socket));
      await listening(silent);
      const url = `https://hook.test:${(silent.address() as AddressInfo).port}/`;
      await expires(soon => outbound().request({ ...soon, url }));
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => silent.close(resolve));
    });

    it('ends a wait for the answer', () => {
      handler = () => {};
      return expires(soon => outbound().request(soon));
    });

    it('ends an answer that comes in drops', () => {
      handler = (_incoming, response) => {
        const timer = setInterval(() => response.write('.'), 20);
        response.on('close', () => clearInterval(timer));
      };
      return expires(soon => outbound().request(soon));
    });
  });

  it('reports a name without addresses and a closed port apart', async () => {
    const gone = createOutbound({ resolve: () => Promise.reject(new Error('ENOTFOUND')), ca: set.ca });
    const codes = [
      (await failure(gone.request(request()))).code,
      (await failure(outbound(resolveTo()).request(request()))).code,
      (await failure(outbound(resolveTo('127.0.0.99')).request(request()))).code,
    ];
    expect(codes).to.deep.equal(['unresolvable', 'unresolvable', 'unreachable']);
  });
});

function listening(server: Server | TcpServer): Promise<void> {
  return new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
}

async function failure(work: Promise<unknown>): Promise<OutboundError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(OutboundError);
  return error as OutboundError;
}
