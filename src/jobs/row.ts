import { defineEntity, p } from '@mikro-orm/core';
import type { JobId, JobParameters } from 'agenda';

/** Epoch milliseconds: a datetime column keeps another precision and another time zone on each database. */
const instant = () => p.bigint('number').nullable();
const text = () => p.text().columnType('mediumtext').nullable();

/**
 * The one table. `nextRunAt` null is a job at rest (done, or failed for good); `lockToken` names the claim that may write the
 * row; `effectAt` says that the effect of `runOnce` is committed; `againAt` asks for one more run after the present one.
 */
export const JobRow = defineEntity({
  name: 'JobRow',
  tableName: 'jobs',
  properties: {
    id: p.string().length(40).primary(),
    name: p.string().length(100),
    type: p.string().length(10),
    priority: p.integer(),
    data: text(),
    nextRunAt: instant(),
    repeatInterval: p.string().length(255).nullable(),
    schedule: text(),
    disabled: p.boolean().default(false),
    uniqueKey: p.string().length(64).nullable().unique('jobs_unique_key'),
    againAt: instant(),
    lockedAt: instant(),
    lockedUntil: instant(),
    lockToken: p.string().length(64).nullable(),
    interruptions: p.integer().default(0),
    effectAt: instant(),
    lastRunAt: instant(),
    lastFinishedAt: instant(),
    failedAt: instant(),
    failCount: p.integer().default(0),
    failReason: text(),
    progress: p.integer().nullable(),
    lastModifiedBy: p.string().length(255).nullable(),
  },
  indexes: [
    { name: 'jobs_due', properties: ['nextRunAt', 'name'] },
    { name: 'jobs_next', properties: ['name', 'nextRunAt'] },
    { name: 'jobs_locked', properties: ['lockedUntil', 'name'] },
    { name: 'jobs_finished', properties: ['lastFinishedAt'] },
  ],
});

/** The columns of `jobs` as the query builder reads and writes them. */
export interface JobColumns {
  id: string;
  name: string;
  type: string;
  priority: number;
  data: string | null;
  next_run_at: number | null;
  repeat_interval: string | null;
  /** JSON of the scheduling members that no query looks at. */
  schedule: string | null;
  disabled: number;
  unique_key: string | null;
  again_at: number | null;
  locked_at: number | null;
  locked_until: number | null;
  lock_token: string | null;
  interruptions: number;
  effect_at: number | null;
  last_run_at: number | null;
  last_finished_at: number | null;
  failed_at: number | null;
  fail_count: number;
  fail_reason: string | null;
  progress: number | null;
  last_modified_by: string | null;
}

/** The right to write one row, held by one run of the job. */
export interface Claim {
  readonly id: string;
  readonly token: string;
  /** Milliseconds that the claim lasts without a renewal. */
  readonly lifetime: number;
  /** How many runs of this job ended without a word: killed, or cut off from the database. */
  readonly interruptions: number;
}

/** Agenda hands a job's attributes back to the repository at every save; the claim travels among them. */
export interface ClaimedJob extends JobParameters {
  claim?: Claim;
  /** Of a recurring job: it succeeded, or will not be tried again before its next time. */
  occurrenceOver?: boolean;
}

/** Errors may quote what they choked on, at any length. */
const reasonLength = 2000;

export function toDefinitionColumns(job: JobParameters, skew: number) {
  return {
    name: job.name,
    type: job.type,
    priority: job.priority,
    data: job.data === undefined ? null : JSON.stringify(job.data),
    next_run_at: shifted(job.nextRunAt, skew),
    repeat_interval: job.repeatInterval == null ? null : String(job.repeatInterval),
    schedule: toSchedule(job),
    disabled: job.disabled ? 1 : 0,
  };
}

export function toStateColumns(job: JobParameters) {
  return {
    last_run_at: shifted(job.lastRunAt),
    last_finished_at: shifted(job.lastFinishedAt),
    failed_at: shifted(job.failedAt),
    fail_count: job.failCount ?? 0,
    fail_reason: job.failReason == null ? null : reasonText(job.failReason),
    progress: job.progress == null ? null : Math.round(job.progress),
  };
}

/** @param skew milliseconds that the given clock is ahead of this process's; Agenda only knows the latter. */
export function toJob(row: JobColumns, skew: number): JobParameters & { _id: JobId } {
  return {
    ...(row.schedule === null ? undefined : fromSchedule(row.schedule)),
    _id: row.id as JobId,
    name: row.name,
    type: row.type as JobParameters['type'],
    priority: row.priority,
    data: row.data === null ? undefined : JSON.parse(row.data),
    nextRunAt: instantOf(row.next_run_at, -skew) ?? null,
    repeatInterval: row.repeat_interval ?? undefined,
    disabled: Boolean(row.disabled),
    lockedAt: instantOf(row.locked_at),
    lastRunAt: instantOf(row.last_run_at),
    lastFinishedAt: instantOf(row.last_finished_at),
    failedAt: instantOf(row.failed_at),
    failCount: row.fail_count || undefined,
    failReason: row.fail_reason ?? undefined,
    progress: row.progress ?? undefined,
    lastModifiedBy: row.last_modified_by ?? undefined,
  };
}

const scheduleMembers = ['repeatTimezone', 'repeatAt', 'startDate', 'endDate', 'skipDays', 'fork', 'debounceStartedAt'];
const scheduleDates = new Set(['startDate', 'endDate', 'debounceStartedAt']);

function toSchedule(job: JobParameters): string | null {
  const members = Object.entries(job).filter(([key, value]) => scheduleMembers.includes(key) && value != null);
  return members.length === 0 ? null : JSON.stringify(Object.fromEntries(members));
}

function fromSchedule(json: string): Partial<JobParameters> {
  return JSON.parse(json, (key, value) => (scheduleDates.has(key) ? new Date(value) : value));
}

/** Agenda takes as a reason whatever was thrown; the end of a run must be written all the same. */
const reasonText = (reason: unknown): string =>
  (typeof reason === 'string' ? reason : (JSON.stringify(reason) ?? String(reason))).slice(0, reasonLength);

const shifted = (date: Date | null | undefined, skew = 0): number | null => (date ? date.getTime() + skew : null);

/** MySQL may give a BIGINT as text. */
const instantOf = (ms: number | string | null, skew = 0): Date | undefined =>
  ms === null ? undefined : new Date(Number(ms) + skew);
