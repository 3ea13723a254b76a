import { X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Organization } from './areas/organizations/entities.ts';
import { areaEntities, areaJobs, areas } from './areas.ts';
import { measureExpiry, tellEnded, tellExpiring } from './certificate-watch.ts';
import { naming, type ReadyConfig } from './config.ts';
import { Authority } from './core/authority.ts';
import { TrustStore } from './core/certificates.ts';
import { type Clock, systemClock } from './core/clock.ts';
import { type KeyPair, reread } from './core/key-pair.ts';
import { loadKeyring } from './core/keyring-file.ts';
import { createMetrics } from './core/metrics.ts';
import { OcspAnswers } from './core/ocsp-answers.ts';
import { createOutbound, type Outbound } from './core/outbound.ts';
import type { Keyring } from './core/seal.ts';
import type { Services, Settings } from './core/services.ts';
import { SigningIdentity } from './core/signing-identity.ts';
import { readTrustFiles, trustFiles } from './core/trust-files.ts';
import { openStored } from './db/blobs.ts';
import { UsedOnce } from './db/once.ts';
import { type Database, openDatabase } from './db/orm.ts';
import { foreignKeys } from './db/reseal.ts';
import { read } from './db/transaction.ts';
import { healthDoor } from './doors/health/health.ts';
import { restDoor } from './doors/rest/door.ts';
import { soapDoor } from './doors/soap/door.ts';
import { defineJobs } from './doors/worker/worker.ts';
import { Gate } from './gate/gate.ts';
import { soapGate } from './gate/soap-gate.ts';
import { enqueue } from './jobs/enqueue.ts';
import { JobRow } from './jobs/row.ts';
import { JobRunner } from './jobs/runner.ts';
import { type Listener, listen, listenTls, present } from './listeners.ts';
import { createLog } from './log.ts';
import { reloadOnChange } from './reload.ts';
import { resealing } from './resealing.ts';
import { IdempotencyRecord } from './run/idempotency.ts';
import { approvalJobs } from './run/jobs.ts';
import type { Parts } from './run/request.ts';
import { createRun, type Run } from './run/run.ts';
import { chainAuditTrail, measure, purgeUnownedBlobs, purgeUsedKeys } from './upkeep.ts';

/** Every table's entity. */
export const entities = [...areaEntities, IdempotencyRecord, JobRow];

export const operations = areas.flatMap(area => area.operations);

/** What tests and demos replace; everything else is real. */
export interface Outside {
  clock?: Clock;
  resolver?: Resolver;
  outbound?: Outbound;
  log?: Logger;
  /** Milliseconds after which a dead node's jobs are taken over. */
  lockLifetime?: number;
}

/** Everything below the doors: enough for a command. */
export interface Core {
  readonly db: Database;
  readonly services: Services;
  readonly parts: Parts;
  readonly run: Run;
  close(): Promise<void>;
}

export interface App extends Core {
  readonly runner: JobRunner;
  readonly rest: Listener;
  readonly soap: Listener;
  readonly health: Listener;
  /** Finishes requests and jobs in hand, then closes. */
  stop(): Promise<void>;
}

/** Opens the database and joins what operations need. */
export async function openCore(config: ReadyConfig, outside: Outside = {}): Promise<Core> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const clock = outside.clock ?? systemClock;
  await using opened = new AsyncDisposableStack();
  const db = await openDatabase({ url: config.databaseUrl, entities, clock }).catch(unusable);
  opened.defer(() => db.close());
  await db.migrate().catch(unusable);
  if (config.production) await refuseDevelopment(config, db);
  const log = outside.log ?? createLog(config.logLevel);
  const outbound = outside.outbound ?? createOutbound({ ca: config.webhookCa });
  const keyring = await keyringOf(config, db);
  const services: Services = {
    clock,
    keyring,
    openStored: openStored(db, keyring),
    trust: new TrustStore(() => trustOf(config), new OcspAnswers({ outbound, log })),
    identity: new SigningIdentity(() => ({
      ...reread(config.signing),
      next: nextSigning(config),
    })),
    ellipticIdentity: config.ellipticSigning && new SigningIdentity(() => reread(config.ellipticSigning!)),
    clientAuthority: config.clientAuthority && Authority.open(config.clientAuthority),
    outbound,
    resolver: outside.resolver ?? resolverOf(config.dnsServers),
    settings: settingsOf(config),
    log,
    metrics: createMetrics(),
  };
  const parts: Parts = {
    db,
    services,
    operations,
    enqueue: (em, job, data, options) => enqueue(em, job, data, { ...options, at: options?.at ?? clock.now() }),
  };
  const running = opened.move();
  return { db, services, parts, run: createRun(parts), close: () => running.disposeAsync() };
}

