import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agenda, type Job } from 'agenda';
import { SqlBackend, type SqlBackendOptions } from './backend.ts';
import type { Claim, ClaimedJob } from './row.ts';
import { type JobRun, type Outcome, Run } from './run.ts';
import { type JobStatistics, purgeFinished, statistics } from './upkeep.ts';

export type { JobRun, JobStatistics, Outcome };

export type JobHandler<D> = (run: JobRun<D>) => Promise<unknown>;

export interface JobSettings {
  /** Seconds to wait before each further attempt; after the last the job stays failed. */
  readonly retry?: readonly number[];
  /** Runs at once on this node. */
  readonly concurrency?: number;
  /** Seconds between the starts of a recurring job, which runs on one node of the cluster at a time. */
  readonly every?: number;
}

export interface JobRunnerOptions extends Omit<SqlBackendOptions, 'onError'> {
  readonly log: { warn(details: object, message: string): void };
  /** Jobs at once on this node. */
  readonly concurrency?: number;
  /** Called after each run, with its duration. */
  readonly onOutcome?: (name: string, outcome: Outcome, seconds: number) => void;
}

interface Definition {
  readonly handler: JobHandler<unknown>;
  readonly retry: readonly number[];
  readonly concurrency: number;
  readonly every: number | undefined;
  running: number;
}

/** A job that took its node down this often is taken for the cause. */
const maxInterruptions = 5;

class InterruptedTooOften extends Error {
  constructor() {
    super(`${maxInterruptions} runs of this job ended without a word`);
  }
}

/**
 * The jobs of one node. Definitions, schedules and a job's life are Agenda's; the loop is our own, because Agenda's processor
 * leaves a timer behind for every job it ran or foresaw, claims without bound, and stops without waiting (docs/JOBS.md).
 */
export class JobRunner {
  /** For dashboards, and for `now()`, `schedule()`, `cancel()`. Not to be started beside this runner. */
  readonly agenda: Agenda;
  readonly #backend: SqlBackend;
  readonly #log: JobRunnerOptions['log'];
  readonly #lockLifetime: number;
  readonly #concurrency: number;
  readonly #onOutcome: NonNullable<JobRunnerOptions['onOutcome']>;
  readonly #definitions = new Map<string, Definition>();
  readonly #fills = new Map<string, Promise<void>>();
  readonly #runs = new Map<Run, Promise<void>>();
  readonly #runOf = new WeakMap<Job, Run>();
  /** Jobs start from here, never inside the transaction or the request of whoever called. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #reserved = 0;
  #running = false;
  #recurring: Promise<void> | undefined;

  constructor({ log, concurrency = 10, onOutcome = () => {}, lockLifetime = 60_000, ...options }: JobRunnerOptions) {
    this.#log = log;
    this.#concurrency = concurrency;
    this.#lockLifetime = lockLifetime;
    this.#onOutcome = onOutcome;
    this.#backend = new SqlBackend({ ...options, lockLifetime, onError: error => this.#warn('jobs database', error) });
    this.#backend.notificationChannel.subscribe(({ jobName }) => this.#fill(jobName));
    this.agenda = new Agenda({ backend: this.#backend });
    this.agenda.on('success', endOccurrence);
    this.agenda.on('retry exhausted', (_error, job) => endOccurrence(job));
    this.define('jobs.purge', () => purgeFinished(this.#backend.store), { every: 3600 });
  }

  /** Before `start`. `name` is what the row carries: rows of names that no node defines wait. */
  define<D>(name: string, handler: JobHandler<D>, settings: JobSettings = {}): void {
    const { retry = [], concurrency = 5, every } = settings;
    this.#definitions.set(name, { handler: handler as JobHandler<unknown>, retry, concurrency, every, running: 0 });
    this.agenda.define(name, job => this.#handle(job), { backoff: context => delayAfter(context, retry) });
  }

  /** From here on due jobs run. */
  async start(): Promise<void> {
    await this.#scheduleRecurring();
    this.#running = true;
    await this.#backend.notificationChannel.connect();
  }

  /**
   * Takes no more jobs and waits for those in hand, at most `deadlineMs`; then their signals fire, and what still runs keeps its
   * lock until that lapses. Returns how many those are.
   */
  async stop(deadlineMs = 10_000): Promise<number> {
    this.#running = false;
    await this.#backend.notificationChannel.disconnect();
    await Promise.all(this.#fills.values());
    await this.#settled(deadlineMs);
    for (const run of this.#runs.keys()) run.abort(new Error('the node stops'));
    if (this.#runs.size > 0) await this.#settled(100);
    for (const run of this.#runs.keys()) run.abandon();
    return this.#runs.size;
  }

  /** Runs jobs until none is due: for tests and one-off commands. One after another unless the runner is started. */
  async drain(): Promise<void> {
    await this.#scheduleRecurring();
    await this.#outside(() => (this.#running ? this.#idle() : this.#runDue()));
  }

  statistics(): Promise<JobStatistics> {
    return statistics(this.#backend.store);
  }

  #scheduleRecurring(): Promise<void> {
    this.#recurring ??= (async () => {
      for (const [name, { every }] of this.#definitions) if (every) await this.agenda.every(every * 1000, name);
    })();
    return this.#recurring;
  }

  #fill(name: string): Promise<void> | undefined {
    if (!this.#definitions.has(name) || this.#fills.has(name)) return;
    const filling = this.#claimWhileRoom(name).finally(() => this.#fills.delete(name));
    this.#fills.set(name, filling);
    return filling;
  }

  async #claimWhileRoom(name: string): Promise<void> {
    const definition = this.#definitions.get(name)!;
    while (this.#running && this.#hasRoom(definition)) {
      this.#reserve(definition);
      const run = await this.#claim(name);
      if (!run) return this.#free(definition);
      this.#launch(run, definition);
    }
  }

  #launch(run: Run, definition: Definition): void {
    const done = this.#execute(run).finally(() => {
      this.#runs.delete(run);
      this.#free(definition);
    });
    this.#runs.set(run, done);
  }

