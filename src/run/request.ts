import type { Caller } from '../core/caller.ts';
import type { EnqueueOptions, Operation } from '../core/operation.ts';
import type { Services } from '../core/services.ts';
import type { Database, EntityManager } from '../db/orm.ts';

export type Output = Record<string, unknown>;
export type Organization = { readonly id: string; readonly path: string };
export type Enqueue = (
  em: EntityManager,
  job: string,
  data: Record<string, unknown>,
  options?: EnqueueOptions,
) => Promise<void>;

/** What the one path in is built from. */
export interface Parts {
  readonly db: Database;
  readonly services: Services;
  readonly operations: readonly Operation[];
  readonly enqueue: Enqueue;
}

/** A request that passed scope and parsing, on its way into the transaction. */
export interface Request {
  readonly op: Operation;
  readonly caller: Caller;
  readonly organization: Organization;
  readonly input: Record<string, unknown>;
}
