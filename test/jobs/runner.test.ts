import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sql';
import { expect } from 'chai';
import { SqlBackend } from '../../src/jobs/backend.ts';
import { LockLost } from '../../src/jobs/claims.ts';
import { enqueue } from '../../src/jobs/enqueue.ts';
import { JobRunner, type JobRunnerOptions } from '../../src/jobs/runner.ts';
import { type JobsDatabase, jobsDatabase } from './database.ts';

describe('the job runner', () => {
  let database: JobsDatabase;
  let outcomes: string[];
  let warnings: object[];
  let runners: JobRunner[];

  before(async () => {
    database = await jobsDatabase();
  });
  beforeEach(async () => {
    outcomes = [];
    warnings = [];
    runners = [];
    await new SqlBackend({ orm: database.orm }).repository.purgeAllJobs();
  });
  afterEach(() => Promise.all(runners.map(runner => runner.stop(0))));
  after(() => database.drop());

  function newRunner(options: Partial<JobRunnerOptions> = {}): JobRunner {
    const runner = new JobRunner({
      orm: database.orm,
      tick: 20,
      log: { warn: details => warnings.push(details) },
      onOutcome: (name, outcome) => name.startsWith('jobs.') || outcomes.push(outcome),
      ...options,
    });
    runners.push(runner);
    return runner;
  }
  const add = (name: string, data: unknown = null, at?: Date) =>
    database.orm.em.fork().transactional(em => enqueue(em as SqlEntityManager, name, data, { at }));
  const row = async (runner: JobRunner, name: string) => (await runner.agenda.queryJobs({ name })).jobs[0]!;
  const timers = () => process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length;

  it('gives a handler its data, its attempt and a signal', async () => {
    const runner = newRunner();
    const runs: unknown[] = [];
    runner.define('work', async ({ id, name, data, attempt, signal }) => {
      runs.push({ id: typeof id, name, data, attempt, aborted: signal.aborted });
    });
    await add('work', { a: ['ü', 1] });
    await runner.drain();
    expect(runs).to.deep.equal([{ id: 'string', name: 'work', data: { a: ['ü', 1] }, attempt: 1, aborted: false }]);
    expect(outcomes).to.deep.equal(['succeeded']);
  });

  it('tries a failed job again after each of the given delays, then leaves it failed and counted', async () => {
    let now = Date.now();
    const runner = newRunner({ now: () => new Date(now) });
    const attempts: number[] = [];
    runner.define('work', run => Promise.reject(new Error(`attempt ${attempts.push(run.attempt)}`)), {
      retry: [10, 60],
    });
    await add('work', null, new Date(now));
    for (const seconds of [0, 9, 2, 59, 2, 3600]) {
      now += seconds * 1000;
      await runner.drain();
    }
    expect(attempts).to.deep.equal([1, 2, 3]);
    expect(outcomes).to.deep.equal(['retried', 'retried', 'failed']);
    expect(await row(runner, 'work')).to.include({ state: 'failed', failReason: 'attempt 3', failCount: 3 });
    expect(await runner.statistics()).to.include({ due: 0, failed: 1, running: 0 });
    expect(warnings[2]).to.include({ job: 'work', outcome: 'failed', reason: 'attempt 3' });
  });

  it('counts what is no error as a failure too', async () => {
    const runner = newRunner();
    runner.define('work', () => Promise.reject(undefined));
    await add('work');
    await runner.drain();
    expect(outcomes).to.deep.equal(['failed']);
  });

  it('leaves jobs alone that it does not know', async () => {
    const runner = newRunner();
    await runner.start();
    await add('of another version');
    await runner.drain();
    expect((await row(runner, 'of another version')).state).to.equal('queued');
  });

  it('tells how many jobs are due and how late the oldest is', async () => {
    const runner = newRunner();
    await add('work', null, new Date(Date.now() - 90_000));
    await add('work', null, new Date(Date.now() + 90_000));
    const { due, lagSeconds } = await runner.statistics();
    expect(due).to.equal(1);
    expect(lagSeconds).to.be.within(90, 95);
  });

  it('runs no more at once than the node and the definition allow, and still runs all', async () => {
    const runner = newRunner({ concurrency: 4 });
    const atOnce = { one: 0, other: 0, all: 0 };
    const most = { ...atOnce };
    const names = ['one', 'other'] as const;
    for (const name of names) {
      const work = async () => {
        for (const key of [name, 'all'] as const) most[key] = Math.max(most[key], ++atOnce[key]);
        await sleep(20);
        for (const key of [name, 'all'] as const) atOnce[key]--;
      };
      runner.define(name, work, { concurrency: 3 });
    }
    for (let i = 0; i < 6; i++) await add('one');
    await runner.start();
    await runner.drain();
    expect(most, 'three by its definition').to.deep.equal({ one: 3, other: 0, all: 3 });
    await runner.stop();
    for (let i = 0; i < 12; i++) await add(names[i % 2]!);
    await runner.start();
    await runner.drain();
    expect(most.all, 'four by the node').to.equal(4);
    expect(outcomes).to.have.length(18);
  });

  it('keeps the lock of a job that outlives it, so that no other node runs it too', async () => {
    let runs = 0;
    for (const runner of [newRunner({ lockLifetime: 150 }), newRunner({ lockLifetime: 150 })]) {
      runner.define('long', () => sleep(600, runs++));
      await runner.start();
    }
    await add('long');
    while (outcomes.length === 0) await sleep(10);
    expect(runs).to.equal(1);
    expect(outcomes).to.deep.equal(['succeeded']);
  });

  it('tells a handler that lost its lock, and leaves the row to the new owner', async () => {
    const runner = newRunner({ lockLifetime: 90 });
    let reason: unknown;
    runner.define('work', async ({ signal }) => {
      await database.orm.em
        .getKysely<{ jobs: { lock_token: string } }>()
        .updateTable('jobs')
        .set({ lock_token: 'thief' })
        .execute();
      await new Promise(resolve => signal.addEventListener('abort', resolve));
      reason = signal.reason;
    });
    await add('work');
    await runner.drain();
    expect(reason).to.be.instanceOf(LockLost);
    expect(outcomes).to.deep.equal(['lost']);
    expect((await row(runner, 'work')).state).to.equal('running');
  });

  it('fails a job that took its node down five times instead of running it again', async () => {
    const runner = newRunner();
    let runs = 0;
    runner.define('poison', async () => runs++, { retry: [0, 0] });
    await add('poison');
    const dying = new SqlBackend({ orm: database.orm });
    for (let i = 0; i < 6; i++) {
      const job = await dying.claims.claimNext('poison', { dueBefore: Date.now(), lifetime: 1 });
      expect(job?.claim.interruptions).to.equal(i);
      await sleep(5);
    }
    await runner.drain();
    expect(runs).to.equal(0);
    expect(outcomes).to.deep.equal(['failed']);
  });

  it('writes the end of a run that the database refused at first, instead of running it twice', async () => {
    const runner = newRunner();
    let runs = 0;
    let refused = 0;
    runner.define('work', async () => {
      runs++;
      const { repository } = (runner.agenda as unknown as { backend: SqlBackend }).backend;
      const save = repository.saveJobState.bind(repository);
      repository.saveJobState = (job, ...rest) =>
        job.name === 'work' && refused++ < 2 ? Promise.reject(new Error('gone')) : save(job, ...rest);
    });
    await add('work');
    await runner.drain();
    expect({ runs, refused, outcomes }).to.deep.equal({ runs: 1, refused: 3, outcomes: ['succeeded'] });
    expect((await row(runner, 'work')).state).to.equal('completed');
  });

  describe('with recurring jobs', () => {
    it('runs one at its interval, once on all nodes together', async () => {
      let runs = 0;
      for (const runner of [newRunner(), newRunner()]) {
        runner.define('tick', async () => runs++, { every: 0.2 });
        await runner.start();
      }
      await sleep(700);
      await Promise.all(runners.map(runner => runner.stop()));
      expect(runs).to.be.within(3, 4);
    });

    it('runs one again at once that was killed, instead of at its next time', async () => {
      const runner = newRunner();
      let runs = 0;
      runner.define('nightly', async () => runs++, { every: 86_400 });
      await runner.agenda.every(86_400_000, 'nightly');
      const dying = new SqlBackend({ orm: database.orm });
      const started = (await dying.claims.claimNext('nightly', { dueBefore: Date.now(), lifetime: 1 }))!;
      const tomorrow = new Date(Date.now() + 86_400_000);
      await dying.repository.saveJobState({ ...started, lastRunAt: new Date(), nextRunAt: tomorrow });
      await sleep(5);
      await runner.drain();
      expect(runs).to.equal(1);
    });

    it('makes the effect once per occurrence: not again in a retry, but again the next time', async () => {
      let now = Date.now();
      const runner = newRunner({ now: () => new Date(now) });
      let effects = 0;
      let runs = 0;
      runner.define(
        'nightly',
        async run => {
          await run.runOnce(async () => effects++);
          if (runs++ % 2 === 0) throw new Error('after the effect');
        },
        { every: 86_400, retry: [60] },
      );
      for (const seconds of [0, 61, 86_400, 61]) {
        now += seconds * 1000;
        await runner.drain();
      }
      expect({ runs, effects }).to.deep.equal({ runs: 4, effects: 2 });
      expect(outcomes).to.deep.equal(['retried', 'succeeded', 'retried', 'succeeded']);
    });
  });

  describe('when it stops', () => {
    it('finishes the jobs in hand, takes no more, and leaves no claim and no timer', async () => {
      const runner = newRunner();
      let begun = 0;
      runner.define('work', () => sleep(100, begun++), { concurrency: 2 });
      for (let i = 0; i < 6; i++) await add('work');
      const before = timers();
      await add('work', null, new Date(Date.now() + 300));
      await runner.start();
      while (begun < 2) await sleep(1);
      expect(await runner.stop()).to.equal(0);
      expect(outcomes).to.deep.equal(['succeeded', 'succeeded']);
      expect(await runner.statistics()).to.include({ running: 0, due: 4 });
      expect(timers()).to.equal(before);
      await sleep(350);
      expect(outcomes, 'nothing starts afterwards').to.have.length(2);
    });

    it('tells jobs that outlast the deadline, and lets another node have what does not end', async () => {
      const runner = newRunner({ lockLifetime: 300 });
      let finish = () => {};
      let told: unknown;
      runner.define('endless', async ({ signal }) => {
        signal.addEventListener('abort', () => {
          told = signal.reason;
        });
        await new Promise<void>(resolve => {
          finish = resolve;
        });
      });
      await add('endless');
      await runner.start();
      while ((await runner.statistics()).running < 1) await sleep(1);
      expect(await runner.stop(20)).to.equal(1);
      expect(told).to.match(/stops/);

      const other = newRunner();
      other.define('endless', async () => {});
      await sleep(320);
      await other.drain();
      expect(outcomes).to.deep.equal(['succeeded']);
      finish();
    });

    it('waits for a claim that is just being made, and finishes that job too', async () => {
      const runner = newRunner();
      let claiming = false;
      const { claims } = (runner.agenda as unknown as { backend: SqlBackend }).backend;
      const claimNext = claims.claimNext.bind(claims);
      claims.claimNext = async (...args) => {
        claiming ||= args[0] === 'work';
        await sleep(50);
        return claimNext(...args);
      };
      runner.define('work', () => sleep(20));
      await add('work');
      await runner.start();
      while (!claiming) await sleep(1);
      await runner.stop();
      expect(outcomes).to.deep.equal(['succeeded']);
      expect(await runner.statistics()).to.include({ running: 0 });
    });

    it('can be stopped before it was started, and twice', async () => {
      const runner = newRunner();
      await runner.stop();
      await runner.start();
      expect([await runner.stop(), await runner.stop()]).to.deep.equal([0, 0]);
    });
  });

  it('removes done jobs after a day and failed ones after thirty, and nothing that still waits', async () => {
    const runner = newRunner();
    runner.define('fine', async () => {});
    runner.define('bad', () => Promise.reject(new Error('bad')));
    for (const name of ['fine', 'bad', 'waiting']) await add(name);
    await runner.drain();
    const age = async (days: number) => {
      const db = database.orm.em.getKysely<{ jobs: JobColumnsOfAge }>();
      await db
        .updateTable('jobs')
        .set({ last_finished_at: Date.now() - days * 86_400_000 - 1000 })
        .where('last_finished_at', 'is not', null)
        .execute();
      await db.updateTable('jobs').set({ next_run_at: Date.now() }).where('name', '=', 'jobs.purge').execute();
      await runner.drain();
      return (await runner.agenda.getJobsOverview()).map(({ name }) => name);
    };
    expect(await age(0.9)).to.deep.equal(['bad', 'fine', 'jobs.purge', 'waiting']);
    expect(await age(1)).to.deep.equal(['bad', 'jobs.purge', 'waiting']);
    expect(await age(30)).to.deep.equal(['jobs.purge', 'waiting']);
  });
});

type JobColumnsOfAge = { name: string; last_finished_at: number | null; next_run_at: number | null };