  async #claim(name: string): Promise<Run | undefined> {
    try {
      const dueBefore = this.#backend.store.now();
      const claimed = await this.#backend.claims.claimNext(name, { dueBefore, lifetime: this.#lockLifetime });
      return claimed && this.#begin(claimed);
    } catch (error) {
      this.#warn(`claiming ${name}`, error);
      return undefined;
    }
  }

  #begin(claimed: ClaimedJob & { claim: Claim }): Run {
    const run = new Run(this.agenda, this.#backend, claimed);
    this.#runOf.set(run.job, run);
    return run;
  }

  async #execute(run: Run): Promise<void> {
    const startedAt = performance.now();
    const outcome = await run.execute();
    const { name, _id, failReason } = run.job.attrs;
    if (outcome !== 'succeeded')
      this.#log.warn({ job: name, id: _id, outcome, reason: failReason }, 'job did not succeed');
    this.#onOutcome(name, outcome, (performance.now() - startedAt) / 1000);
  }

  async #handle(job: Job): Promise<void> {
    const run = this.#runOf.get(job);
    if (!run) throw new Error('jobs are run by the runner, not by Agenda');
    if (run.interruptions >= maxInterruptions) throw new InterruptedTooOften();
    try {
      await this.#definitions.get(job.attrs.name)!.handler(run.forHandler());
    } catch (error) {
      // Agenda reads `message` of whatever was thrown.
      throw error instanceof Error ? error : new Error(String(error));
    }
  }

  async #runDue(): Promise<void> {
    for (;;) {
      const name = (await this.#backend.claims.dueNames()).find(due => this.#definitions.has(due));
      if (name === undefined) return;
      const run = await this.#claim(name);
      if (run) await this.#execute(run);
    }
  }

  async #idle(): Promise<void> {
    for (;;) {
      // A job that ends while we look may be due again, and one that is claimed meanwhile is not seen: so both before and after.
      const wasQuiet = this.#reserved === 0;
      const due = await this.#backend.claims.dueNames();
      if (wasQuiet && this.#reserved === 0 && !due.some(name => this.#definitions.has(name))) return;
      this.#backend.notificationChannel.kick();
      await Promise.race([...this.#runs.values(), sleep(10)]);
    }
  }

  async #settled(deadlineMs: number): Promise<void> {
    const deadline = new AbortController();
    const timeout = sleep(deadlineMs, undefined, { signal: deadline.signal }).catch(() => {});
    await Promise.race([Promise.all(this.#runs.values()), timeout]);
    deadline.abort();
  }

  #hasRoom(definition: Definition): boolean {
    return this.#reserved < this.#concurrency && definition.running < definition.concurrency;
  }

  #reserve(definition: Definition): void {
    this.#reserved++;
    definition.running++;
  }

  #free(definition: Definition): void {
    this.#reserved--;
    definition.running--;
  }

  /** Not the error itself: drivers hang the statement on it, with its values. */
  #warn(doing: string, error: unknown): void {
    this.#log.warn({ reason: error instanceof Error ? error.message : String(error) }, `${doing} failed`);
  }
}

/** Milliseconds until the next attempt, null for none. `attempt` counts from 1. */
function delayAfter({ attempt, error }: { attempt: number; error: Error }, retry: readonly number[]): number | null {
  const seconds = error instanceof InterruptedTooOften ? undefined : retry[attempt - 1];
  return seconds === undefined ? null : seconds * 1000;
}

function endOccurrence(job: Job): void {
  if (job.attrs.repeatInterval) (job.attrs as ClaimedJob).occurrenceOver = true;
}
