import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sql';
import { type Agenda, Job } from 'agenda';
import type { SqlBackend } from './backend.ts';
import { LockLost } from './claims.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Claim, ClaimedJob } from './row.ts';
import { markEffect, runOnce } from './run-once.ts';

/** How a run ended: done; failed, to be tried again; failed for good; left to the node that holds the lock now. */
export type Outcome = 'succeeded' | 'retried' | 'failed' | 'lost';

/** What a handler is given. */
export interface JobRun<D = unknown> {
  readonly id: string;
  readonly name: string;
  readonly data: D;
  /** 1 on the first run. */
  readonly attempt: number;
  /** Fires when the job has lost its lock, and when the node stops and waits no longer. */
  readonly signal: AbortSignal;
  /** Runs `effect` in a transaction that also marks the job: once, even when the job runs again. Undefined when it was done. */
  runOnce<T>(effect: (em: SqlEntityManager) => Promise<T>): Promise<T | undefined>;
  /** The same within a transaction of the handler's own, as its first statement; false when the effect was done. */
  markEffect(em: SqlEntityManager): Promise<boolean>;
}

/** One run of one claimed job, from the claim to its end. */
export class Run {
  readonly job: Job;
  readonly #attrs: ClaimedJob;
  readonly #claim: Claim;
  readonly #backend: SqlBackend;
  readonly #heartbeat: Heartbeat;

  constructor(agenda: Agenda, backend: SqlBackend, claimed: ClaimedJob & { claim: Claim }) {
    this.job = new Job(agenda, claimed as ClaimedJob & { data: unknown }, true);
    this.#attrs = this.job.attrs as ClaimedJob;
    this.#claim = claimed.claim;
    this.#backend = backend;
    this.#heartbeat = new Heartbeat(backend.claims, claimed.claim);
  }

  /** Runs of this job that ended without a word: the node was killed, or cut off from the database. */
  get interruptions(): number {
    return this.#claim.interruptions;
  }

  forHandler(): JobRun {
    const { em } = this.#backend.store;
    return {
      id: this.#claim.id,
      name: this.job.attrs.name,
      data: this.job.attrs.data,
      attempt: (this.job.attrs.failCount ?? 0) + 1,
      signal: this.#heartbeat.signal,
      runOnce: effect => runOnce(em, this.#claim, effect),
      markEffect: tx => markEffect(tx, this.#claim),
    };
  }

  /** Never rejects. */
  async execute(): Promise<Outcome> {
    try {
      await this.job.run();
      return (await this.#settle()) ? this.#outcome() : 'lost';
    } catch {
      // The start could not be written, so nothing was run.
      await this.#backend.repository.unlockJob(this.#attrs);
      return 'lost';
    } finally {
      this.#heartbeat.stop();
    }
  }

  abort(reason: Error): void {
    this.#heartbeat.abort(reason);
  }

  /** Lets the claim lapse, for the next node to take the job over. */
  abandon(): void {
    this.#heartbeat.stop();
  }

  /** Agenda writes a run's end once and drops the error. A database that is away for a moment must not cost a second run. */
  async #settle(): Promise<boolean> {
    for (let wait = 100; this.#attrs.claim; wait = Math.min(wait * 2, 5000)) {
      if (!this.#heartbeat.holds) return false;
      try {
        await this.#backend.repository.saveJobState(this.#attrs);
      } catch (error) {
        if (error instanceof LockLost) return false;
        await sleep(wait);
      }
    }
    return true;
  }

  #outcome(): Outcome {
    const { failedAt, lastRunAt, nextRunAt, occurrenceOver } = this.#attrs;
    if (!failedAt || failedAt < lastRunAt!) return 'succeeded';
    return nextRunAt && !occurrenceOver ? 'retried' : 'failed';
  }
}
