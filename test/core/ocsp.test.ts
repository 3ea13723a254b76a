import 'reflect-metadata';
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AuthorityInfoAccessExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
} from '@peculiar/x509';
import { expect } from 'chai';
import { pino } from 'pino';
import { Authority, clientExtensions } from '../../src/core/authority.ts';
import { TrustStore, thumbprintOf } from '../../src/core/certificates.ts';
import type { KeyPair } from '../../src/core/key-pair.ts';
import { OcspAnswers, type ResponderPolicy } from '../../src/core/ocsp-answers.ts';
import { createOutbound } from '../../src/core/outbound.ts';

const dayMs = 86_400_000;
const responderExtensions = [
  new BasicConstraintsExtension(false, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  new ExtendedKeyUsageExtension([ExtendedKeyUsage.ocspSigning]),
];

/** OpenSSL's responder on loopback, and a door before it that counts, keeps and spoils what it says. */
describe('revocation by OCSP', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'bastion-ocsp-'));
  let root: Authority;
  let good: X509Certificate;
  let revoked: X509Certificate;
  let unknown: X509Certificate;
  let responder: KeyPair;
  let door: Server;
  let asked = 0;
  /** What the door does with a question; undefined leaves the question to OpenSSL. */
  let spoil: ((question: Buffer) => Promise<Buffer | undefined>) | undefined;
  const running = new Map<string, { port: number; child: ChildProcess }>();

  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const x509 = (pem: string) => new X509Certificate(pem);

  before(async () => {
    root = await Authority.create('CN=Root, O=Example');
    const client = async (name: string) => x509((await root.client(`CN=${name}`)).certificate);
    [good, revoked, unknown] = [await client('good'), await client('revoked'), await client('unknown')];
    responder = await root.issue({ name: 'CN=Responder', extensions: responderExtensions });
    const index = [
      ['V', '', good],
      ['R', '260101000000Z', revoked],
    ] as const;
    const lines = index.map(([state, since, { serialNumber }]) =>
      [state, '401231235959Z', since, serialNumber, 'unknown', '/CN=x'].join('\t'),
    );
    file('index.txt', `${lines.join('\n')}\n`);
    door = createServer(async (incoming, response) => {
      asked += 1;
      const question = await buffer(incoming);
      const answer = spoil ? await spoil(question) : await answerOf('good', question);
      if (answer) response.end(answer);
      else incoming.socket.destroy();
    });
    await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve));
  });

  beforeEach(() => {
    asked = 0;
    spoil = undefined;
  });

  after(async () => {
    for (const { child } of running.values()) child.kill();
    door.closeAllConnections();
    await new Promise(resolve => door.close(resolve));
    rmSync(folder, { recursive: true });
  });

  interface Signer {
    pair: KeyPair;
    ca?: string;
    options?: string[];
  }

  /** One OpenSSL responder for each way to answer. */
  const signers: Record<string, () => Promise<Signer>> = {
    good: async () => ({ pair: responder }),
    'the issuer itself': async () => ({ pair: { certificate: root.certificate, key: root.key } }),
    'a client of the issuer': async () => ({ pair: await root.client('CN=client') }),
    'a responder of another authority': async () => {
      const other = await Authority.create('CN=Root, O=Example');
      return { pair: await other.issue({ name: 'CN=Responder', extensions: responderExtensions }) };
    },
    'a responder whose certificate has expired': async () => {
      const dates = { notBefore: new Date(Date.now() - 3 * dayMs), notAfter: new Date(Date.now() - dayMs) };
      return { pair: await root.issue({ name: 'CN=Responder', extensions: responderExtensions, ...dates }) };
    },
    'nobody that can be told: the certificate is left out': async () => ({
      pair: responder,
      options: ['-resp_no_certs'],
    }),
    'a responder that signs with SHA-1': async () => ({ pair: responder, options: ['-rmd', 'sha1'] }),
    'a responder without nextUpdate': async () => ({ pair: responder, options: ['none'] }),
  };

  async function answerOf(name: string, question: Buffer): Promise<Buffer> {
    const { port } = running.get(name) ?? (await start(name));
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // It serves one connection after the other, and would wait on one that is kept open.
    const headers = { 'Content-Type': 'application/ocsp-request', 'Content-Length': question.length };
    request({ port, host: '127.0.0.1', method: 'POST', agent: false, headers }, resolve)
      .on('error', reject)
      .end(question);
    return buffer(await promise);
  }

  async function start(name: string): Promise<{ port: number; child: ChildProcess }> {
    const { pair, options = [] } = await signers[name]!();
    const port = await freePort();
    const id = running.size;
    const signer = ['-rsigner', file(`${id}.pem`, pair.certificate), '-rkey', file(`${id}.key`, pair.key)];
    const ca = ['-CA', file('root.pem', root.certificate), '-index', join(folder, 'index.txt')];
    const life = options.includes('none') ? [] : ['-nmin', '60'];
    const more = options.filter(each => each !== 'none');
    const child = spawn(
      'openssl',
      ['ocsp', '-port', String(port), ...ca, ...signer, ...life, ...more, '-timeout', '5'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    running.set(name, { port, child });
    // Says that it waits for connections.
    await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')]);
    await sleep(100);
    return { port, child };
  }

  /** A store that asks the door about everything beneath the root. */
  function storeWith(without: ResponderPolicy['without'], url: string | undefined = doorUrl()): TrustStore {
    const responders = new Map([[thumbprintOf(x509(root.certificate)), { without, ...(url && { url }) }]]);
    const material = {
      authorities: [x509(root.certificate)],
      revocationLists: [],
      withoutClientAuth: new Set<string>(),
      responders,
    };
    return new TrustStore(
      () => material,
      new OcspAnswers({ outbound: createOutbound(), log: pino({ level: 'silent' }) }),
    );
  }

  const doorUrl = () => `http://127.0.0.1:${(door.address() as AddressInfo).port}/`;

  async function verdict(store: TrustStore, certificate: X509Certificate, now = new Date()): Promise<string> {
    await store.learn(certificate, [], now);
    const judged = store.check(certificate, [], now);
    return judged.ok ? 'ok' : judged.reason;
  }

  it("accepts what OpenSSL's responder calls good, refuses what it calls revoked [BAS-009]", async () => {
    const store = storeWith('closed');
    expect([await verdict(store, good), await verdict(store, revoked)]).to.deep.equal(['ok', 'revoked']);
  });

  it('refuses what the responder does not know where the policy is closed, and accepts it where it is open', async () => {
    expect(await verdict(storeWith('closed'), unknown)).to.equal('revocation_unknown');
    expect(await verdict(storeWith('open'), unknown)).to.equal('ok');
    expect(await verdict(storeWith('open'), revoked)).to.equal('revoked');
  });

  for (const name of ['the issuer itself', 'a responder without nextUpdate']) {
    it(`believes ${name}`, async () => {
      spoil = question => answerOf(name, question);
      expect(await verdict(storeWith('closed'), good)).to.equal('ok');
      expect(await verdict(storeWith('open'), revoked)).to.equal('revoked');
    });
  }

  for (const name of Object.keys(signers).slice(2, 7)) {
    it(`believes no answer signed by ${name}`, async () => {
      spoil = question => answerOf(name, question);
      expect(await verdict(storeWith('closed'), good)).to.equal('revocation_unknown');
      expect(await verdict(storeWith('open'), revoked), 'not even a bad one').to.equal('ok');
    });
  }

  it('believes no answer about another certificate', async () => {
    let about: Buffer | undefined;
    spoil = async question => {
      about ??= await answerOf('good', question);
      return about;
    };
    const store = storeWith('closed');
    expect(await verdict(store, good)).to.equal('ok');
    expect(await verdict(store, revoked)).to.equal('revocation_unknown');
  });

  it('believes no answer that is out of date or from the future', async () => {
    const now = Date.now();
    for (const [when, expected] of [
      [now + 50 * 60_000, 'ok'],
      [now + 70 * 60_000, 'revocation_unknown'],
      [now - 10 * 60_000, 'revocation_unknown'],
    ] as const) {
      expect(await verdict(storeWith('closed'), good, new Date(when)), String(when - now)).to.equal(expected);
    }
  });

  it('believes no answer that is a day old and says nothing of its end: it could be from before the revocation', async () => {
    spoil = question => answerOf('a responder without nextUpdate', question);
    for (const [hours, expected] of [
      [23, 'ok'],
      [25, 'revocation_unknown'],
    ] as const) {
      const later = new Date(Date.now() + hours * 3_600_000);
      expect(await verdict(storeWith('closed'), good, later), `${hours} hours`).to.equal(expected);
    }
  });

  it('believes no answer of which any octet was changed', async () => {
    let answer: Buffer | undefined;
    let at = 0;
    spoil = async question => {
      answer ??= await answerOf('good', question);
      const changed = Buffer.from(answer);
      changed[at]! ^= 1 << (at % 8);
      return changed;
    };
    await verdict(storeWith('closed'), revoked);
    const accepted: number[] = [];
    for (at = 0; at < answer!.length; at += 3) {
      if ((await verdict(storeWith('closed'), revoked)) === 'ok') accepted.push(at);
    }
    expect(accepted).to.deep.equal([]);
  });

  for (const [what, how] of [
    ['an HTML page', async () => Buffer.from('<html>maintenance</html>')],
    ['nothing', async () => Buffer.alloc(0)],
    ['"try later"', async () => Buffer.from('30030a0103', 'hex')],
    ['success without an answer', async () => Buffer.from('30030a0100', 'hex')],
    ['a very deep structure', async () => Buffer.from('30808080'.repeat(10_000), 'hex')],
    ['a megabyte', async () => Buffer.alloc(1024 * 1024, 0x30)],
    ['a broken connection', async () => undefined],
  ] as const) {
    it(`refuses where the policy is closed, accepts where it is open, when the responder sends ${what}`, async () => {
      spoil = how;
      expect(await verdict(storeWith('closed'), good)).to.equal('revocation_unknown');
      expect(await verdict(storeWith('open'), good)).to.equal('ok');
    });
  }

  it('waits a bounded time for a slow responder, once: those who come meanwhile wait for the same answer', async () => {
    spoil = async () => {
      await sleep(20_000);
      return undefined;
    };
    const store = storeWith('closed');
    const started = performance.now();
    const all = await Promise.all(Array.from({ length: 20 }, () => verdict(store, good)));
    expect(performance.now() - started).to.be.within(3500, 8000);
    expect(new Set(all)).to.deep.equal(new Set(['revocation_unknown']));
    const next = performance.now();
    await verdict(store, good);
    expect(performance.now() - next, 'and the next one does not wait').to.be.below(500);
    expect(asked).to.equal(1);
  });

  it('asks once for as long as the answer counts, renews it before it ends without anybody waiting', async () => {
    const store = storeWith('closed');
    const at = (minutes: number) => new Date(Date.now() + minutes * 60_000);
    for (const minutes of [0, 0.1, 1, 5, 20, 40]) expect(await verdict(store, good, at(minutes))).to.equal('ok');
    expect(asked).to.equal(1);
    spoil = async () => undefined;
    expect(await verdict(store, good, at(50)), 'the responder fails, the answer still counts').to.equal('ok');
    await sleep(200);
    expect(asked).to.equal(2);
    expect(await verdict(store, good, at(50.2))).to.equal('ok');
    expect(asked, 'it is left alone for a while').to.equal(2);
    expect(await verdict(store, good, at(61)), 'the answer has ended').to.equal('revocation_unknown');
  });

  it('asks whom the certificate names, but not on a private network that a certificate named', async () => {
    const { certificate } = await root.issue({
      name: 'CN=named',
      extensions: [...clientExtensions(), new AuthorityInfoAccessExtension({ ocsp: [doorUrl()] })],
    });
    const store = storeWith('closed', '');
    expect(await verdict(store, x509(certificate))).to.equal('revocation_unknown');
    expect(asked).to.equal(0);
  });

  it('asks nobody beneath authorities of which the operator says nothing', async () => {
    const material = {
      authorities: [x509(root.certificate)],
      revocationLists: [],
      withoutClientAuth: new Set<string>(),
      responders: new Map(),
    };
    const store = new TrustStore(
      () => material,
      new OcspAnswers({ outbound: createOutbound(), log: pino({ level: 'silent' }) }),
    );
    expect(await verdict(store, revoked)).to.equal('ok');
    expect(asked).to.equal(0);
  });
});

async function freePort(): Promise<number> {
  const probe = createTcpServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise(resolve => probe.close(resolve));
  return port;
}
