import type { TransactionEventArgs } from '@mikro-orm/core';
import type { AgendaBackend } from 'agenda';
import { Claims } from './claims.ts';
import { hasEnqueued, noteEnqueued } from './enqueue.ts';
import { Pump } from './pump.ts';
import { SqlJobRepository } from './repository.ts';
import { type SqlOrm, Store } from './store.ts';

export interface SqlBackendOptions {
  /** A connected MikroORM of any SQL driver, with `JobRow` among its entities and the table made. */
  readonly orm: SqlOrm;
  /** Milliseconds between looks for due jobs. A job enqueued on this node starts at once; those of other nodes within this. */
  readonly tick?: number;
  /** Milliseconds that a claim lasts without a renewal: how long the jobs of a killed node wait. */
  readonly lockLifetime?: number;
  /** When jobs fall due. */
  readonly now?: () => Date;
  /** Database failures in calls that Agenda does not await. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Jobs of Agenda 6 in a table of the application's own database: SQLite, MySQL or MariaDB. Claims are fenced by tokens, so that
 * a run which lost its lock writes nothing more; jobs can be enqueued in the transaction of the business they follow.
 */
export class SqlBackend implements AgendaBackend {
  readonly name = 'SQL';
  readonly ownsConnection = false;
  readonly repository: SqlJobRepository;
  readonly notificationChannel: Pump;
  readonly store: Store;
  readonly claims: Claims;

  constructor({
    orm,
    tick = 200,
    lockLifetime = 60_000,
    now = () => new Date(),
    onError = () => {},
  }: SqlBackendOptions) {
    this.store = new Store(orm, now);
    this.claims = new Claims(this.store);
    this.notificationChannel = new Pump(this.claims, tick);
    this.notificationChannel.on('error', onError);
    this.repository = new SqlJobRepository(this.store, this.claims, lockLifetime, {
      saved: () => noteEnqueued(this.store.em),
      // Not at once: the place of the job that ended is freed after this.
      finished: () => setImmediate(() => this.notificationChannel.kick()),
      failed: onError,
    });
    orm.em.getEventManager().registerSubscriber({
      afterTransactionCommit: ({ transaction }: TransactionEventArgs) => {
        if (transaction && hasEnqueued(transaction)) this.notificationChannel.kick();
      },
    });
  }

  /** The connection is the application's. */
  async connect(): Promise<void> {}

  async disconnect(): Promise<void> {
    await this.notificationChannel.disconnect();
  }
}
