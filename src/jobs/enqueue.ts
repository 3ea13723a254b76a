import type { SqlEntityManager } from '@mikro-orm/sql';
import { type Expression, sql } from 'kysely';
import type { JobColumns } from './row.ts';
import { newJobId, newRow, uniqueKey } from './saving.ts';
import { isMySql, jobsIn } from './store.ts';

export interface EnqueueOptions {
  /** Not before this instant; at once when absent. */
  readonly at?: Date;
  /**
   * At most one job of that name with this key waits or runs. While one waits, a second request joins it; while one runs, it
   * is asked to run once more afterwards, since it may already have looked at what it is to work on.
   */
  readonly unique?: string;
}

/** Transactions that added a job, for the subscriber that wakes the pump when one of them commits. */
const enqueuedIn = new WeakSet<object>();

export const hasEnqueued = (transaction: object): boolean => enqueuedIn.has(transaction);

/** Remembers that the transaction `em` is in, if any, makes a job due. */
export function noteEnqueued(em: SqlEntityManager): void {
  const transaction = em.getTransactionContext<object>();
  if (transaction) enqueuedIn.add(transaction);
}

/**
 * Adds a job in the transaction that `em` is in: it exists if and only if that commits, and starts right after.
 * @param data JSON; whoever defined `name` reads it back.
 * @throws Error outside a transaction, where job and business could part.
 */
export async function enqueue(
  em: SqlEntityManager,
  name: string,
  data: unknown,
  options: EnqueueOptions = {},
): Promise<void> {
  if (!em.isInTransaction()) throw new Error(`job ${name} was enqueued outside a transaction`);
  const unique_key = options.unique === undefined ? null : uniqueKey('enqueue', name, options.unique);
  const due = (options.at ?? new Date()).getTime();
  const row = newRow({ id: newJobId(), name, data: JSON.stringify(data ?? null), next_run_at: due, unique_key });
  await insert(em, row, due);
  noteEnqueued(em);
}

function insert(em: SqlEntityManager, row: JobColumns, due: number): Promise<unknown> {
  const query = jobsIn(em).insertInto('jobs').values(row);
  if (row.unique_key === null) return query.execute();
  if (isMySql(em)) return query.onDuplicateKeyUpdate(joined(row, due)).execute();
  return query.onConflict(oc => oc.column('unique_key').doUpdateSet(joined(row, due))).execute();
}

/**
 * What a second request changes in the row that holds its key. A running job is asked for another run; one at rest begins anew;
 * a waiting one starts no later than asked, unless it waits out the delay after a failure.
 * `next_run_at` comes last, because MySQL assigns from left to right and the others look at its old value.
 */
function joined({ data }: JobColumns, due: number) {
  const old = (column: keyof JobColumns) => sql.ref(`jobs.${column}`);
  const atRest = sql`(${old('locked_at')} is null and ${old('next_run_at')} is null)`;
  const reset = <T>(condition: Expression<unknown>, column: keyof JobColumns, otherwise: T) =>
    sql<T>`case when ${condition} then ${otherwise} else ${old(column)} end`;
  return {
    data,
    effect_at: reset<number | null>(atRest, 'effect_at', null),
    fail_count: reset<number>(atRest, 'fail_count', 0),
    again_at: sql<number | null>`case when ${old('locked_at')} is null then null
      when ${old('again_at')} < ${due} then ${old('again_at')} else ${due} end`,
    next_run_at: sql<number | null>`case when ${old('locked_at')} is not null then ${old('next_run_at')}
      when ${old('next_run_at')} is null then ${due}
      when ${old('fail_count')} = 0 and ${old('next_run_at')} > ${due} then ${due} else ${old('next_run_at')} end`,
  };
}
