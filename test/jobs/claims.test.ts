import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { SqlBackend } from '../../src/jobs/backend.ts';
import { LockLost } from '../../src/jobs/claims.ts';
import { rejection } from '../kit/rejection.ts';
import { type JobsDatabase, jobsDatabase } from './database.ts';

describe('claims on jobs', () => {
  let database: JobsDatabase;
  let one: SqlBackend;
  let two: SqlBackend;
  const lifetime = 200;

  before(async () => {
    database = await jobsDatabase();
    one = new SqlBackend({ orm: database.orm });
    two = new SqlBackend({ orm: database.orm });
  });
  beforeEach(() => one.repository.purgeAllJobs());
  after(() => database.drop());

  const save = (name: string, nextRunAt = new Date(), more = {}) =>
    one.repository.saveJob({ name, priority: 0, type: 'normal', data: {}, nextRunAt, ...more });
  const claim = (backend: SqlBackend, name = 'work', dueBefore = Date.now()) =>
    backend.claims.claimNext(name, { dueBefore, lifetime });
  const stored = async (id: unknown) => (await one.repository.getJobById(String(id)))!;

  it('are given to one of many that reach for the same job at once', async () => {
    await save('work');
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => claim(i % 2 ? one : two)));
    expect(claims.filter(Boolean)).to.have.length(1);
  });

  it('are each given once when many reach for many', async () => {
    await Promise.all(Array.from({ length: 10 }, () => save('work')));
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => claim(i % 2 ? one : two)));
    const ids = claims.flatMap(job => (job ? [String(job._id)] : []));
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids.length).to.be.greaterThan(5);
  });

  it('go to the job that is due first, then to the higher priority, then to the older', async () => {
    const then = new Date(Date.now() - 1000);
    const older = await save('work', then);
    const important = await save('work', then, { priority: 10 });
    const first = await save('work', new Date(then.getTime() - 1000));
    const order = [await claim(one), await claim(one), await claim(one)].map(job => job!._id);
    expect(order).to.deep.equal([first._id, important._id, older._id]);
  });

  it('leave alone jobs that are disabled or not due', async () => {
    await save('work', new Date(Date.now() + 60_000));
    await save('work', new Date(), { disabled: true });
    expect(await claim(one)).to.equal(undefined);
    expect(await one.claims.dueNames()).to.deep.equal([]);
  });

  it('lapse when they are not renewed, and then fence off whoever held them', async () => {
    await save('work');
    const held = (await claim(one))!;
    expect(await claim(two), 'while it is held').to.equal(undefined);
    await sleep(lifetime + 20);
    const taken = (await claim(two))!;
    expect(taken.claim.interruptions).to.equal(1);

    const end = { ...held, lockedAt: undefined, nextRunAt: null, lastFinishedAt: new Date() };
    expect(await rejection(one.repository.saveJobState(end))).to.be.instanceOf(LockLost);
    expect(await rejection(one.claims.renew(held.claim))).to.be.instanceOf(LockLost);
    await one.claims.release([String(held._id)]);
    expect((await stored(held._id)).lockedAt, 'the new owner still holds it').to.be.instanceOf(Date);
    await two.claims.renew(taken.claim);
  });

  it('last as long as they are renewed', async () => {
    await save('work');
    const held = (await claim(one))!;
    for (let i = 0; i < 4; i++) {
      await sleep(lifetime / 2);
      await one.claims.renew(held.claim);
    }
    expect(await claim(two)).to.equal(undefined);
  });

  if (process.env.BASTION_TEST_DATABASE_URL?.startsWith('mysql:')) {
    it('are judged by the clock of the database server, not by that of a node that runs an hour ahead', async () => {
      await save('work');
      await claim(one);
      const realNow = Date.now;
      Date.now = () => realNow() + 3_600_000;
      const stolen = await claim(two).finally(() => {
        Date.now = realNow;
      });
      expect(stolen).to.equal(undefined);
    });
  }

  it('give a job back that was not started, and let a started one lapse at once', async () => {
    const waiting = await save('work');
    await claim(one);
    await one.claims.release([String(waiting._id)]);
    expect((await stored(waiting._id)).lockedAt).to.equal(undefined);

    const started = (await claim(one))!;
    await one.repository.saveJobState({ ...started, nextRunAt: null, lastRunAt: new Date() });
    await one.claims.release([String(started._id)]);
    expect((await claim(two))?._id, 'it is taken over').to.equal(started._id);
  });

  it('read the job as it is once it is held', async () => {
    const job = await save('work');
    await one.repository.saveJob({ ...job, data: { version: 2 } });
    expect((await claim(one))?.data).to.deep.equal({ version: 2 });
  });
});
