import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { UsedKey, UsedOnce } from '../../src/db/once.ts';
import { type Database, openDatabase } from '../../src/db/orm.ts';
import { transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';

const later = new Date(Date.now() + 600_000);

describe('a key that may be used once', () => {
  let now: Date;
  let db: Database;
  let url: string;
  let close: () => Promise<void>;
  let once: UsedOnce;

  before(async () => {
    now = new Date();
    ({ db, url, close } = await freshDatabase([], { now: () => now }));
    once = new UsedOnce(db);
  });
  after(() => close());

  it('is new the first time and used from then on [BAS-015]', async () => {
    expect(await once.use('nonce', 'a', later)).to.equal(true);
    expect(await once.use('nonce', 'a', later)).to.equal(false);
    expect(await once.use('nonce', Buffer.from('a'), later)).to.equal(false);
  });

  it('is another one under another kind, in other case, with other accents and with a space behind', async () => {
    const keys = ['Résumé', 'Resume', 'résumé', 'Résumé '];
    const first = await Promise.all(keys.map(key => once.use('nonce', key, later)));
    expect(first).to.deep.equal([true, true, true, true]);
    expect(await once.use('replay', 'Résumé', later)).to.equal(true);
  });

  it('is new for exactly one of many who use it at once', async () => {
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 50 }, () => once.use('nonce', key, later)));
    expect(answers.filter(first => first)).to.have.length(1);
  });

  it('stays used when what follows is rolled back', async () => {
    const key = randomUUID();
    await once.use('nonce', key, later);
    const work = transaction(db, 'system', async em => {
      await em.nativeDelete(UsedKey, {});
      throw new Error('rolled back');
    });
    await rejection(work);
    expect(await once.use('nonce', key, later)).to.equal(false);
  });

  it('is used on one node when another used it', async () => {
    if (db.kind === 'sqlite') url = `sqlite:${db.orm.config.get('dbName')}`;
    const node = await openDatabase({ url, entities: [] });
    try {
      const key = randomUUID();
      const answers = await Promise.all([once.use('nonce', key, later), new UsedOnce(node).use('nonce', key, later)]);
      expect(answers.toSorted()).to.deep.equal([false, true]);
    } finally {
      await node.close();
    }
  });

  it('is forgotten after its expiry and an hour, not before', async () => {
    const key = randomUUID();
    await once.use('nonce', key, new Date(now.getTime() + 1000));
    now = new Date(now.getTime() + 1000 + 3_600_000);
    await once.purge();
    expect(await once.use('nonce', key, later)).to.equal(false);
    now = new Date(now.getTime() + 1);
    expect(await once.purge()).to.be.greaterThan(0);
    expect(await once.use('nonce', key, later)).to.equal(true);
  });

  it('is refused by throwing when the database is gone', async () => {
    const { db: gone, close: closeGone } = await freshDatabase();
    await closeGone();
    expect(await rejection(new UsedOnce(gone).use('nonce', 'a', later))).to.be.instanceOf(Error);
  });
});
