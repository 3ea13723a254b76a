import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import {
  createCertificateChallenge,
  revokeCertificate,
  rotateCertificate,
} from '../../src/areas/access/certificate-operations.ts';
import { listApiKeys, rotateApiKey } from '../../src/areas/access/operations.ts';
import { listOrganizations } from '../../src/areas/organizations/operations.ts';
import { Authority } from '../../src/core/authority.ts';
import { signDetached } from '../../src/core/detached-signature.ts';
import { type KeyPair, keyPairFiles, writeKeyPair } from '../../src/core/key-pair.ts';
import { registerCertificate } from '../../src/operator.ts';
import { bothDoors, done, through } from '../areas/through.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';
import { certificates, type Pair, pair } from '../kit/certificates.ts';

export interface Findings {
  readonly sent: number;
  /** Requests a second, over the whole time. */
  readonly rate: number;
  /** What was answered to those that failed. */
  readonly failed: readonly string[];
  /** What was exchanged meanwhile, in order. */
  readonly rotated: readonly string[];
  /** Node and door -> what the first request after the revocation was told. */
  readonly afterRevocation: Record<string, string>;
}

/**
 * Two nodes answer signed calls, REST and SOAP in turn, at a steady rate, while server certificate, bundle of authorities,
 * the partner's certificate and its API key are exchanged one after the other. At the end the certificate is revoked.
 */
export async function rotateUnderLoad(perSecond: number, pauseMs: number): Promise<Findings> {
  const folder = mkdtempSync(join(tmpdir(), 'bastion-rotation-'));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rmSync(folder, { recursive: true }));
  const set = await certificates();
  const [before, after] = [await Authority.create('CN=Partners 1'), await Authority.create('CN=Partners 2')];
  const bundle = join(folder, 'ca.pem');
  const trust = (...partners: Authority[]) =>
    replace(bundle, [set, ...partners.map(each => ({ ca: each.certificate }))].map(({ ca }) => ca).join(''));
  trust(before);
  const config = { tls: writeKeyPair(join(folder, 'tls'), set.server), approvedCas: bundle };
  const one = await startKit({ config });
  cleanUp.defer(() => one.close());
  const two = await startKit({ config, beside: one });
  cleanUp.defer(() => two.close());

  const old = pair(await before.client('CN=partner, O=Rotation'));
  const { id } = await registerCertificate(one.app, one.tenant.id, { pem: old.certificate, uses: ['request'] });
  const load = new Load([one, two], { certificate: old, apiKey: one.tenant.apiKey }, perSecond);
  cleanUp.defer(async () => void (await load.stop()));
  const rotated: string[] = [];
  const step = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    await sleep(pauseMs);
    await work();
    rotated.push(what);
  };

  const fresh = pair(await after.client('CN=partner, O=Rotation'));
  let current = id;
  await step('server certificate', async () => {
    const next = await set.authority.server('CN=next');
    exchange(join(folder, 'tls'), next);
    for (const kit of [one, two]) await until(async () => (await presented(kit)) === pair(next).x509.fingerprint256);
  });
  await step('bundle of authorities, the new one added', async () => {
    trust(before, after);
    await until(async () => [one, two].every(kit => isTrusted(kit, fresh)));
  });
  await step('partner certificate', async () => {
    const offer = await offerOf(one.tenant, fresh);
    const answer = await done('rest', one.tenant, rotateCertificate, {
      certificate_id: id,
      ...offer,
      overlap_seconds: 600,
    });
    current = answer.certificate_id;
    load.use({ certificate: fresh });
  });
  await step('API key', async () => {
    const { keys } = await done('soap', one.tenant, listApiKeys);
    const { secret } = await done('soap', one.tenant, rotateApiKey, { key_id: keys[0].key_id });
    load.use({ apiKey: secret });
  });
  await step('bundle of authorities, the old one taken out', async () => {
    await load.drained();
    trust(after);
    await until(async () => [one, two].every(kit => !isTrusted(kit, old)));
  });
  await sleep(pauseMs);
  const { sent, rate, failed } = await load.stop();

  await done('rest', one.tenant, revokeCertificate, { certificate_id: current });
  const afterRevocation: Record<string, string> = {};
  for (const [index, caller] of load.callers.entries()) {
    for (const door of bothDoors) {
      afterRevocation[`node ${index + 1} ${door}`] = (await through(door, caller, listOrganizations)).outcome;
    }
  }
  return { sent, rate, failed, rotated, afterRevocation };
}

