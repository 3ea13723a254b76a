import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeadlockException, DriverException, LockWaitTimeoutException, ValidationError } from '@mikro-orm/core';
import { Refusal } from '../core/errors.ts';
import type { Database, EntityManager } from './orm.ts';
import type { Tenant } from './tenancy.ts';
import { isBusy } from './write-queue.ts';

const attempts = 5;
const retryForMs = 10_000;

/** Which database this line of execution has a transaction open on. */
const around = new AsyncLocalStorage<{ readonly db: Database; open: boolean }>();

/**
 * Runs `work` in a transaction bound to `tenant`. The whole of it runs again after a deadlock or lock timeout, so it must
 * have no effect outside the database. A database that cannot be reached, or stays busy, is Refusal `unavailable`.
 */
export async function transaction<T>(
  db: Database,
  tenant: Tenant,
  work: (em: EntityManager) => Promise<T>,
): Promise<T> {
  // On SQLite the inner one would wait for the outer to end, and on MySQL for its locks: for ever, but for the timeout.
  const outer = around.getStore();
  if (outer?.open && outer.db === db) throw new Error('a transaction inside a transaction would wait for itself');
  const deadline = performance.now() + retryForMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(db, tenant, work);
    } catch (error) {
      const again = attempt < attempts && performance.now() < deadline && isContention(error);
      if (!again) throw presentable(error);
      await sleep(Math.random() * 10 * 2 ** attempt);
    }
  }
}

async function once<T>(db: Database, tenant: Tenant, work: (em: EntityManager) => Promise<T>): Promise<T> {
  const here = { db, open: true };
  try {
    return await around.run(here, () => db.fork(tenant).transactional(em => work(em as EntityManager)));
  } finally {
    // What was started inside and outlives it is free to open its own.
    here.open = false;
  }
}

/** Reads without a transaction: on SQLite they wait for no writer. */
export async function read<T>(db: Database, tenant: Tenant, query: (em: EntityManager) => Promise<T>): Promise<T> {
  try {
    return await query(db.fork(tenant));
  } catch (error) {
    throw presentable(error);
  }
}

// 1020: MariaDB's "record has changed since last read"; 1213 and 1205 have classes of their own, except at commit.
const contentionNumbers = new Set([1020, 1205, 1213]);

function isContention(error: unknown): boolean {
  if (error instanceof DeadlockException || error instanceof LockWaitTimeoutException || isBusy(error)) return true;
  return error instanceof Error && 'errno' in error && contentionNumbers.has(Number(error.errno));
}

/** Property and rule stand before the first value, or the whole entity. */
function cutQuotes(error: ValidationError): void {
  const [words = ''] = error.message.split(/['"`({[\n]/, 1);
  error.stack = error.stack?.replace(error.message, () => words);
  error.message = words;
}

const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'PROTOCOL_CONNECTION_LOST',
  'ER_CON_COUNT_ERROR',
  'ER_SERVER_SHUTDOWN',
]);

/** mysql2 hangs the whole statement, values and all, on its errors, and the ORM quotes them: they must reach no log. */
export function presentable(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('sql' in cause) delete cause.sql;
    if (cause instanceof ValidationError) cutQuotes(cause);
  }
  if (isContention(error)) return new Refusal('unavailable', undefined, { cause: error, retryAfter: 1 });
  // `fatal` is how mysql2 marks an error that ends its connection; an outward call's own ECONNREFUSED has no such mark.
  const ofDatabase = error instanceof DriverException || 'fatal' in error;
  const down = ofDatabase && 'code' in error && unreachable.has(String(error.code));
  return down ? new Refusal('unavailable', undefined, { cause: error, retryAfter: 5 }) : error;
}
