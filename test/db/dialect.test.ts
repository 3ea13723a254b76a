import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { CompiledQuery, Kysely } from 'kysely';
import { SqliteDialect } from '../../src/db/dialect.ts';
import { rejection } from '../kit/rejection.ts';

interface Tables {
  notes: { id: number; text: string | null; data: Buffer | null };
}

describe('the SQLite dialect', () => {
  let folder: string;
  let db: Kysely<Tables>;
  const opened: Kysely<Tables>[] = [];

  const open = (lockTimeoutMs?: number) => {
    const node = new Kysely<Tables>({ dialect: new SqliteDialect(join(folder, 'test.db'), lockTimeoutMs) });
    opened.push(node);
    return node;
  };
  const raw = (sql: string, on = db) => on.executeQuery<Record<string, unknown>>(CompiledQuery.raw(sql));
  const insert = (id: number, on: Pick<Kysely<Tables>, 'insertInto'> = db) =>
    on
      .insertInto('notes')
      .values({ id, text: `note ${id}`, data: null })
      .execute();
  const ids = async (on: Pick<Kysely<Tables>, 'selectFrom'> = db) =>
    (await on.selectFrom('notes').select('id').orderBy('id').execute()).map(({ id }) => id);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bastion-dialect-'));
    db = open(200);
    await raw('create table notes (id integer primary key, text text, data blob)');
  });
  afterEach(async () => {
    for (const node of opened.splice(0)) await node.destroy();
    rmSync(folder, { recursive: true });
  });

  it('keeps what was committed through a power cut: WAL, synchronous full', async () => {
    expect((await raw('pragma journal_mode')).rows).to.deep.equal([{ journal_mode: 'wal' }]);
    expect((await raw('pragma synchronous')).rows).to.deep.equal([{ synchronous: 2 }]);
    expect((await raw('pragma foreign_keys')).rows).to.deep.equal([{ foreign_keys: 1 }]);
  });

  it('moves what was written into the file by a thread of its own', async () => {
    const body = Buffer.alloc(1024 * 1024, 7);
    await db.transaction().execute(async transaction => {
      for (let id = 1; id <= 24; id++) {
        await transaction.insertInto('notes').values({ id, text: null, data: body }).execute();
      }
    });
    const file = join(folder, 'test.db');
    const deadline = Date.now() + 10_000;
    while (statSync(file).size < 24 * body.length && Date.now() < deadline) await sleep(20);
    expect(statSync(file).size).to.be.greaterThan(24 * body.length);
    expect(await ids()).to.have.length(24);
  });

  it('reads during an open transaction without waiting, and sees what was committed', async () => {
    await insert(1);
    await db.transaction().execute(async transaction => {
      await insert(2, transaction);
      expect(await ids(transaction)).to.deep.equal([1, 2]);
      expect(await ids()).to.deep.equal([1]);
    });
    expect(await ids()).to.deep.equal([1, 2]);
  });

  it('gives bytes as Buffer, and takes booleans, instants and null', async () => {
    await db
      .insertInto('notes')
      .values({ id: 1, text: null, data: Buffer.from([0, 255]) })
      .execute();
    const { data, text } = await db.selectFrom('notes').selectAll().executeTakeFirstOrThrow();
    expect(Buffer.isBuffer(data) && data.equals(Buffer.from([0, 255]))).to.equal(true);
    expect(text).to.equal(null);
    const { rows } = await db.executeQuery(CompiledQuery.raw('select ? as yes, ? as at', [true, new Date(5)]));
    expect({ ...(rows[0] as object) }).to.deep.equal({ yes: 1, at: 5 });
  });

  it('lets writers take turns, in the order they came', async () => {
    const order: number[] = [];
    const turns = Array.from({ length: 5 }, (_, id) =>
      db.transaction().execute(async transaction => {
        await insert(id, transaction);
        await new Promise(resolve => setImmediate(resolve));
        order.push(id);
      }),
    );
    await Promise.all(turns);
    expect(order).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('ends the wait of a writer after the timeout, and serves the next', async () => {
    const error = await db.transaction().execute(() => rejection(insert(1)));
    expect(error).to.include({ code: 'SQLITE_BUSY', message: 'database is locked' });
    await insert(2);
    expect(await ids()).to.deep.equal([2]);
  });

  it('waits for another process that writes, without blocking this one', async () => {
    const other = open(2000);
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 5);
    const writing = db.transaction().execute(async transaction => {
      await insert(1, transaction);
      await new Promise(resolve => setTimeout(resolve, 100));
    });
    await new Promise(resolve => setImmediate(resolve));
    await insert(2, other);
    await writing;
    clearInterval(ticking);
    expect(await ids()).to.deep.equal([1, 2]);
    expect(ticks).to.be.greaterThan(5);
  });

  it('gives the turn on when a transaction is rolled back', async () => {
    const failing = db.transaction().execute(async transaction => {
      await insert(1, transaction);
      throw new Error('rolled back');
    });
    await rejection(failing);
    await insert(2);
    expect(await ids()).to.deep.equal([2]);
  });

  it('gives the turn on when SQLite itself ended the transaction', async () => {
    const failing = db.transaction().execute(async transaction => {
      await transaction.executeQuery(CompiledQuery.raw('insert or rollback into notes (id) values (1), (1)'));
    });
    await rejection(failing);
    await insert(2);
    expect(await ids()).to.deep.equal([2]);
  });

  it('rolls back to a savepoint', async () => {
    const transaction = await db.startTransaction().execute();
    await insert(1, transaction);
    const inner = await transaction.savepoint('inner').execute();
    await insert(2, inner);
    const outer = await inner.rollbackToSavepoint('inner').execute();
    await outer.commit().execute();
    expect(await ids()).to.deep.equal([1]);
  });

  it('refuses an integer that JavaScript would round', async () => {
    await raw('insert into notes (id) values (9007199254740993)');
    expect(await rejection(ids())).to.have.property('code', 'ERR_OUT_OF_RANGE');
  });
});
