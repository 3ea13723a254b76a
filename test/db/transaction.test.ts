import { LockMode, OptimisticLockError } from '@mikro-orm/core';
import { expect } from 'chai';
import { Refusal } from '../../src/core/errors.ts';
import type { Database } from '../../src/db/orm.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, entities, Policy } from './entities.ts';

describe('a transaction', () => {
  let db: Database;
  let close: () => Promise<void>;

  before(async () => {
    ({ db, close } = await freshDatabase(entities));
  });
  after(() => close());

  const count = () => db.fork('system').count(Policy, {});

  it('commits what its work left in the unit of work', async () => {
    await transaction(db, acme, async em => em.create(Policy, { name: 'kept' }));
    expect(await count()).to.equal(1);
  });

  it('leaves nothing when its work throws, and throws the same', async () => {
    const error = new Refusal('conflict');
    const work = transaction(db, acme, async em => {
      await em.persist(em.create(Policy, { name: 'lost' })).flush();
      throw error;
    });
    expect(await rejection(work)).to.equal(error);
    expect(await count()).to.equal(1);
  });

  const contentions = {
    'a deadlock': { errno: 1213 },
    'a file that others hold locked': { code: 'SQLITE_BUSY', errcode: 5 },
  };
  for (const [what, facts] of Object.entries(contentions))
    it(`runs again as a whole after ${what}, and gives up as unavailable`, () => runsAgain(facts));

  async function runsAgain(facts: object): Promise<void> {
    let runs = 0;
    const contention = () => Object.assign(new Error('not now'), facts);
    await transaction(db, acme, async () => {
      if (++runs < 3) throw contention();
    });
    expect(runs).to.equal(3);
    const always = transaction(db, acme, async () => {
      throw contention();
    });
    expect(await rejection(always)).to.have.property('code', 'unavailable');
  }

  it('loses no update of many that read, change and write the same row', async () => {
    const add = async () =>
      transaction(db, acme, async em => {
        const policy = await em.findOneOrFail(Policy, { name: 'kept' }, { lockMode: LockMode.PESSIMISTIC_WRITE });
        policy.size += 1;
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect((await db.fork(acme).findOneOrFail(Policy, { name: 'kept' })).size).to.equal(20);
  });

  it('survives real deadlocks between transactions that lock in opposite order', async () => {
    await transaction(db, acme, async em => em.create(Policy, { name: 'other' }));
    const lock = async (first: string, second: string) =>
      transaction(db, acme, async em => {
        for (const name of [first, second]) {
          await em.nativeUpdate(Policy, { name }, { size: 1 });
          await new Promise(resolve => setImmediate(resolve));
        }
      });
    const both = [lock('kept', 'other'), lock('other', 'kept'), lock('kept', 'other'), lock('other', 'kept')];
    await Promise.all(both);
  });

  it('refuses another one inside itself at once, and lets what outlives it open its own', async () => {
    const inner = () => transaction(db, acme, em => em.count(Policy, {}));
    expect((await rejection(transaction(db, acme, inner))).message).to.contain('would wait for itself');
    let later: Promise<number> | undefined;
    await transaction(db, acme, async () => {
      later = new Promise(resolve => setTimeout(resolve, 20)).then(inner);
    });
    expect(await later).to.be.greaterThan(0);
  });

  it("says what the ORM complains of without the values that it quotes, whoever's they are", async () => {
    const complaints = await Promise.all([
      rejection(transaction(db, acme, async em => em.create(Policy, { name: null, note: 'secret' } as never))),
      rejection(read(db, acme, em => em.findOneOrFail(Policy, { name: 'secret' }))),
      rejection(read(db, acme, em => em.find(Policy, { unheardOf: 'secret' } as never))),
    ]);
    for (const { message, stack } of complaints) {
      expect(message).to.include('Policy');
      expect(stack).to.match(/\n {4}at /);
      expect(message + stack).not.to.include('secret');
    }
  });

  it('refuses a write that is based on an old version', async () => {
    const stale = db.fork(acme);
    const policy = await stale.findOneOrFail(Policy, { name: 'kept' });
    await transaction(db, acme, async em => {
      (await em.findOneOrFail(Policy, { name: 'kept' })).note = 'newer';
    });
    policy.note = 'older';
    expect(await rejection(stale.flush())).to.be.instanceOf(OptimisticLockError);
  });
});
