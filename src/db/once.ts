import { createHash } from 'node:crypto';
import { defineEntity } from '@mikro-orm/core';
import { hash, integer } from './columns.ts';
import type { Database } from './orm.ts';
import { insertIfAbsent } from './statements.ts';
import { presentable } from './transaction.ts';

/** A nonce or replay key that has been used: kept as a hash, so that a long or odd key costs no more than a short one. */
export const UsedKey = defineEntity({
  name: 'UsedKey',
  tableName: 'used_keys',
  properties: { key: hash().primary(), expiresAt: integer().index() },
});

interface Row {
  readonly key: string;
  readonly expires_at: number;
}

interface Waiting {
  readonly row: Row;
  readonly resolve: (first: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Says of a key whether this is its first use, on any node. The use is committed by itself before the answer, so that what
 * follows may fail without making the key usable again. When the database cannot say, it throws: fail closed.
 */
export class UsedOnce {
  readonly #db: Database;
  #waiting: Waiting[] = [];

  constructor(db: Database) {
    this.#db = db;
  }

  /** True the first time. `kind` keeps namespaces apart; the key is forgotten some time after `expiresAt`. */
  use(kind: string, key: Buffer | string, expiresAt: Date): Promise<boolean> {
    const row = { key: digest(kind, key), expires_at: expiresAt.getTime() };
    return this.#db.kind === 'sqlite' ? this.#join(row) : this.#insert(row);
  }

  async #insert(row: Row): Promise<boolean> {
    try {
      return (await insertIfAbsent(this.#db, 'used_keys', { ...row })) === 1;
    } catch (error) {
      throw presentable(error);
    }
  }

  /** On SQLite a commit is a wait for the disk: the uses of one turn of the event loop share it. */
  #join(row: Row): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => void this.#commit());
    });
  }

  async #commit(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      const inserted = await this.#insertAll(batch.map(({ row }) => row));
      // `delete` answers true once: of equal keys in one batch only one is the first.
      for (const { row, resolve } of batch) resolve(inserted.delete(row.key));
    } catch (error) {
      for (const { reject } of batch) reject(presentable(error));
    }
  }

  async #insertAll(rows: readonly Row[]): Promise<Set<string>> {
    const inserted = await this.#db
      .kysely<{ used_keys: Row }>()
      .insertInto('used_keys')
      .values(rows)
      .onConflict(conflict => conflict.doNothing())
      .returning('key')
      .execute();
    return new Set(inserted.map(({ key }) => key));
  }

  /** Forgets what has expired, with an hour to spare for clocks that differ. Answers how many. */
  async purge(): Promise<number> {
    const latest = (await this.#db.now()).getTime() - 3_600_000;
    const { numDeletedRows } = await this.#db
      .kysely<{ used_keys: Row }>()
      .deleteFrom('used_keys')
      .where('expires_at', '<', latest)
      .executeTakeFirst();
    return Number(numDeletedRows);
  }
}

const digest = (kind: string, key: Buffer | string): string =>
  createHash('sha256').update(`${kind}\0`).update(key).digest('hex');
