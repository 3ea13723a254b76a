import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import type { Clock } from '../../src/core/clock.ts';
import { type AnyEntity, type Database, openDatabase } from '../../src/db/orm.ts';

/** `mysql://user:password@host:port/` of a server on which databases may be made; a SQLite file when unset. */
export const serverUrl = process.env.BASTION_TEST_DATABASE_URL;

export interface FreshUrl {
  readonly url: string;
  drop(): Promise<void>;
}

/** A new empty database: a MySQL one on the server that the run is pointed at, else a SQLite file. */
export async function freshUrl(): Promise<FreshUrl> {
  if (!serverUrl) return { url: 'sqlite::memory:', drop: async () => {} };
  const name = `bastion_${randomBytes(6).toString('hex')}`;
  await onServer(`create database ${name} character set utf8mb4 collate utf8mb4_bin`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(`drop database if exists ${name}`) };
}

/** An open database with tables for just these entities (and those of src/db); `close` leaves nothing behind. */
export async function freshDatabase(
  entities: readonly AnyEntity[] = [],
  clock?: Clock,
): Promise<{ db: Database; url: string; close(): Promise<void> }> {
  const { url, drop } = await freshUrl();
  const db = await openDatabase({ url, entities, clock });
  await db.orm.schema.create();
  const close = async () => {
    await db.close();
    await drop();
  };
  return { db, url, close };
}

async function onServer(sql: string): Promise<void> {
  const connection = await createConnection(serverUrl!);
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}
