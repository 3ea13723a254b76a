import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MariaDbDriver } from '@mikro-orm/mariadb';
import { type AbstractSqlDriver, MikroORM, type SqlEntityManager, SqliteDriver } from '@mikro-orm/sql';
import { createConnection } from 'mysql2/promise';
import { SqliteDialect } from '../../src/db/dialect.ts';
import { JobRow } from '../../src/jobs/row.ts';

export type JobsOrm = MikroORM<AbstractSqlDriver, SqlEntityManager>;

/** A database with nothing in it but the table of jobs: on the server the run was given, else on SQLite. */
export interface JobsDatabase {
  readonly orm: JobsOrm;
  /** For a second process. */
  readonly url: string;
  drop(): Promise<void>;
}

export async function jobsDatabase(): Promise<JobsDatabase> {
  const server = process.env.BASTION_TEST_DATABASE_URL;
  const place = server?.startsWith('mysql:') ? await newSchema(server) : await newFile();
  const orm = await openJobs(place.url);
  await orm.schema.create();
  return {
    orm,
    url: place.url,
    async drop() {
      await orm.close();
      await place.drop();
    },
  };
}

/** A plain MikroORM, without the rules that Bastion adds: the folder under test knows none of them. */
export async function openJobs(url: string): Promise<JobsOrm> {
  const orm = await MikroORM.init<AbstractSqlDriver, SqlEntityManager>({
    ...(url.startsWith('mysql:') ? mysqlSettings(url) : sqliteSettings(url)),
    entities: [JobRow],
    ensureDatabase: false,
    logger: () => {},
  });
  await orm.connect();
  return orm;
}

const sqliteSettings = (file: string) => ({
  driver: SqliteDriver,
  dbName: file,
  driverOptions: () => new SqliteDialect(file),
});

const mysqlSettings = (url: string) => ({ driver: MariaDbDriver, clientUrl: url, pool: { max: 10 } });

async function newFile() {
  const folder = await mkdtemp(join(tmpdir(), 'jobs-'));
  return { url: join(folder, 'jobs.db'), drop: async () => rmSync(folder, { recursive: true }) };
}

async function newSchema(server: string) {
  const name = `jobs_${randomBytes(6).toString('hex')}`;
  await administer(server, `create database ${name} character set utf8mb4 collate utf8mb4_bin`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => administer(server, `drop database ${name}`) };
}

async function administer(server: string, statement: string): Promise<void> {
  const { hostname: host, port, username: user, password } = new URL(server);
  const connection = await createConnection({ host, port: Number(port || 3306), user, password });
  await connection.query(statement);
  await connection.end();
}
