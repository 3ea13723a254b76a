import { existsSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EntitySchema } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { type AbstractSqlDriver, type EntityManager, MikroORM, type Options } from '@mikro-orm/sql';
import { CompiledQuery, type DatabaseConnection, type Kysely } from 'kysely';
import { type Clock, systemClock } from '../core/clock.ts';
import { SqliteDialect } from './dialect.ts';
import { ownEntities } from './entities.ts';
import { checkEntities } from './entity-rules.ts';
import { SchemaGenerator } from './foreign-keys.ts';
import { createLeaseTable, withLease } from './leases.ts';
import { rememberingReads } from './remembered-reads.ts';
import { BastionSqliteDriver } from './sqlite-driver.ts';
import { bindTenant, type Tenant, tenantGuard } from './tenancy.ts';

export type { EntityManager };
// biome-ignore lint/suspicious/noExplicitAny: entities of every shape
export type AnyEntity = EntitySchema<any, any>;

export interface DatabaseOptions {
  /** `sqlite:<file>`, `sqlite::memory:` (a temporary file, gone after close) or `mysql://user:password@host:port/name[?ssl=true]`. */
  readonly url: string;
  readonly entities: readonly AnyEntity[];
  readonly clock?: Clock;
  /** Connections to a MySQL server. */
  readonly poolSize?: number;
}

/** The one store of a node. */
export class Database {
  readonly orm: MikroORM<AbstractSqlDriver>;
  readonly kind: 'sqlite' | 'mysql';
  readonly #clock: Clock;
  readonly #cleanUp: () => void;

  constructor(orm: MikroORM<AbstractSqlDriver>, kind: Database['kind'], clock: Clock, cleanUp: () => void) {
    this.orm = orm;
    this.kind = kind;
    this.#clock = clock;
    this.#cleanUp = cleanUp;
  }

  /** A fresh entity manager for that tenant, outside any transaction that happens to be open around the call. */
  fork(tenant: Tenant): EntityManager {
    const em = this.orm.em.fork({ disableContextResolution: true }) as EntityManager;
    bindTenant(em, tenant);
    return em;
  }

  /** Bound SQL beneath the ORM, for hot or portable-by-hand statements of src/db. No tenant filter. */
  // biome-ignore lint/suspicious/noExplicitAny: each user narrows it to its own tables
  kysely<Tables = any>(): Kysely<Tables> {
    return this.orm.em.getConnection().getClient() as unknown as Kysely<Tables>;
  }

