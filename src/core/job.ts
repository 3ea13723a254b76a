import type { EntityManager } from '@mikro-orm/sql';
import type { z } from 'zod';
import type { Actor } from './caller.ts';
import type { HandleContext } from './operation.ts';
import type { Services } from './services.ts';

/** What `act` gives: a handler's context without a caller. */
export type ActContext = Omit<HandleContext, 'caller' | 'operations'>;

/** Runs `fn` in a transaction bound to one organisation, with an audit row naming the actor. */
export type Act = <T>(organizationId: string, actor: Actor, fn: (context: ActContext) => Promise<T>) => Promise<T>;

export interface JobContext {
  readonly id: string;
  /** 1 on the first run. */
  readonly attempt: number;
  /** Fires when the node stops or the job has lost its lock. */
  readonly signal: AbortSignal;
  /** Like `act`, but the transaction also marks the job: its effect happens once even when the job runs twice. */
  actOnce<T>(organizationId: string, fn: (context: ActContext) => Promise<T>): Promise<T | undefined>;
  readonly act: Act;
  /** First statement of a transaction that the job opens itself; false when its effect is committed already. */
  markEffect(em: EntityManager): Promise<boolean>;
  readonly services: Services;
}

/** Work that follows a commit. Its data is parsed on arrival: a row of the jobs table is input like any other. */
export interface JobDefinition {
  /** `area.verb_noun`, as in tables and logs. */
  readonly name: string;
  readonly data: z.ZodObject;
  /** Seconds to wait before each retry; after the last the job stays `failed` and is counted. */
  readonly retry: readonly number[];
  readonly concurrency?: number;
  /** Runs every so many seconds on one node of the cluster, with empty data. */
  readonly every?: number;
  handle(context: JobContext, data: Record<string, unknown>): Promise<void>;
}

export function job<D extends z.ZodObject>(
  definition: Omit<JobDefinition, 'data' | 'handle'> & {
    data: D;
    handle(context: JobContext, data: z.output<D>): Promise<void>;
  },
): JobDefinition {
  return definition as unknown as JobDefinition;
}
