import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { pino } from 'pino';
import { createMetrics } from '../../../src/core/metrics.ts';
import type { Services } from '../../../src/core/services.ts';
import { soapDoor } from '../../../src/doors/soap/door.ts';
import type { SoapGate } from '../../../src/doors/soap/exchange.ts';
import { BodyRoom } from '../../../src/gate/body-room.ts';
import { certificates } from '../../kit/certificates.ts';
import { type SoapClient, type SoapCredentials, soapClient, stockClient } from '../../kit/soap-client.ts';
import { sampleAreas } from './sample-areas.ts';

const input = {
  org_id: 'org_00000000000000000000000000',
  title: '<it\'s> & "quoted" \u{1F600}',
  state: 'active',
  urgent: true,
  size: 9_007_199_254_740_991,
  due_at: '2026-01-01T00:00:00Z',
  labels: ['one', 'two'],
  address: { street: 'Main', zip_code: '0123' },
  variables: { name: 'Ann' },
};

describe('the SOAP door over mutual TLS', () => {
  let server: Server;
  let credentials: SoapCredentials;
  let client: SoapClient;
  const ran: unknown[] = [];

  before(async () => {
    const { ca, server: tls, signing, partner } = await certificates();
    const services = {
      clock: { now: () => new Date() },
      settings: { soapUrl: '', maxMailBytes: 25_000_000 },
      log: pino({ level: 'silent' }),
      metrics: createMetrics(),
      identity: { privateKey: signing.privateKey, certificatePem: signing.certificate },
    };
    const gate: SoapGate<true> = {
      admit: () => {},
      admitCertificate: async () => {},
      identify: async () => true,
      actsForAnother: () => false,
      resolveSigner: async () => ({ certificate: partner.x509, publicKey: partner.publicKey, policy: {} }),
      spend: async () => {},
      refused: () => {},
      room: () => new BodyRoom(Number.POSITIVE_INFINITY).open('partner'),
      disk: () => new BodyRoom(Number.POSITIVE_INFINITY).open('partner'),
      count: async () => ({ headers: {}, retryAfter: undefined }),
      caller: () => ({}) as never,
    };
    const run = async (_op: unknown, _caller: unknown, read: () => unknown) => {
      const value = read();
      ran.push(value);
      return { kind: 'done' as const, output: value };
    };
    const door = soapDoor({ gate, run, areas: sampleAreas, services: services as unknown as Services });
    const options = { cert: tls.certificate, key: tls.key, ca, requestCert: true, rejectUnauthorized: true };
    server = createServer(options, door);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    services.settings.soapUrl = origin;
    credentials = { origin, ca, cert: partner.certificate, key: partner.key, apiKey: 'key-of-partner' };
    client = soapClient(sampleAreas, credentials);
  });
  after(() => {
    client?.close();
    server?.close();
    server?.closeAllConnections();
  });
  beforeEach(() => {
    ran.length = 0;
  });

  it('serves a partner who speaks by the model, with the key in HTTP or in Context', async () => {
    for (const context of [false, true]) {
      const answer = await client.call('EchoEverything', input, { context });
      expect(answer).to.deep.include({ status: 200, signed: true, output: input });
    }
  });

  it("serves node-soap's own client, made from the served WSDL and signing with WSSecurityCert", async () => {
    const stock = await stockClient('samples', credentials);
    const { result } = await stock.call('EchoEverything', asElements(input));
    expect(ran).to.deep.equal([input]);
    expect(result.title).to.equal(input.title);
    expect(result.address).to.deep.equal({ street: 'Main', zipCode: '0123' });
  });

  it('gives that client a fault with the Detail that the WSDL promises', async () => {
    const stock = await stockClient('samples', credentials);
    const thrown = await stock.call('EchoEverything', { ...asElements(input), size: 'many' }).catch(error => error);
    const { Fault } = thrown.root.Envelope.Body;
    expect(Fault.Detail.BastionFault).to.deep.include({ error: 'validation_failed' });
    expect(Fault.Detail.BastionFault.errors).to.include({ field: 'size', code: 'invalid_type' });
  });
});

/** As node-soap wants it: element names, in the order of the schema. */
function asElements({ org_id, title, state, urgent, size, due_at, labels, address, variables }: typeof input) {
  return {
    orgId: org_id,
    title,
    state,
    urgent,
    size,
    dueAt: due_at,
    labels,
    address: { street: address.street, zipCode: address.zip_code },
    variables: { entry: Object.entries(variables).map(([name, value]) => ({ name, value })) },
  };
}