  /**
   * The time that decisions between nodes are made on: the server's on MySQL, since nodes' clocks differ; ours on SQLite,
   * which has no other. Tests that move the clock move this too.
   */
  async now(): Promise<Date> {
    if (this.kind === 'sqlite' || this.#clock !== systemClock) return this.#clock.now();
    const query = 'select cast(unix_timestamp(now(3)) * 1000 as unsigned) as ms';
    const { rows } = await this.kysely().executeQuery<{ ms: number | string }>(CompiledQuery.raw(query));
    return new Date(Number(rows[0]!.ms));
  }

  /** Throws when the database does not answer. */
  async ping(): Promise<void> {
    await this.kysely().executeQuery(CompiledQuery.raw('select 1'));
  }

  /**
   * Brings the tables up to date. Of several nodes starting at once one does it, the others wait: the migrator has no lock
   * of its own, and DDL cannot be rolled back on MySQL. Answers the names of the migrations that ran.
   */
  async migrate(): Promise<string[]> {
    const ran = await withLease(this, 'migrations', { ttlMs: 30_000, waitMs: 120_000 }, () => this.orm.migrator.up());
    if (!ran) throw new Error('another node has been migrating the database for two minutes');
    return ran.map(migration => migration.name);
  }

  async close(): Promise<void> {
    await this.orm.close(true);
    this.#cleanUp();
  }
}

/** Connects. Fails at once when the server is not there or an entity breaks a rule of the house. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const clock = options.clock ?? systemClock;
  const entities = [...ownEntities, ...options.entities];
  const { settings, kind, cleanUp } = options.url.startsWith('sqlite:')
    ? await sqliteSettings(options.url.slice('sqlite:'.length))
    : await mysqlSettings(new URL(options.url), options.poolSize ?? 10);
  const orm = await MikroORM.init<AbstractSqlDriver>({
    ...settings,
    entities,
    subscribers: [tenantGuard],
    migrations: migrationSettings(kind),
    // Made by src/db/leases, before any migration runs.
    schemaGenerator: { skipTables: ['leases'] },
    extensions: [SchemaGenerator, Migrator],
    ensureDatabase: false,
    // References stay within an organisation by foreign key: joining each for its own filter would only cost.
    autoJoinRefsForFilters: false,
    forceUtcTimezone: true,
    // The ORM's log lines hold values; what went wrong travels in the error.
    logger: () => {},
    debug: false,
  });
  const db = new Database(orm, kind, clock, cleanUp);
  try {
    checkEntities(orm.getMetadata());
    // MySQL's client is made on first use otherwise, and asking for it earlier throws.
    await orm.connect();
    await createLeaseTable(db);
  } catch (error) {
    await db.close();
    throw error;
  }
  return db;
}

/** One folder per dialect; MariaDB's and MySQL's statements are the same. */
function migrationSettings(kind: Database['kind']) {
  const path = fileURLToPath(new URL(`migrations/${kind}`, import.meta.url));
  return { path, pathTs: path, glob: 'Migration*.ts', snapshot: false, allOrNothing: kind === 'sqlite' };
}

interface Settings {
  settings: Options<AbstractSqlDriver>;
  kind: Database['kind'];
  cleanUp: () => void;
}

/** Where a database that need not last waits for no disk. */
const temporary = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

async function sqliteSettings(name: string): Promise<Settings> {
  const folder = name === ':memory:' ? await mkdtemp(join(temporary, 'bastion-sqlite-')) : undefined;
  const file = folder ? join(folder, 'bastion.db') : name;
  return {
    settings: { driver: BastionSqliteDriver, dbName: file, driverOptions: () => new SqliteDialect(file) },
    kind: 'sqlite',
    cleanUp: () => folder && rmSync(folder, { recursive: true }),
  };
}

async function mysqlSettings(url: URL, poolSize: number): Promise<Settings> {
  if (url.protocol !== 'mysql:') throw new Error('a database URL begins with sqlite: or mysql:');
  const server = {
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  const tls = url.searchParams.get('ssl') === 'true' ? { ssl: { rejectUnauthorized: true } } : {};
  return {
    settings: {
      driver: await mysqlDriver({ ...server, ...tls }),
      ...server,
      dbName: decodeURIComponent(url.pathname.slice(1)),
      driverOptions: tls,
      // Accents, case and trailing letters make different words, as on SQLite.
      charset: 'utf8mb4',
      collate: 'utf8mb4_bin',
      pool: { max: poolSize },
      onCreateConnection: prepareSession,
    },
    kind: 'mysql',
    cleanUp: () => {},
  };
}

/** MySQL's driver works on MariaDB but sees a schema difference for ever. Loaded here: an embedded database needs neither. */
async function mysqlDriver(server: object) {
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection({ ...server, connectTimeout: 10_000 });
  try {
    const [rows] = await connection.query('select version() as version');
    const isMariaDb = (rows as { version: string }[])[0]!.version.includes('MariaDB');
    if (isMariaDb) return rememberingReads((await import('@mikro-orm/mariadb')).MariaDbDriver);
    return rememberingReads((await import('@mikro-orm/mysql')).MySqlDriver);
  } finally {
    await connection.end();
  }
}

/**
 * The ORM writes values into the SQL text with backslash escapes: under NO_BACKSLASH_ESCAPES a value could end its string
 * and become SQL. The session's mode is therefore ours, whatever the server's is. Read committed holds fewer gap locks, and
 * a key revoked elsewhere is seen by the next statement.
 */
async function prepareSession(connection: unknown): Promise<void> {
  const statements = [
    `set session sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'`,
    `set session time_zone = '+00:00'`,
    `set session innodb_lock_wait_timeout = 5`,
    `set session transaction isolation level read committed`,
  ];
  for (const sql of statements) await (connection as DatabaseConnection).executeQuery(CompiledQuery.raw(sql));
}
