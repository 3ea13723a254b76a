import type { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type App, startApp } from '../../src/app.ts';
import { Domain } from '../../src/areas/organizations/entities.ts';
import { areas } from '../../src/areas.ts';
import { type ReadyConfig, readConfig } from '../../src/config.ts';
import type { Clock } from '../../src/core/clock.ts';
import { RelaySink, type SinkRules } from '../../src/development/relay-sink.ts';
import { ApprovalResponder } from '../../src/development/responder.ts';
import {
  allowAddress,
  createKey,
  createOrganization,
  registerApprovalWebhook,
  registerCertificate,
} from '../../src/operator.ts';
import { type CertificateSet, certificates, type Pair } from './certificates.ts';
import { freshUrl } from './database.ts';
import { type RestClient, restClient } from './rest-client.ts';
import { type SoapClient, soapClient } from './soap-client.ts';

/** Time as the app sees it: the real one, moved forward by tests. */
export class TestClock implements Clock {
  #offset = 0;
  now = (): Date => new Date(Date.now() + this.#offset);
  advance(ms: number): void {
    this.#offset += ms;
  }
}

/** An organisation that can call: what its own clients are made of. */
export interface Tenant {
  readonly id: string;
  readonly apiKey: string;
  readonly certificate: Pair;
  readonly rest: RestClient;
  readonly soap: SoapClient;
}

export interface TenantWish {
  /** Beneath it: certificate, addresses and webhooks are inherited. */
  parent?: Tenant;
  scopes?: readonly string[];
  /** Its own request certificate; the kit's partner when absent and there is no parent. */
  certificate?: Pair;
  /** Left without an approval webhook. */
  unapproved?: true;
  /** A domain that counts as verified. */
  domain?: string;
}

export interface KitOptions {
  resolver?: Resolver;
  config?: Partial<ReadyConfig>;
  /** Stored data of another node: the second node of a cluster. */
  beside?: Kit;
  /** Told each line of the log from level debug on; without it only errors are written. */
  listen?: (line: string) => void;
}

export class Kit {
  readonly app: App;
  readonly clock: TestClock;
  readonly set: CertificateSet;
  readonly responder: ApprovalResponder;
  readonly sink: RelaySink;
  /** How the sink misbehaves; tests set and clear its members. */
  readonly sinkRules: SinkRules;
  readonly config: ReadyConfig;
  /** `partner` with every scope and the domain `acme.test`. */
  tenant!: Tenant;
  readonly errors: string[] = [];
  readonly #cleanUp: (() => unknown)[];

  constructor(
    parts: Pick<Kit, 'app' | 'clock' | 'set' | 'responder' | 'sink' | 'sinkRules' | 'config' | 'errors'>,
    cleanUp: (() => unknown)[],
  ) {
    this.app = parts.app;
    this.clock = parts.clock;
    this.set = parts.set;
    this.responder = parts.responder;
    this.sink = parts.sink;
    this.sinkRules = parts.sinkRules;
    this.config = parts.config;
    this.errors = parts.errors;
    this.#cleanUp = cleanUp;
  }

  get rest(): RestClient {
    return this.tenant.rest;
  }

  get soap(): SoapClient {
    return this.tenant.soap;
  }

  /** Made as an operator would: everything but the calls themselves. */
  async organization(name: string, wish: TenantWish = {}): Promise<Tenant> {
    const { parent, scopes, domain } = wish;
    const { id } = await createOrganization(this.app, { name, parentId: parent?.id });
    const certificate = wish.certificate ?? parent?.certificate ?? this.set.partner;
    if (wish.certificate || !parent) {
      await registerCertificate(this.app, id, { pem: certificate.certificate, uses: ['request'] });
    }
    if (!parent) {
      await registerCertificate(this.app, id, { pem: this.set.approver.certificate, uses: ['approval'] });
      await allowAddress(this.app, id, { block: '127.0.0.1' });
      if (!wish.unapproved) {
        await registerApprovalWebhook(this.app, id, { url: this.responder.url, allowPrivate: ['127.0.0.1/32'] });
      }
    }
    if (domain) await this.verifiedDomain(id, domain);
    const { secret } = await createKey(this.app, id, { name: `${name} key`, scopes });
    return this.caller({ id, apiKey: secret, certificate });
  }

  /** Clients for a key that exists. `orgId` goes into Bastion-Org-Id. */
  caller({
    id,
    apiKey,
    certificate,
    orgId,
  }: {
    id: string;
    apiKey: string;
    certificate: Pair;
    orgId?: string;
  }): Tenant {
    const credentials = { ca: this.set.ca, cert: certificate.certificate, key: certificate.key, apiKey, orgId };
    const rest = restClient({ ...credentials, origin: this.app.rest.url, now: this.clock.now });
    const soap = soapClient(areas, { ...credentials, origin: this.app.soap.url, now: this.clock.now });
    this.#cleanUp.unshift(
      () => rest.close(),
      () => soap.close(),
    );
    return { id, apiKey, certificate, rest, soap };
  }

