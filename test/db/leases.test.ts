import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { acquireLease, releaseLease, renewLease, withLease } from '../../src/db/leases.ts';
import type { Database } from '../../src/db/orm.ts';
import { freshDatabase } from '../kit/database.ts';

describe('a lease', () => {
  let now: Date;
  let db: Database;
  let close: () => Promise<void>;

  before(async () => {
    now = new Date();
    ({ db, close } = await freshDatabase([], { now: () => now }));
  });
  after(() => close());

  it('has one holder, of many who ask at once', async () => {
    const leases = await Promise.all(Array.from({ length: 10 }, () => acquireLease(db, 'many', 1000)));
    expect(leases.filter(lease => lease !== undefined)).to.have.length(1);
  });

  it('passes on when its time is over, with a higher fencing number', async () => {
    const first = (await acquireLease(db, 'over', 1000))!;
    expect(await acquireLease(db, 'over', 1000)).to.equal(undefined);
    now = new Date(now.getTime() + 1000);
    const second = (await acquireLease(db, 'over', 1000))!;
    expect(second.fence).to.be.greaterThan(first.fence);
  });

  it('cannot be renewed or released by the holder that lost it', async () => {
    const first = (await acquireLease(db, 'lost', 1000))!;
    now = new Date(now.getTime() + 1000);
    const second = (await acquireLease(db, 'lost', 1000))!;
    expect(await renewLease(db, first, 1000)).to.equal(false);
    await releaseLease(db, first);
    expect(await acquireLease(db, 'lost', 1000)).to.equal(undefined);
    expect(await renewLease(db, second, 1000)).to.equal(true);
  });

  it('is free at once when it is released', async () => {
    await releaseLease(db, (await acquireLease(db, 'free', 60_000))!);
    expect(await acquireLease(db, 'free', 1000)).to.not.equal(undefined);
  });

  it('lets work that waits for it run one after the other', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
    };
    const runs = Array.from({ length: 4 }, () => withLease(db, 'turns', { ttlMs: 60_000, waitMs: 10_000 }, work));
    await Promise.all(runs);
    expect(most).to.equal(1);
  });

  it('answers undefined to work that must not wait', async () => {
    await acquireLease(db, 'busy', 60_000);
    expect(await withLease(db, 'busy', { ttlMs: 1000, waitMs: 0 }, async () => 'ran')).to.equal(undefined);
  });

  it('tells its holder when it was lost', async () => {
    const aborted = await withLease(db, 'robbed', { ttlMs: 30, waitMs: 0 }, async (_lease, signal) => {
      now = new Date(now.getTime() + 60);
      await acquireLease(db, 'robbed', 60_000);
      await sleep(60);
      return signal.aborted;
    });
    expect(aborted).to.equal(true);
  });
});
