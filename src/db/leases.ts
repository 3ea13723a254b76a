import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CompiledQuery } from 'kysely';
import type { Database } from './orm.ts';
import { insertIfAbsent } from './statements.ts';

/**
 * Locks between nodes: rows with a holder, a deadline on database time and a fencing number that grows with every
 * new holder. Not GET_LOCK, which a cluster of MySQL servers does not share.
 */
export interface Lease {
  readonly name: string;
  readonly holder: string;
  /** Whoever writes under a lease compares this: a holder that slept through its deadline has an older one. */
  readonly fence: number;
}

interface Tables {
  leases: { name: string; holder: string; fence: number; expires_at: number };
}

/** Stands outside the migrations, since they run under a lease themselves. */
export async function createLeaseTable(db: Database): Promise<void> {
  const table = `create table if not exists leases
    (name varchar(100) not null primary key, holder varchar(40) not null, fence bigint not null, expires_at bigint not null)`;
  await db.kysely().executeQuery(CompiledQuery.raw(table));
}

/** Takes the lease if it is free or its holder's time is over; undefined otherwise. */
export async function acquireLease(db: Database, name: string, ttlMs: number): Promise<Lease | undefined> {
  const holder = randomUUID();
  // Read before it is used: a time that is a moment old errs on the side of the present holder.
  const now = (await db.now()).getTime();
  const taken = await takeOver(db, name, holder, now, ttlMs);
  if (!taken && !(await takeFirst(db, name, holder, now, ttlMs))) return undefined;
  const row = await leases(db).where('name', '=', name).where('holder', '=', holder).select('fence').executeTakeFirst();
  return row && { name, holder, fence: Number(row.fence) };
}

async function takeOver(db: Database, name: string, holder: string, now: number, ttlMs: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .kysely<Tables>()
    .updateTable('leases')
    .set(eb => ({ holder, fence: eb('fence', '+', 1), expires_at: now + ttlMs }))
    .where('name', '=', name)
    .where('expires_at', '<=', now)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

async function takeFirst(db: Database, name: string, holder: string, now: number, ttlMs: number): Promise<boolean> {
  const row = { name, holder, fence: 1, expires_at: now + ttlMs };
  return (await insertIfAbsent(db, 'leases', row)) === 1;
}

/** False when the lease has been taken by another: stop at once. */
export async function renewLease(db: Database, lease: Lease, ttlMs: number): Promise<boolean> {
  const now = (await db.now()).getTime();
  const { numUpdatedRows } = await held(db, lease)
    .set({ expires_at: now + ttlMs })
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function releaseLease(db: Database, lease: Lease): Promise<void> {
  await held(db, lease).set({ expires_at: 0 }).execute();
}

/**
 * Waits up to `waitMs` for the lease and keeps it while `work` runs; undefined when it could not be had. `signal` fires when
 * the lease was lost.
 */
export async function withLease<T>(
  db: Database,
  name: string,
  { ttlMs, waitMs }: { ttlMs: number; waitMs: number },
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const deadline = performance.now() + waitMs;
  let lease = await acquireLease(db, name, ttlMs);
  while (!lease && performance.now() < deadline) {
    await sleep(50 + Math.random() * 100);
    lease = await acquireLease(db, name, ttlMs);
  }
  return lease && keepWhile(db, lease, ttlMs, work);
}

async function keepWhile<T>(
  db: Database,
  lease: Lease,
  ttlMs: number,
  work: (lease: Lease, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const heartbeat = setInterval(() => {
    renewLease(db, lease, ttlMs).then(
      kept => kept || lost.abort(),
      () => lost.abort(),
    );
  }, ttlMs / 3);
  try {
    return await work(lease, lost.signal);
  } finally {
    clearInterval(heartbeat);
    await releaseLease(db, lease);
  }
}

const leases = (db: Database) => db.kysely<Tables>().selectFrom('leases');

const held = (db: Database, { name, holder, fence }: Lease) =>
  db
    .kysely<Tables>()
    .updateTable('leases')
    .where('name', '=', name)
    .where('holder', '=', holder)
    .where('fence', '=', fence);
