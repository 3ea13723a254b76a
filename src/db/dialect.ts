import { open } from 'node:fs/promises';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type DatabaseIntrospector,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type Kysely,
  type QueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { Checkpoints } from './checkpoints.ts';
import { WriteQueue } from './write-queue.ts';

/**
 * Kysely dialect for node:sqlite with one writer and one read-only WAL connection, so that a read never waits for an open
 * transaction: on a single connection, a second entity manager used inside a transaction would wait for itself for ever.
 * Writers queue in JavaScript with a timeout; SQLite's own busy handler would block the event loop.
 *
 * `synchronous = full`: what was committed survives a power cut, as the audit trail and nonces need.
 */
export class SqliteDialect implements Dialect {
  readonly #file: string;
  readonly #lockTimeoutMs: number;

  constructor(file: string, lockTimeoutMs = 5000) {
    this.#file = file;
    this.#lockTimeoutMs = lockTimeoutMs;
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#file, this.#lockTimeoutMs);
  }

  createAdapter(): DialectAdapter {
    return new ReadWriteAdapter();
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }

  // biome-ignore lint/suspicious/noExplicitAny: Kysely's own signature
  createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

/** Kysely hands out one connection at a time to dialects that do not say this. */
class ReadWriteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SqliteDriver implements Driver {
  readonly #file: string;
  readonly #queue: WriteQueue;
  readonly #checkpoints: Checkpoints;
  #writer!: DatabaseSync;
  #reader!: DatabaseSync;

  constructor(file: string, lockTimeoutMs: number) {
    this.#file = file;
    this.#queue = new WriteQueue(lockTimeoutMs);
    this.#checkpoints = new Checkpoints(file);
  }

  async init(): Promise<void> {
    this.#writer = new DatabaseSync(this.#file, { timeout: 0 });
    // Another node opening the same file may hold the lock for the moment in which it turns WAL on.
    await this.#queue.persist(() => this.#writer.exec('pragma journal_mode = wal'));
    this.#writer.exec('pragma synchronous = full; pragma foreign_keys = on');
    // Checkpoints are made beside it; its own, at 64 MB of log, are for when that fails.
    this.#writer.exec('pragma wal_autocheckpoint = 16384');
    this.#reader = new DatabaseSync(this.#file, { timeout: 0, readOnly: true });
  }

  async acquireConnection(): Promise<SqliteConnection> {
    return new SqliteConnection(this.#file, this.#writer, this.#reader, this.#queue, this.#checkpoints);
  }

  async beginTransaction(connection: SqliteConnection): Promise<void> {
    await connection.begin();
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    await connection.commit();
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    connection.rollback();
  }

  async savepoint(connection: SqliteConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`savepoint "${name}"`));
  }

  async rollbackToSavepoint(connection: SqliteConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`rollback to "${name}"`));
  }

  async releaseSavepoint(connection: SqliteConnection, name: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`release "${name}"`));
  }

  async releaseConnection(connection: SqliteConnection): Promise<void> {
    connection.rollback();
  }

  async destroy(): Promise<void> {
    await this.#checkpoints.stop();
    this.#reader?.close();
    this.#writer?.close();
  }
}

const muchToSync = 1024 * 1024;

class SqliteConnection implements DatabaseConnection {
  readonly #file: string;
  readonly #writer: DatabaseSync;
  readonly #reader: DatabaseSync;
  readonly #queue: WriteQueue;
  readonly #checkpoints: Checkpoints;
  #inTransaction = false;
  #written = 0;

  constructor(file: string, writer: DatabaseSync, reader: DatabaseSync, queue: WriteQueue, checkpoints: Checkpoints) {
    this.#file = file;
    this.#writer = writer;
    this.#reader = reader;
    this.#queue = queue;
    this.#checkpoints = checkpoints;
  }

  async begin(): Promise<void> {
    await this.#queue.enter();
    try {
      // `immediate`: a deferred transaction that upgrades to a write can fail half way, and cannot be waited for.
      await this.#queue.persist(() => this.#writer.exec('begin immediate'));
      this.#inTransaction = true;
      this.#written = 0;
    } catch (error) {
      this.#queue.leave();
      throw error;
    }
  }

  async commit(): Promise<void> {
    // SQLite has written the bulk of a large transaction into its log by now: what is on the disk before the commit, the
    // commit need not hold up the event loop for.
    if (this.#written > muchToSync) await syncFile(`${this.#file}-wal`);
    this.#writer.exec('commit');
    this.#end();
    this.#checkpoints.committed(this.#written);
  }

  rollback(): void {
    if (!this.#inTransaction) return;
    try {
      // A full disk or a broken constraint can make SQLite roll back on its own.
      if (this.#writer.isTransaction) this.#writer.exec('rollback');
    } finally {
      this.#end();
    }
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#inTransaction) {
      this.#written += bytesOf(query);
      return run(this.#writer, query);
    }
    if (isRead(query.sql)) return this.#queue.persist(() => run<R>(this.#reader, query));
    await this.#queue.enter();
    try {
      return await this.#queue.persist(() => run<R>(this.#writer, query));
    } finally {
      this.#queue.leave();
      this.#checkpoints.committed(bytesOf(query));
    }
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    // A cursor left open on the shared connection would pin the WAL: the rows are read whole.
    yield await this.executeQuery<R>(query);
  }

  #end(): void {
    this.#inTransaction = false;
    this.#queue.leave();
  }
}

const isRead = (sql: string): boolean => /^\s*(select|explain|with)\b/i.test(sql);

function run<R>(database: DatabaseSync, query: CompiledQuery): QueryResult<R> {
  const { statement, answersRows } = prepare(database, query);
  const parameters = query.parameters.map(bindable);
  if (answersRows) return { rows: statement.all(...parameters).map(withBuffers) as R[] };
  const { changes, lastInsertRowid } = statement.run(...parameters);
  return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
}

async function syncFile(name: string): Promise<void> {
  const file = await open(name, 'r+');
  await file.datasync().finally(() => file.close());
}

/** About what its values add to the log; the rest of a statement is small. */
function bytesOf({ parameters }: CompiledQuery): number {
  let bytes = 0;
  for (const value of parameters) if (value instanceof Uint8Array || typeof value === 'string') bytes += value.length;
  return bytes;
}

interface Prepared {
  readonly statement: StatementSync;
  readonly answersRows: boolean;
}

const prepared = new WeakMap<DatabaseSync, Map<string, Prepared>>();
const mostPrepared = 200;

/**
 * Statements with parameters are kept: there are few, on the path of every request. The ORM writes its values into the
 * text, so that its statements hardly ever come again.
 */
function prepare(database: DatabaseSync, { sql, parameters }: CompiledQuery): Prepared {
  const kept = prepared.get(database) ?? new Map<string, Prepared>();
  prepared.set(database, kept);
  const known = kept.get(sql);
  if (known) return known;
  const statement = database.prepare(sql);
  const made = { statement, answersRows: statement.columns().length > 0 };
  if (parameters.length === 0) return made;
  if (kept.size >= mostPrepared) kept.clear();
  kept.set(sql, made);
  return made;
}

/** Booleans as 0 and 1, instants as epoch milliseconds: what the ORM stores as well. */
function bindable(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return value.getTime();
  return (value ?? null) as SQLInputValue;
}

function withBuffers(row: Record<string, unknown>): Record<string, unknown> {
  for (const column in row) {
    const value = row[column];
    if (value instanceof Uint8Array) row[column] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return row;
}