  async verifiedDomain(organizationId: string, domain: string): Promise<void> {
    await this.app.run.act(organizationId, { kind: 'cli', name: 'test.verify_domain' }, async ({ em, now }) => {
      const row = {
        domain,
        verifiedDomain: domain,
        status: 'verified',
        verificationToken: 'test',
        verifiedAt: now,
      } as const;
      em.create(Domain, { ...row, createdAt: now });
    });
  }

  /** Runs every job that is due, and those that they add. */
  settle(): Promise<void> {
    return this.app.runner.drain();
  }

  /** Stops the app; fails on errors in its log that the test did not take out of `errors`. */
  async close(): Promise<void> {
    for (const step of this.#cleanUp) await step();
    if (this.errors.length > 0) throw new Error(`the app logged errors:\n${this.errors.join('\n')}`);
  }
}

/** The real app on a fresh database, with real sockets; only clock, relay and approval webhook are local stand-ins. */
export async function startKit({ resolver, config: changes = {}, beside, listen }: KitOptions = {}): Promise<Kit> {
  const set = await certificates();
  const dataDir = mkdtempSync(join(tmpdir(), 'bastion-kit-'));
  writeFileSync(join(dataDir, 'ca.pem'), set.ca);
  const { url, drop } = beside ? { url: beside.config.databaseUrl, drop: async () => {} } : await fresh(dataDir);
  const sinkRules: SinkRules = beside?.sinkRules ?? {};
  const sink = beside?.sink ?? (await startSink(set, sinkRules));
  const clock = beside?.clock ?? new TestClock();
  const responder = beside?.responder ?? (await startResponder(set, clock));
  const errors: string[] = [];
  const config: ReadyConfig = {
    ...readConfig({
      BASTION_DATA_DIR: dataDir,
      BASTION_DATABASE_URL: url,
      BASTION_REST_PORT: '0',
      BASTION_SOAP_PORT: '0',
      BASTION_HEALTH_PORT: '0',
      BASTION_RATE_LIMIT: '100000',
      BASTION_MASTER_KEYS: masterKey,
    }),
    tls: set.server,
    signing: set.signing,
    clientAuthority: { certificate: set.ca, key: set.authority.key },
    approvedCas: join(dataDir, 'ca.pem'),
    webhookCa: set.ca,
    relay: { host: '127.0.0.1', port: sink.port, implicitTls: false, ca: set.ca },
    ...changes,
  };
  const outside = [
    ...(beside ? [] : [() => responder.close(), () => sink.close()]),
    drop,
    () => rmSync(dataDir, { recursive: true }),
  ];
  const app = await startApp(config, { clock, resolver, log: logInto(errors, listen) }).catch(async error => {
    for (const step of outside) await step();
    throw error;
  });
  const cleanUp = [() => app.stop(), ...outside];
  const kit = new Kit({ app, clock, set, responder, sink, sinkRules, config, errors }, cleanUp);
  if (beside) kit.tenant = kit.caller(beside.tenant);
  else kit.tenant = await kit.organization('Acme', { domain: 'acme.test' });
  return kit;
}

/** The nodes of a cluster share it. */
const masterKey = `1:${Buffer.alloc(32, 7).toString('base64')}`;

/** A file, not a temporary database: a second node must be able to open it. */
async function fresh(dataDir: string): Promise<{ url: string; drop(): Promise<void> }> {
  const made = await freshUrl();
  return made.url.startsWith('sqlite') ? { url: `sqlite:${join(dataDir, 'kit.db')}`, drop: made.drop } : made;
}

const startSink = (set: CertificateSet, rules: SinkRules): Promise<RelaySink> =>
  RelaySink.start({
    certificate: set.server.certificate,
    key: set.server.key,
    maxBytes: 160 * 1024 * 1024,
    recipient: address => rules.recipient?.(address),
    message: mail => rules.message?.(mail),
  });

const startResponder = (set: CertificateSet, clock: Clock): Promise<ApprovalResponder> =>
  ApprovalResponder.start({
    tls: set.server,
    approval: set.approver,
    bastionCertificate: set.signing.certificate,
    now: clock.now,
  });

function logInto(errors: string[], listen?: (line: string) => void) {
  const write = (line: string): void => {
    listen?.(line);
    if (JSON.parse(line).level >= pino.levels.values.error!) errors.push(line);
  };
  return pino({ level: listen ? 'debug' : 'error' }, { write });
}
