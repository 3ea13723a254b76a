import { randomBytes } from 'node:crypto';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { createMetrics } from '../../src/core/metrics.ts';
import type { Services } from '../../src/core/services.ts';
import { soapDoor } from '../../src/doors/soap/door.ts';
import { encodeRequest } from '../../src/doors/soap/encode.ts';
import type { SoapGate } from '../../src/doors/soap/exchange.ts';
import { buildModel } from '../../src/doors/soap/model.ts';
import { BodyRoom } from '../../src/gate/body-room.ts';
import { sampleAreas } from '../doors/soap/sample-areas.ts';
import { type Part, related } from '../kit/hostile-soap.ts';
import { seeded } from '../kit/random-xml.ts';
import {
  attachmentReference,
  type EnvelopeOptions,
  newPartner,
  type Partner,
  signedEnvelope,
} from '../kit/soap-signing.ts';
import { mutations } from './mutations.ts';

/**
 * Sends mutated copies of signed messages to the real door behind a gate that lets everything be signed by one partner and
 * sent again. `npm run fuzz -- --minutes 10 [--seed 7]` goes on for that long; it ends at the first finding and prints it.
 */

const area = buildModel(sampleAreas).areas[0]!;
const echo = area.operations.get('EchoEverything')!;

interface Message {
  /** One character per octet, so that any octet can be edited. */
  readonly octets: string;
  readonly contentType: string;
}

const plain = {
  org_id: 'org_00000000000000000000000000',
  title: 'A title with words & <markup>',
  body_html: '<p>Hello,\n  <b>w\u00f6rld</b></p>',
  note: null,
  state: 'active',
  urgent: false,
  size: 3,
  ratio: 0.5,
  due_at: '2026-01-01T00:00:00Z',
  labels: ['a', 'b'],
  recipients: [{ email: 'a@example.com', name: 'A' }, { email: 'b@example.com' }],
  address: { street: 'Long Street 1', zip_code: null },
  variables: { first: 'one', second: 'two' },
  settings: { text: 'x', flag: true, count: 7 },
};
const other = { ...plain, title: 'Another', state: 'suspended', urgent: true, size: 99, labels: [], note: 'noted' };
const report = Buffer.from('the quarterly report, line by line\r\n'.repeat(50));
const include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:part-0@partner"/>';

/** What a partner sends: alone, with addressing, large, and with a file bound by the Body, by the signature, or as MTOM has it. */
function corpus(partner: Partner): Message[] {
  const sign = (input: object, options: EnvelopeOptions = {}, attach?: (octets: Buffer) => string): string =>
    signedEnvelope(partner, { body: encodeRequest(echo, input, attach), ...options });
  const alone = (envelope: string): Message => ({
    octets: Buffer.from(envelope).toString('latin1'),
    contentType: 'application/soap+xml; charset=utf-8',
  });
  const withPart = (envelope: string): Message => {
    const part: Part = { contentId: 'part-0@partner', contentType: 'application/octet-stream', content: report };
    const { octets, contentType } = related(envelope, [part]);
    return { octets: octets.toString('latin1'), contentType: contentType! };
  };
  const file = { ...plain, content: report.toString('base64') };
  const attach = () => 'part-0@partner';
  const unhashed = encodeRequest(echo, file, attach).replace(/ sha256="[^"]*"/, '');
  const wsa = (local: string, text: string, id = '') =>
    `<wsa:${local} xmlns:wsa="http://www.w3.org/2005/08/addressing" ${id}>${text}</wsa:${local}>`;
  const headers = wsa('MessageID', 'urn:uuid:1', 'wsu:Id="M-1"') + wsa('Action', echo.action);
  const many = { ...plain, labels: Array.from({ length: 3000 }, (_, i) => `label ${i}`) };
  return [
    alone(sign(plain)),
    alone(sign(other)),
    alone(sign(plain, { headers, also: [{ uri: '#M-1' }] })),
    alone(sign(many)),
    alone(sign(file)),
    withPart(sign(file, {}, attach)),
    withPart(signedEnvelope(partner, { body: unhashed, also: [attachmentReference('part-0@partner', report)] })),
    withPart(sign(file).replace(file.content, include)),
  ];
}

export interface Finding {
  readonly what: string;
  readonly seed: number;
  readonly round: number;
  readonly edits: readonly string[];
  readonly contentType: string;
  readonly octets: string;
}

export interface Findings {
  readonly sent: number;
  /** Those whose edits touched nothing that was signed. */
  readonly accepted: number;
  readonly finding: Finding | undefined;
}

interface Fuzzing {
  readonly seed: number;
  /** Whether to go on. */
  readonly more: (sent: number) => boolean;
}

export async function fuzz({ seed, more }: Fuzzing): Promise<Findings> {
  const random = seeded(seed);
  await using target = await Target.open();
  const genuine = new Set<string>();
  for (const message of target.messages) genuine.add(await target.valueOf(message));
  let accepted = 0;
  let sent = 0;
  for (; more(sent); sent++) {
    const original = target.messages[Math.floor(random() * target.messages.length)]!;
    const [message, edits] = mutated(original, target.messages, random);
    const found = (what: string): Findings => ({
      sent,
      accepted,
      finding: { what, seed, round: sent, edits, ...message },
    });
    const outcome = await target.send(message);
    if (outcome.error !== undefined) return found(outcome.error);
    if (outcome.value !== undefined && !genuine.has(outcome.value)) return found(`accepted as ${outcome.value}`);
    if (outcome.work > allowed(message) && (await target.steadyWork(message)) > allowed(message)) {
      return found(`took ${outcome.work} microseconds of work`);
    }
    if (outcome.value !== undefined) accepted++;
  }
  return { sent, accepted, finding: undefined };
}

