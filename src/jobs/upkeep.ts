import type { ExpressionBuilder } from 'kysely';
import type { JobColumns } from './row.ts';
import type { Store } from './store.ts';

export interface JobStatistics {
  /** Jobs that could run now. */
  readonly due: number;
  /** Seconds since the oldest of them fell due; 0 when there is none. */
  readonly lagSeconds: number;
  /** Jobs claimed by any node. */
  readonly running: number;
  /** Jobs that failed for good. */
  readonly failed: number;
}

/** What monitoring asks, over all nodes. */
export async function statistics(store: Store): Promise<JobStatistics> {
  const now = store.now();
  const counted = store.db.selectFrom('jobs').select(eb => eb.fn.countAll<number | string>().as('count'));
  const due = counted.select(eb => eb.fn.min('next_run_at').as('oldest')).where('next_run_at', '<=', now);
  const [waiting, running, failed] = await Promise.all([
    due.where('locked_at', 'is', null).where('disabled', '=', 0).executeTakeFirstOrThrow(),
    counted.where('locked_until', 'is not', null).executeTakeFirstOrThrow(),
    counted.where('fail_count', '>', 0).where(atRest).executeTakeFirstOrThrow(),
  ]);
  return {
    due: Number(waiting.count),
    lagSeconds: waiting.oldest === null ? 0 : Math.max(0, now - Number(waiting.oldest)) / 1000,
    running: Number(running.count),
    failed: Number(failed.count),
  };
}

/** One-time jobs that are through, well or badly. */
const atRest = (eb: ExpressionBuilder<{ jobs: JobColumns }, 'jobs'>) =>
  eb.and([eb('next_run_at', 'is', null), eb('locked_at', 'is', null), eb('repeat_interval', 'is', null)]);

const days = 24 * 60 * 60 * 1000;
const keepDone = 1 * days;
const keepFailed = 30 * days;
const batch = 1000;

/** Removes one-time jobs at rest: done ones after a day, failed ones after thirty. Returns how many. */
export async function purgeFinished(store: Store): Promise<number> {
  const now = Date.now();
  const done = await purge(store, now - keepDone, false);
  return done + (await purge(store, now - keepFailed, true));
}

/** In batches, so that no lock on the table is held for long. */
async function purge(store: Store, before: number, failed: boolean): Promise<number> {
  const finished = store.db.selectFrom('jobs').select('id').where('last_finished_at', '<', before).where(atRest);
  for (let total = 0; ; ) {
    const rows = await finished
      .where('fail_count', failed ? '>' : '=', 0)
      .limit(batch)
      .execute();
    if (rows.length === 0) return total;
    const ids = rows.map(row => row.id);
    // A job that was asked for again since the look stays.
    const { numDeletedRows } = await store.db
      .deleteFrom('jobs')
      .where('id', 'in', ids)
      .where(atRest)
      .executeTakeFirst();
    total += Number(numDeletedRows);
  }
}
