import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sql';
import { expect } from 'chai';
import { SqlBackend } from '../../src/jobs/backend.ts';
import { LockLost } from '../../src/jobs/claims.ts';
import { enqueue } from '../../src/jobs/enqueue.ts';
import { markEffect, runOnce } from '../../src/jobs/run-once.ts';
import { rejection } from '../kit/rejection.ts';
import { type JobsDatabase, jobsDatabase } from './database.ts';

describe('an effect that happens once', () => {
  let database: JobsDatabase;
  let backend: SqlBackend;

  before(async () => {
    database = await jobsDatabase();
    backend = new SqlBackend({ orm: database.orm });
  });
  beforeEach(() => backend.repository.purgeAllJobs());
  after(() => database.drop());

  const em = () => database.orm.em as SqlEntityManager;
  const transaction = <T>(work: (em: SqlEntityManager) => Promise<T>) =>
    em()
      .fork()
      .transactional(tx => work(tx as SqlEntityManager));
  /** The effect to look for: a row in the same database. */
  const effect = (tx: SqlEntityManager) => enqueue(tx, 'effect', null).then(() => 'made');
  const effects = async () => (await backend.repository.queryJobs({ name: 'effect' })).total;

  async function claimed(lifetime = 60_000) {
    const job = await backend.claims.claimNext('work', { dueBefore: Date.now(), lifetime });
    return job!.claim;
  }
  const add = () => transaction(tx => enqueue(tx, 'work', null));

  it('is made by the first run and left out by the next', async () => {
    await add();
    expect(await runOnce(em(), await claimed(1), effect)).to.equal('made');
    await sleep(5);
    expect(await runOnce(em(), await claimed(), effect)).to.equal(undefined);
    expect(await effects()).to.equal(1);
  });

  it('is open again when its transaction rolled back', async () => {
    await add();
    const claim = await claimed();
    const failing = runOnce(em(), claim, tx => effect(tx).then(() => Promise.reject(new Error('rolled back'))));
    expect(await rejection(failing)).to.match(/rolled back/);
    expect(await runOnce(em(), claim, effect)).to.equal('made');
    expect(await effects()).to.equal(1);
  });

  it('is refused to a run that lost its lock, whether it was made already or not', async () => {
    await add();
    const lost = await claimed(1);
    await sleep(5);
    const current = await claimed();
    expect(await rejection(runOnce(em(), lost, effect))).to.be.instanceOf(LockLost);
    await runOnce(em(), current, effect);
    expect(await rejection(runOnce(em(), lost, effect))).to.be.instanceOf(LockLost);
    expect(await effects()).to.equal(1);
  });

  it('is made once when two runs of one claim reach for it at the same time', async () => {
    await add();
    const claim = await claimed();
    const slow = (tx: SqlEntityManager) => effect(tx).then(async made => sleep(50, made));
    const results = await Promise.all([runOnce(em(), claim, slow), runOnce(em(), claim, slow)]);
    expect(results.sort()).to.deep.equal(['made', undefined]);
    expect(await effects()).to.equal(1);
  });

  it('can be part of a transaction of the caller, and of nothing less', async () => {
    await add();
    const claim = await claimed();
    expect(await rejection(markEffect(em().fork(), claim))).to.match(/in the transaction/);
    expect(await transaction(tx => markEffect(tx, claim))).to.equal(true);
    expect(await transaction(tx => markEffect(tx, claim))).to.equal(false);
  });
});
