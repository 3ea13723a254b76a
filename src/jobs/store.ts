import { BaseMySqlPlatform, type SqlEntityManager } from '@mikro-orm/sql';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { JobColumns } from './row.ts';

export type JobsKysely = Kysely<{ jobs: JobColumns }>;

/** What this folder needs of a MikroORM: any SQL driver of it. */
export interface SqlOrm {
  readonly em: SqlEntityManager;
}

/** Joins the transaction that `em` is in. Values are bound, never written into the text. */
export const jobsIn = (em: SqlEntityManager): JobsKysely => em.getKysely() as unknown as JobsKysely;

export const isMySql = (em: SqlEntityManager): boolean => em.getPlatform() instanceof BaseMySqlPlatform;

/** The table, and the two clocks: the caller's, by which jobs fall due, and the database's, by which claims lapse. */
export class Store {
  readonly em: SqlEntityManager;
  readonly #now: () => Date;

  constructor(orm: SqlOrm, now: () => Date) {
    this.em = orm.em;
    this.#now = now;
  }

  /** Outside a transaction a statement of its own; within `em.transactional()` a part of that. */
  get db(): JobsKysely {
    return jobsIn(this.em);
  }

  now(): number {
    return this.#now().getTime();
  }

  /** Milliseconds by which the caller's clock is ahead of this process's. */
  skew(): number {
    return this.now() - Date.now();
  }

  /** Claims are compared on the database's time: with the nodes' own, one that runs ahead would take what others hold. */
  get databaseTime(): RawBuilder<number> {
    if (!isMySql(this.em)) return sql<number>`${Date.now()}`;
    return sql<number>`timestampdiff(microsecond, '1970-01-01', utc_timestamp(3)) div 1000`;
  }
}
