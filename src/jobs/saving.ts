import { createHash } from 'node:crypto';
import type { JobParameters, JobRepositoryOptions } from 'agenda';
import { sql } from 'kysely';
import { monotonicFactory } from 'ulid';
import { type JobColumns, toDefinitionColumns, toJob } from './row.ts';
import { isMySql, jobsIn, type Store } from './store.ts';

const nextUlid = monotonicFactory();

/** Time-ordered, so that jobs due at the same instant start in the order of their making. */
export const newJobId = (): string => nextUlid().toLowerCase();

/** What `unique_key` holds: one row per key, kept by the database's own index, however many nodes save at once. */
export function uniqueKey(kind: 'single' | 'unique' | 'enqueue', name: string, key: unknown = null): string {
  return createHash('sha256')
    .update(JSON.stringify([kind, name, key]))
    .digest('hex');
}

/** A row as it begins. */
export function newRow(columns: Partial<JobColumns> & { id: string; name: string }): JobColumns {
  return {
    type: 'normal',
    priority: 0,
    data: null,
    next_run_at: null,
    repeat_interval: null,
    schedule: null,
    disabled: 0,
    unique_key: null,
    again_at: null,
    locked_at: null,
    locked_until: null,
    lock_token: null,
    interruptions: 0,
    effect_at: null,
    last_run_at: null,
    last_finished_at: null,
    failed_at: null,
    fail_count: 0,
    fail_reason: null,
    progress: null,
    last_modified_by: null,
    ...columns,
  };
}

type Saved = JobParameters & { debounceStartedAt?: Date };

/** `Job.save()` of Agenda: what a caller may set of a job. The state of its runs is not written here. */
export class Saving {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async save(job: JobParameters, options: JobRepositoryOptions | undefined): Promise<JobParameters> {
    const by = options?.lastModifiedBy ?? null;
    if (job._id) return this.#update(job, by);
    if (job.type === 'single') return this.#saveSingle(job, by);
    if (job.unique) return this.#saveUnique(job, uniqueKey('unique', job.name, sortedEntries(job.unique)), by);
    return this.#load(await this.#insert(job, null, by));
  }

  async #update(job: JobParameters, by: string | null): Promise<JobParameters> {
    const id = String(job._id);
    const set = { ...toDefinitionColumns(job, this.#store.skew()), last_modified_by: by };
    await this.#store.db.updateTable('jobs').set(set).where('id', '=', id).where('name', '=', job.name).execute();
    // A job removed meanwhile is not an error: Agenda gets back what it gave.
    return (await this.#find('id', id)) ?? job;
  }

  /** `every()`: one row per name. A restart must not push the next run ahead, or a daily job on a busy day never runs. */
  async #saveSingle(job: JobParameters, by: string | null): Promise<JobParameters> {
    const key = uniqueKey('single', job.name);
    const id = await this.#insert(job, key, by);
    const existing = (await this.#find('unique_key', key))!;
    if (existing._id === id) return existing;
    const { type: _, next_run_at, ...columns } = toDefinitionColumns(job, this.#store.skew());
    const isDueNow = next_run_at !== null && next_run_at <= this.#store.now();
    await this.#store.db
      .updateTable('jobs')
      .set({
        // Assigned before the interval: MySQL would compare with the new one already.
        next_run_at: isDueNow
          ? sql`case when repeat_interval = ${columns.repeat_interval} then coalesce(next_run_at, ${next_run_at}) else ${next_run_at} end`
          : next_run_at,
        ...columns,
        last_modified_by: by,
      })
      .where('unique_key', '=', key)
      .execute();
    return this.#load(String(existing._id));
  }

  async #saveUnique(job: Saved, key: string, by: string | null): Promise<JobParameters> {
    const now = new Date();
    const debounce = job.uniqueOpts?.debounce;
    const fresh = debounce ? { ...job, ...firstDebounced(job, now) } : job;
    const id = await this.#insert(fresh, key, by);
    const existing = (await this.#find('unique_key', key))!;
    if (existing._id === id || (job.uniqueOpts?.insertOnly && !debounce)) return existing;
    const changed = debounce ? { ...job, ...nextDebounced(job, existing, now) } : job;
    return this.#update({ ...changed, _id: existing._id }, by);
  }

  /** Inserts unless the key is taken, and returns the id that an inserted row has. */
  async #insert(job: JobParameters, key: string | null, by: string | null): Promise<string> {
    const id = newJobId();
    const columns = toDefinitionColumns(job, this.#store.skew());
    const insert = this.#store.db
      .insertInto('jobs')
      .values(newRow({ ...columns, id, unique_key: key, last_modified_by: by }));
    // Not `insert ignore`, which would swallow other errors as well.
    if (isMySql(this.#store.em)) await insert.onDuplicateKeyUpdate({ id: sql`id` }).execute();
    else await insert.onConflict(conflict => conflict.column('unique_key').doNothing()).execute();
    return id;
  }

  async #load(id: string): Promise<JobParameters> {
    const job = await this.#find('id', id);
    if (!job) throw new Error(`job ${id} is gone`);
    return job;
  }

  async #find(column: 'id' | 'unique_key', value: string): Promise<JobParameters | undefined> {
    const query = jobsIn(this.#store.em).selectFrom('jobs').selectAll().where(column, '=', value);
    // A transaction's snapshot may be older than the row that kept ours out.
    const row = await query.$if(isMySql(this.#store.em), q => q.forUpdate()).executeTakeFirst();
    return row && toJob(row, this.#store.skew());
  }
}

const sortedEntries = (unique: Record<string, unknown>) => Object.entries(unique).sort(([a], [b]) => (a < b ? -1 : 1));

function firstDebounced({ nextRunAt, uniqueOpts }: Saved, now: Date): Partial<Saved> {
  const { delay, strategy } = uniqueOpts!.debounce!;
  return { nextRunAt: strategy === 'leading' ? nextRunAt : later(now, delay), debounceStartedAt: now };
}

/** Trailing: each save pushes the run ahead, up to `maxWait` after the first. Leading: only the data changes. */
function nextDebounced({ uniqueOpts }: Saved, existing: JobParameters, now: Date): Partial<Saved> {
  const { delay, strategy, maxWait } = uniqueOpts!.debounce!;
  const debounceStartedAt = existing.debounceStartedAt ?? now;
  if (strategy === 'leading') return { nextRunAt: existing.nextRunAt, debounceStartedAt };
  const waited = now.getTime() - debounceStartedAt.getTime();
  if (maxWait && waited >= maxWait) return { nextRunAt: now, debounceStartedAt: undefined };
  return { nextRunAt: later(now, delay), debounceStartedAt };
}

const later = (date: Date, ms: number): Date => new Date(date.getTime() + ms);