interface Credentials {
  readonly certificate: Pair;
  readonly apiKey: string;
}

/** Each may hold a connection, of which one address has a bounded number. */
const mostInFlight = 100;

/** A partner that calls at a steady rate, as far as the answers keep up with it. */
class Load {
  callers!: readonly Tenant[];
  readonly #kits: readonly Kit[];
  #credentials: Credentials;
  readonly #timer: NodeJS.Timeout;
  readonly #started = performance.now();
  readonly #failed: string[] = [];
  #sent = 0;
  #open = new Set<Promise<void>>();

  constructor(kits: readonly Kit[], credentials: Credentials, perSecond: number) {
    this.#kits = kits;
    this.#credentials = credentials;
    this.use({});
    const tickMs = 10;
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#started) / 1000) * perSecond;
      while (this.#sent < due && this.#open.size < mostInFlight) this.#call(this.#sent++);
    }, tickMs);
  }

  /** From the next call on; those in flight keep what they were made with. */
  use(change: Partial<Credentials>): void {
    this.#credentials = { ...this.#credentials, ...change };
    this.callers = this.#kits.map(kit => kit.caller({ id: kit.tenant.id, ...this.#credentials }));
  }

  /** Resolves when every call that is in flight now has been answered. */
  async drained(): Promise<void> {
    await Promise.all(this.#open);
  }

  async stop(): Promise<{ sent: number; rate: number; failed: string[] }> {
    clearInterval(this.#timer);
    await this.drained();
    const seconds = (performance.now() - this.#started) / 1000;
    return { sent: this.#sent, rate: this.#sent / seconds, failed: this.#failed };
  }

  #call(n: number): void {
    const caller = this.callers[n % this.callers.length]!;
    const door = bothDoors[(n >> 1) % bothDoors.length]!;
    // Messages of one millisecond with equal content would be replays of each other.
    const call = through(door, caller, listOrganizations, { limit: 1 + (n % 200) }).then(
      ({ outcome }) => void (outcome === 'ok' || this.#failed.push(`${door}: ${outcome}`)),
      (error: Error) => void this.#failed.push(`${door}: ${error.message}`),
    );
    this.#open.add(call);
    void call.finally(() => this.#open.delete(call));
  }
}

async function offerOf(tenant: Tenant, { certificate, privateKey }: Pair) {
  const { challenge, text } = await done('rest', tenant, createCertificateChallenge);
  return { certificate_pem: certificate, challenge, proof: signDetached(privateKey, text) };
}

const isTrusted = ({ app }: Kit, { x509 }: Pair): boolean => app.services.trust.check(x509, [], new Date()).ok;

/** The certificate that a new connection meets. */
async function presented({ app, set }: Kit): Promise<string> {
  const { certificate: cert, key } = set.partner;
  const socket = connect({ port: app.rest.port, host: 'localhost', ca: set.ca, cert, key });
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  const { fingerprint256 } = socket.getPeerX509Certificate()!;
  socket.destroy();
  return fingerprint256;
}

/** As deployments do it: whole files, one after the other. */
function exchange(name: string, { certificate, key }: KeyPair): void {
  const files = keyPairFiles(name);
  replace(files.certificate, certificate);
  replace(files.key, key);
}

function replace(file: string, content: string): void {
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 400) throw new Error('it never came true');
    await sleep(50);
  }
}