/** Microseconds of work: 100 ms for each 100 KB, and as much for the exchange itself, of which we are one side. */
const allowed = ({ octets }: Message): number => 100_000 * (1 + octets.length / 100_000);

function mutated(original: Message, all: readonly Message[], random: () => number): [Message, string[]] {
  const names = Object.keys(mutations);
  const edits: string[] = [];
  let { octets } = original;
  for (let left = 1 + Math.floor(random() * 3); left > 0; left--) {
    const name = names[Math.floor(random() * names.length)]!;
    const from = all[Math.floor(random() * all.length)]!.octets;
    edits.push(name);
    octets = latin1(mutations[name]!(octets, { random, other: from }));
  }
  return [{ octets: octets.slice(0, 3_000_000), contentType: original.contentType }, edits];
}

/** What an edit put in beyond latin1, as the UTF-8 octets that it would be on the wire. */
const latin1 = (text: string): string =>
  text.replace(/[\u0100-\u{10ffff}]+/gu, found => Buffer.from(found).toString('latin1'));

interface Outcome {
  /** JSON of what the operation was given; undefined when it was not reached. */
  readonly value: string | undefined;
  readonly error: string | undefined;
  readonly work: number;
}

class Target implements AsyncDisposable {
  readonly messages: readonly Message[];
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #errors: string[];
  readonly #ran: unknown[];

  private constructor(messages: readonly Message[], server: Server, errors: string[], ran: unknown[]) {
    this.messages = messages;
    this.#server = server;
    this.#errors = errors;
    this.#ran = ran;
  }

  static async open(): Promise<Target> {
    const [partner, bastion] = await Promise.all([newPartner(), newPartner('P-256')]);
    const errors: string[] = [];
    const ran: unknown[] = [];
    const now = new Date();
    const services = {
      // Stands still: the messages are signed once.
      clock: { now: () => now },
      settings: { soapUrl: 'https://soap.example', maxMailBytes: 25_000_000 },
      log: pino({ level: 'error' }, { write: line => void errors.push(line) }),
      metrics: createMetrics(),
      identity: { privateKey: bastion.privateKey, certificatePem: bastion.certificate.toString() },
    } as unknown as Services;
    const run = async (_operation: unknown, _caller: unknown, read: () => unknown) => {
      const value = read();
      ran.push(value);
      return { kind: 'done', output: value } as const;
    };
    const app = soapDoor({ gate: openGate(partner), run, areas: sampleAreas, services });
    const server = createServer(app).on('checkContinue', app);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return new Target(corpus(partner), server, errors, ran);
  }

  async send({ octets, contentType }: Message): Promise<Outcome> {
    this.#ran.length = 0;
    const before = process.cpuUsage();
    const status = await this.#post(Buffer.from(octets, 'latin1'), contentType).catch((error: Error) => error.message);
    const { user, system } = process.cpuUsage(before);
    const [value] = this.#ran.map(each => JSON.stringify(each));
    const isTold = status === 200 || status === 400 || (status === 500 && this.#errors.length === 0);
    const error = this.#errors[0] ?? (isTold ? undefined : `the answer was ${status}`);
    return { value, error, work: user + system };
  }

  /** The least of several: what one run takes more is the collector's or another process'. */
  async steadyWork(message: Message): Promise<number> {
    const works: number[] = [];
    for (let i = 0; i < 5; i++) works.push((await this.send(message)).work);
    return Math.min(...works);
  }

  async valueOf(message: Message): Promise<string> {
    const { value } = await this.send(message);
    if (value === undefined) throw new Error('a message is refused before it is mutated');
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #post(octets: Buffer, contentType: string): Promise<number> {
    const { port } = this.#server.address() as AddressInfo;
    const headers = { Authorization: 'Bearer key-of-partner', 'Content-Type': contentType };
    const options = { agent: this.#agent, host: '127.0.0.1', port, method: 'POST', path: area.path, headers };
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, timeout: 20_000 }, response => {
        response.resume().on('end', () => resolve(response.statusCode!));
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer in 20 seconds'))).on('error', reject);
      sent.end(octets);
    });
  }
}

/** Everything that is not the signature has been looked at; the same message may come again. */
function openGate(partner: Partner): SoapGate<object> {
  const room = new BodyRoom(Number.POSITIVE_INFINITY);
  return {
    admit: () => {},
    admitCertificate: async () => {},
    identify: async () => ({}),
    actsForAnother: () => false,
    resolveSigner: async (_, reference) =>
      reference.kind === 'certificate' && reference.certificate.raw.equals(partner.certificate.raw)
        ? { ...partner, policy: {} }
        : undefined,
    spend: async () => {},
    refused: () => {},
    room: () => room.open('partner'),
    disk: () => room.open('partner'),
    count: async () => ({ headers: {}, retryAfter: undefined }),
    caller: () => ({}) as never,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } } });
  const seed = values.seed === undefined ? randomBytes(4).readUInt32LE() : Number(values.seed);
  const until = Date.now() + Number(values.minutes) * 60_000;
  const { sent, accepted, finding } = await fuzz({ seed, more: () => Date.now() < until });
  console.log(`seed ${seed}: ${sent} messages, ${accepted} of them accepted as what was signed`);
  if (finding)
    console.log(JSON.stringify({ ...finding, octets: Buffer.from(finding.octets, 'latin1').toString('base64') }));
  process.exitCode = finding ? 1 : 0;
}
