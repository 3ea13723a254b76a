import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { pino } from 'pino';
import { areas } from '../../../src/areas.ts';
import { createMetrics } from '../../../src/core/metrics.ts';
import type { Operation } from '../../../src/core/operation.ts';
import type { Services } from '../../../src/core/services.ts';
import { soapDoor } from '../../../src/doors/soap/door.ts';
import type { SoapGate } from '../../../src/doors/soap/exchange.ts';
import { BodyRoom } from '../../../src/gate/body-room.ts';
import { Strangers } from '../../../src/gate/strangers.ts';
import { certificates } from '../../kit/certificates.ts';

const samples = join(import.meta.dirname, '../../samples/foreign-clients');

/** What the operations would answer. */
const outputs: Record<string, object> = {
  SendSecureEmail: {
    message_id: 'msg_1',
    status: 'queued',
    delivery_method: 'tls',
    dlp_action: 'allow',
    expires_at: '2026-12-21T00:00:00.000Z',
    allow_recall: true,
  },
};

/** The file holds every octet in its order, as it is or as base64. */
function withAnotherFile(recorded: Buffer): Buffer {
  const text = recorded.toString('latin1');
  const changed = text.replace('#$%&', '#$%*').replace('AAECAwQFBgc', 'AAECAwQFBgg');
  expect(changed).to.not.equal(text);
  return Buffer.from(changed, 'latin1');
}

describe('recorded requests of foreign clients', () => {
  let server: Server;
  let now: Date;
  let registered: X509Certificate;
  const logged: string[] = [];

  before(async () => {
    const { signing } = await certificates();
    const services = {
      clock: { now: () => now },
      settings: { soapUrl: 'https://127.0.0.1', maxMailBytes: 25_000_000 },
      log: pino({ level: 'info' }, { write: line => void logged.push(line) }),
      metrics: createMetrics(),
      identity: { privateKey: signing.privateKey, certificatePem: signing.certificate },
    };
    const gate: SoapGate<true> = {
      admit: () => {},
      admitCertificate: async () => {},
      identify: async () => true,
      actsForAnother: () => false,
      resolveSigner: async (_, reference) =>
        reference.kind === 'certificate' && reference.certificate.fingerprint256 === registered.fingerprint256
          ? { certificate: registered, publicKey: registered.publicKey, policy: {} }
          : undefined,
      spend: async () => {},
      refused: ({ requestId }, refusal) =>
        new Strangers(services).refused({ door: 'soap', requestId, address: undefined }, refusal),
      room: () => new BodyRoom(Number.POSITIVE_INFINITY).open('partner'),
      disk: () => new BodyRoom(Number.POSITIVE_INFINITY).open('partner'),
      count: async () => ({ headers: {}, retryAfter: undefined }),
      caller: () => ({}) as never,
    };
    const run = async (operation: Operation, _caller: unknown, read: () => unknown) => {
      operation.input.parse(read());
      return { kind: 'done' as const, output: outputs[operation.soap] };
    };
    server = createServer(soapDoor({ gate, run, areas, services: services as unknown as Services }));
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  /** The request as it was, at the time it was made; the headers that belong to the old connection are left out. */
  function replay(recorded: Buffer): Promise<{ status: number; text: string }> {
    const end = recorded.indexOf('\r\n\r\n');
    const [first, ...lines] = recorded.toString('latin1', 0, end).split('\r\n');
    const headers = lines
      .map(line => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)] as const)
      .filter(([name]) => !/^(connection|content-length|transfer-encoding|expect|host)$/i.test(name));
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const sent = request({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: first!.split(' ')[1],
        headers: { ...Object.fromEntries(headers), Authorization: 'Bearer left-out' },
      });
      sent.on('error', reject);
      sent.on('response', async response => {
        resolve({ status: response.statusCode!, text: await text(response) });
      });
      sent.end(recorded.subarray(end + 4));
    });
  }

  for (const client of readdirSync(samples, { withFileTypes: true }).filter(each => each.isDirectory())) {
    const folder = join(samples, client.name);
    const received = (octets: Buffer) => {
      registered = new X509Certificate(readFileSync(join(folder, 'partner.pem')));
      now = new Date(readFileSync(join(folder, 'recorded-at'), 'utf8').trim());
      return replay(octets);
    };
    const files = readdirSync(folder).filter(name => name.endsWith('.http'));

    for (const file of files.filter(name => !name.startsWith('tampered'))) {
      it(`${client.name}/${file} is carried out`, async () => {
        const answer = await received(readFileSync(join(folder, file)));
        expect(answer.status, answer.text).to.equal(200);
        expect(answer.text).to.include('SendSecureEmailResponse');
      });
    }

    it(`${client.name}/tampered-refused.http is refused`, async () => {
      expect((await received(readFileSync(join(folder, 'tampered-refused.http')))).status).to.equal(400);
      expect(logged.at(-1)).to.match(/"cause":"the digest of #[^"]+ differs"/);
    });

    for (const file of files.filter(name => name.startsWith('attachment'))) {
      it(`${client.name}/${file} is refused with another file in it`, async () => {
        const answer = await received(withAnotherFile(readFileSync(join(folder, file))));
        expect(answer.status, answer.text).to.equal(400);
        expect(logged.at(-1)).to.match(/"cause":"the [^"]+ differs"/);
      });
    }
  }
});