/** Opens every door. The addresses in `settings` follow the listeners when none are configured. */
export async function startApp(config: ReadyConfig, outside: Outside = {}): Promise<App> {
  // In the order of starting; stopping goes backwards, and so does a start that fails half-way.
  await using opened = new AsyncDisposableStack();
  const core = await openCore(config, outside);
  opened.defer(() => core.close());
  const { db, services, parts, run } = core;
  const { log, metrics } = services;
  const gate = new Gate({
    db,
    services,
    once: new UsedOnce(db),
    proxyThumbprints: config.proxyThumbprints,
    rateLimit: config.rateLimit,
  });
  const runner = new JobRunner({
    orm: db.orm,
    log,
    now: () => services.clock.now(),
    lockLifetime: outside.lockLifetime,
    onOutcome: (job, outcome) => metrics.jobs.inc({ job, outcome }),
  });
  defineJobs(parts, runner, [
    ...areaJobs,
    ...approvalJobs(parts),
    purgeUsedKeys(db),
    purgeUnownedBlobs(db),
    tellExpiring(db),
    resealing(parts),
  ]);

  let presented = config.tls;
  const state = { serving: false };
  const health = await listen(
    'BASTION_HEALTH_PORT',
    '127.0.0.1',
    config.ports.health,
    healthDoor({
      registry: metrics.registry,
      async ready() {
        if (!state.serving) throw new Error('starting or stopping');
        await db.ping();
      },
      async measure() {
        await measure(db, runner, metrics);
        await measureExpiry(db, services, presented.certificate);
      },
    }),
  );
  opened.defer(() => health.close());
  opened.defer(() => gate.stop());
  await gate.start();
  const chain = chainAuditTrail(db, services);
  opened.defer(() => chain.stop());
  opened.defer(async () => void (await runner.stop()));
  await runner.start();

  const doors: Listener[] = [];
  opened.defer(async () => void (await Promise.all(doors.map(door => door.close()))));
  const rest = await listenTls(
    'BASTION_REST_PORT',
    config,
    config.ports.rest,
    restDoor({ gate, run, areas, services }),
    server => gate.guard('rest', server),
  );
  doors.push(rest);
  const soap = await listenTls(
    'BASTION_SOAP_PORT',
    config,
    config.ports.soap,
    soapDoor({ gate: soapGate(gate), run: run.run, areas, services }),
    server => gate.guard('soap', server),
  );
  doors.push(soap);
  Object.assign(services.settings, {
    publicUrl: config.publicUrl ?? rest.url,
    soapUrl: config.soapUrl ?? soap.url,
  });
  const reloading = reloadOnChange(
    [
      {
        name: 'trust',
        files: () => trustFiles(config.approvedCas, config.crls),
        reload: () => services.trust.reload(),
      },
      {
        name: 'signing',
        files: () => [
          ...[config.signing, config.ellipticSigning].flatMap(pair => filesOf(pair)),
          ...(config.nextSigningCertificate ? [config.nextSigningCertificate] : []),
        ],
        reload() {
          services.identity.reload();
          services.ellipticIdentity?.reload();
        },
      },
      {
        name: 'listeners',
        files: () => filesOf(config.tls),
        reload() {
          presented = reread(config.tls);
          for (const door of doors) present(door, presented);
        },
      },
    ],
    services,
  );
  opened.defer(() => reloading.stop());
  tellEnded(services, presented.certificate);
  state.serving = true;

  const running = opened.move();
  const stop = (): Promise<void> => {
    state.serving = false;
    return running.disposeAsync();
  };
  return { ...core, runner, rest, soap, health, stop };
}

/** The plan of the organisation that a development server makes. */
export const developmentPlan = 'development';
/** The organisation name in every certificate that a development server issues. */
export const developmentName = 'Development only';

/** What a development server made has been printed, and its keys lie about in files. */
async function refuseDevelopment(config: ReadyConfig, db: Database): Promise<void> {
  const { tls, signing, clientAuthority } = config;
  const pairs = [tls, signing, ...(clientAuthority ? [clientAuthority] : [])];
  const own = pairs.map(({ certificate }) => new X509Certificate(certificate));
  const certificates = [...own, ...trustOf(config).authorities];
  if (certificates.some(({ subject, issuer }) => `${subject}${issuer}`.includes(developmentName))) {
    throw new Error('Production does not take certificates of a development authority.');
  }
  const made = await read(db, 'system', em => em.count(Organization, { plan: developmentPlan }));
  if (made > 0) throw new Error('Production does not take a database that a development server made.');
}

/** Another key under a known number would seal what the right one could not open. */
async function keyringOf({ production, masterKeys, dataDir }: ReadyConfig, db: Database): Promise<Keyring> {
  const keyring = loadKeyring({ env: masterKeys, file: production ? undefined : join(dataDir, 'master.key') });
  const foreign = await foreignKeys(db, keyring);
  if (foreign.length > 0) {
    throw new Error(
      `BASTION_MASTER_KEYS: key ${foreign.join(', ')} is not the one that this database was sealed under`,
    );
  }
  return keyring;
}

const trustOf = ({ approvedCas, crls }: ReadyConfig) =>
  naming('BASTION_APPROVED_CAS and BASTION_CRLS', () => readTrustFiles(approvedCas, crls));

const nextSigning = ({ nextSigningCertificate: file }: ReadyConfig) =>
  file && naming('BASTION_NEXT_SIGNING_CERTIFICATE', () => new X509Certificate(readFileSync(file)).toString());

function unusable(cause: Error): never {
  throw new Error(`the database (BASTION_DATABASE_URL) cannot be used: ${cause.message}`, { cause });
}

const filesOf = (pair?: KeyPair): string[] => (pair?.files ? [pair.files.certificate, pair.files.key] : []);

function resolverOf(servers: string[]): Resolver {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

function settingsOf(config: ReadyConfig): Settings {
  return {
    publicUrl: config.publicUrl ?? '',
    soapUrl: config.soapUrl ?? '',
    mxHost: config.mxHost,
    approvalWindow: config.approvalWindow,
    dataRegion: config.dataRegion,
    maxMailBytes: config.maxMailBytes,
    relay: config.relay,
  };
}
