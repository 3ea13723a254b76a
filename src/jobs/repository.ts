import type { JobParameters, JobRepository, JobRepositoryOptions, JobsQueryOptions, RemoveJobsOptions } from 'agenda';
import { sql } from 'kysely';
import { type Claims, LockLost, unlocked } from './claims.ts';
import { Finder } from './finder.ts';
import { type ClaimedJob, toStateColumns } from './row.ts';
import { Saving } from './saving.ts';
import type { Store } from './store.ts';

export interface RepositoryEvents {
  /** A job was saved: it may be due, once the transaction around the call commits. */
  saved(): void;
  /** A claim ended: there is room for another job. */
  finished(): void;
  failed(error: unknown): void;
}

/** Agenda's storage in one table of any SQL database that MikroORM drives. */
export class SqlJobRepository implements JobRepository {
  readonly #store: Store;
  readonly #claims: Claims;
  readonly #finder: Finder;
  readonly #saving: Saving;
  readonly #lockLifetime: number;
  readonly #events: RepositoryEvents;

  constructor(store: Store, claims: Claims, lockLifetime: number, events: RepositoryEvents) {
    this.#store = store;
    this.#claims = claims;
    this.#finder = new Finder(store);
    this.#saving = new Saving(store);
    this.#lockLifetime = lockLifetime;
    this.#events = events;
  }

  /** Nothing to do: Agenda calls this from its constructor and awaits it nowhere, so it must not fail. */
  async connect(): Promise<void> {}

  getJobById(id: string): Promise<JobParameters | null> {
    return this.#finder.byId(id);
  }

  queryJobs(options?: JobsQueryOptions) {
    return this.#finder.query(options);
  }

  getJobsOverview() {
    return this.#finder.overview();
  }

  getDistinctJobNames(): Promise<string[]> {
    return this.#finder.names();
  }

  getQueueSize(): Promise<number> {
    return this.#finder.queueSize();
  }

  async removeJobs(options: RemoveJobsOptions): Promise<number> {
    const condition = await this.#finder.condition(options);
    if (!condition) return 0;
    const { numDeletedRows } = await this.#store.db.deleteFrom('jobs').where(condition).executeTakeFirst();
    return Number(numDeletedRows);
  }

  async purgeAllJobs(): Promise<number> {
    const { numDeletedRows } = await this.#store.db.deleteFrom('jobs').executeTakeFirst();
    return Number(numDeletedRows);
  }

  disableJobs(options: RemoveJobsOptions): Promise<number> {
    return this.#setDisabled(1, options);
  }

  enableJobs(options: RemoveJobsOptions): Promise<number> {
    return this.#setDisabled(0, options);
  }

  async saveJob<DATA>(job: JobParameters<DATA>, options?: JobRepositoryOptions): Promise<JobParameters<DATA>> {
    const saved = await this.#saving.save(job, options);
    this.#events.saved();
    return saved as JobParameters<DATA>;
  }

  /** The state of a run: its start, its progress, its end. With a claim, written only while the claim holds: else LockLost. */
  async saveJobState(job: ClaimedJob, options?: JobRepositoryOptions): Promise<void> {
    const ends = !job.lockedAt;
    const by = { last_modified_by: options?.lastModifiedBy ?? null };
    const update = this.#store.db
      .updateTable('jobs')
      .set({ ...toStateColumns(job), ...by, ...(ends ? ended(job, this.#nextRunAt(job)) : this.#ongoing(job)) })
      .where('id', '=', String(job._id))
      .where('name', '=', job.name);
    const fenced = job.claim ? update.where('lock_token', '=', job.claim.token) : update;
    const { numUpdatedRows } = await fenced.executeTakeFirst();
    if (numUpdatedRows === 0n)
      throw job.claim ? new LockLost(job.claim.id) : new Error(`no job ${job._id} ${job.name}`);
    if (!ends) return;
    delete job.claim;
    this.#events.finished();
  }

  lockJob(job: JobParameters, options?: JobRepositoryOptions): Promise<JobParameters | undefined> {
    const dueAt = this.#nextRunAt(job);
    if (!job._id || dueAt === null) return Promise.resolve(undefined);
    const claim = { dueBefore: dueAt, lifetime: this.#lockLifetime, by: options?.lastModifiedBy };
    return this.#claims.claim(String(job._id), dueAt, claim);
  }

  getNextJobToRun(
    name: string,
    nextScanAt: Date,
    lockDeadline: Date,
    now = new Date(),
    options?: JobRepositoryOptions,
  ): Promise<JobParameters | undefined> {
    return this.#claims.claimNext(name, {
      dueBefore: nextScanAt.getTime() + this.#store.skew(),
      lifetime: now.getTime() - lockDeadline.getTime(),
      by: options?.lastModifiedBy,
    });
  }

  /** Never rejects: Agenda's processor does not await it, and an unhandled rejection would end the process. */
  async unlockJob(job: ClaimedJob): Promise<void> {
    await this.#claims.release([String(job._id)]).catch(this.#events.failed);
  }

  unlockJobs(ids: readonly (string | { toString(): string })[]): Promise<void> {
    return this.#claims.release(ids.map(String));
  }

  async #setDisabled(disabled: 0 | 1, options: RemoveJobsOptions): Promise<number> {
    const condition = await this.#finder.condition(options);
    if (!condition) return 0;
    const { numUpdatedRows } = await this.#store.db
      .updateTable('jobs')
      .set({ disabled })
      .where(condition)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  #ongoing(job: ClaimedJob) {
    const lifetime = job.claim?.lifetime ?? this.#lockLifetime;
    return {
      next_run_at: this.#nextRunAt(job),
      locked_at: job.lockedAt!.getTime(),
      locked_until: sql<number>`${this.#store.databaseTime} + ${lifetime}`,
    };
  }

  #nextRunAt(job: JobParameters): number | null {
    return job.nextRunAt ? job.nextRunAt.getTime() + this.#store.skew() : null;
  }
}

/**
 * The end of a run. A one-time job that is through runs once more if that was asked for meanwhile (`again_at`): a new piece of
 * work, without the marks of the old. So is a recurring job's next occurrence. A retry keeps them.
 */
function ended(job: ClaimedJob, nextRunAt: number | null) {
  const rested = { ...unlocked, interruptions: 0, next_run_at: nextRunAt };
  if (job.occurrenceOver) return { ...rested, effect_at: null, fail_count: 0 };
  if (nextRunAt !== null) return rested;
  return {
    ...rested,
    effect_at: sql<number | null>`case when again_at is null then effect_at end`,
    fail_count: sql<number>`case when again_at is null then ${job.failCount ?? 0} else 0 end`,
    next_run_at: sql<number | null>`again_at`,
    // Last: MySQL assigns from left to right and would read its new value above.
    again_at: null,
  };
}
