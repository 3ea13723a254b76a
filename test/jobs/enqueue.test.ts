import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sql';
import { expect } from 'chai';
import { type EnqueueOptions, enqueue } from '../../src/jobs/enqueue.ts';
import { JobRunner } from '../../src/jobs/runner.ts';
import { rejection } from '../kit/rejection.ts';
import { type JobsDatabase, jobsDatabase } from './database.ts';

describe('enqueueing a job', () => {
  let database: JobsDatabase;
  let runner: JobRunner;
  let seen: unknown[];

  before(async () => {
    database = await jobsDatabase();
  });
  beforeEach(async () => {
    seen = [];
    runner = newRunner();
    runner.define('note', async ({ data }) => seen.push(data));
    await runner.agenda.cancelAll();
  });
  afterEach(() => runner.stop());
  after(() => database.drop());

  const newRunner = (tick = 200) => new JobRunner({ orm: database.orm, tick, log: { warn: () => {} } });
  const business = <T>(work: (em: SqlEntityManager) => Promise<T>) =>
    database.orm.em.fork().transactional(em => work(em as SqlEntityManager));
  const add = (data: unknown, options?: EnqueueOptions) => business(em => enqueue(em, 'note', data, options));
  const rows = () => runner.agenda.queryJobs({ name: 'note' });

  it('makes the job exist if and only if the business commits', async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        business(async em => {
          await enqueue(em, 'note', n);
          if (n % 2) throw new Error('rolled back');
        }).catch(() => {}),
      ),
    );
    await runner.drain();
    expect(seen.sort()).to.deep.equal([0, 10, 12, 14, 16, 18, 2, 4, 6, 8]);
  });

  it('is refused outside a transaction', async () => {
    const outside = enqueue(database.orm.em.fork() as SqlEntityManager, 'note', 1);
    expect(await rejection(outside)).to.match(/outside a transaction/);
  });

  it('joins the transaction around a call of Agenda as well', async () => {
    await business(async () => {
      await runner.agenda.now('note', 'lost');
      throw new Error('rolled back');
    }).catch(() => {});
    await business(() => runner.agenda.now('note', 'kept'));
    await runner.drain();
    expect(seen).to.deep.equal(['kept']);
  });

  it('starts the job right after the commit, long before the next look at the table', async () => {
    await runner.stop();
    runner = newRunner(60_000);
    const started = new Promise<number>(resolve => runner.define('note', async () => resolve(performance.now())));
    await runner.start();
    await runner.drain();
    const committed = await business(em => enqueue(em, 'note', 1)).then(() => performance.now());
    expect((await started) - committed).to.be.lessThan(1000);
  });

  it('starts the job outside the transaction and the context of the caller', async () => {
    const request = new AsyncLocalStorage<string>();
    const ran = new Promise(resolve => {
      runner.define('note', async () => resolve([request.getStore(), database.orm.em.isInTransaction()]));
    });
    await runner.start();
    await request.run('request 1', () => business(em => enqueue(em, 'note', 1)));
    expect(await ran).to.deep.equal([undefined, false]);
  });

  it('waits until the job is due', async () => {
    await add('later', { at: new Date(Date.now() + 60_000) });
    await runner.drain();
    expect(seen).to.deep.equal([]);
    expect((await rows()).jobs[0]!.state).to.equal('scheduled');
  });

  it('with a key keeps one waiting job, with the latest data and the earliest time', async () => {
    await add(1, { unique: 'k', at: new Date(Date.now() + 60_000) });
    await add(2, { unique: 'k' });
    await add(3, { unique: 'k', at: new Date(Date.now() + 60_000) });
    await add('other', { unique: 'l' });
    await runner.drain();
    expect(seen).to.deep.equal([3, 'other']);
  });

  it('with a key keeps one waiting job when many transactions ask at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => add('same', { unique: 'k' })));
    await runner.drain();
    expect(seen).to.deep.equal(['same']);
  });

  it('with the key of a running job makes it run once more, never twice at a time', async () => {
    let atOnce = 0;
    runner.define('note', async ({ data }) => {
      expect(++atOnce).to.equal(1);
      seen.push(data);
      if (seen.length === 1) for (const n of [2, 3]) await add(n, { unique: 'k' });
      await sleep(20);
      atOnce--;
    });
    await runner.start();
    await add(1, { unique: 'k' });
    await runner.drain();
    expect(seen).to.deep.equal([1, 3]);
    expect((await rows()).jobs.map(({ state }) => state)).to.deep.equal(['completed']);
  });

  it('with the key of a finished job begins anew, with its effect to be made again', async () => {
    runner.define('note', run => run.runOnce(async () => seen.push(run.data)));
    for (const n of [1, 2]) {
      await add(n, { unique: 'k' });
      await runner.drain();
    }
    expect(seen).to.deep.equal([1, 2]);
  });

  it('with a key does not cut short the delay after a failure', async () => {
    let attempts = 0;
    runner.define('note', () => Promise.reject(new Error(`attempt ${++attempts}`)), { retry: [60] });
    await add(1, { unique: 'k' });
    await runner.drain();
    await add(2, { unique: 'k' });
    await runner.drain();
    expect(attempts).to.equal(1);
  });
});
