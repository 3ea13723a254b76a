import type { EventSubscriber } from '@mikro-orm/core';
import { AllowedAddress } from '../areas/access/entities.ts';
import { AddressSet } from '../core/addresses.ts';
import type { Database } from '../db/orm.ts';
import { read } from '../db/transaction.ts';

const lookEveryMs = 1000;
/** A change that leaves count and newest row as they were is seen after this many looks. */
const looksPerReload = 30;

/**
 * The union of all allowlists, in memory: the outermost filter, passed before anything of a request is read. It may lag
 * behind the database by a second; what an address is allowed to do is asked of the database, later.
 */
export class AllowedAddresses {
  readonly #db: Database;
  readonly #onError: (error: unknown) => void;
  #set = new AddressSet([]);
  #seen = '';
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(db: Database, onError: (error: unknown) => void) {
    this.#db = db;
    this.#onError = onError;
  }

  has(address: string): boolean {
    return this.#set.has(address);
  }

  async start(): Promise<void> {
    this.#db.orm.em.getEventManager().registerSubscriber(this.#ownChanges());
    await this.reload();
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Takes every allowlist into use as it is now. */
  async reload(): Promise<void> {
    const rows = await read(this.#db, 'system', em => em.find(AllowedAddress, {}, { fields: ['cidr'] }));
    this.#set = new AddressSet(rows.map(row => row.cidr));
  }

  /** What this node changes counts here as soon as it is committed. */
  #ownChanges(): EventSubscriber {
    const changing = new WeakSet<object>();
    const reload = () => this.reload().catch(this.#onError);
    return {
      afterFlush: async ({ em, uow }) => {
        if (!uow.getChangeSets().some(change => change.meta.class === AllowedAddress.meta.class)) return;
        if (em.isInTransaction()) changing.add(em);
        else await reload();
      },
      afterTransactionCommit: async ({ em }) => {
        if (changing.delete(em)) await reload();
      },
    };
  }

  #look(): void {
    this.#looking = this.#looking.then(() => this.#reloadIfChanged()).catch(this.#onError);
  }

  async #reloadIfChanged(): Promise<void> {
    const seen = await this.#glimpse();
    this.#looks += 1;
    if (seen === this.#seen && this.#looks % looksPerReload !== 0) return;
    await this.reload();
    this.#seen = seen;
  }

  /** Ids are ordered in time, so that a new row is the last one. */
  async #glimpse(): Promise<string> {
    return read(this.#db, 'system', async em => {
      const count = await em.count(AllowedAddress, {});
      const [newest] = await em.find(AllowedAddress, {}, { orderBy: { id: 'desc' }, limit: 1, fields: ['id'] });
      return `${count} ${newest?.id}`;
    });
  }
}
