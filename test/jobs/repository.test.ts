import { Agenda, type JobParameters } from 'agenda';
import { expect } from 'chai';
import { SqlBackend } from '../../src/jobs/backend.ts';
import { type JobsDatabase, jobsDatabase } from './database.ts';

describe('the job repository', () => {
  let database: JobsDatabase;
  let backend: SqlBackend;
  let agenda: Agenda;

  before(async () => {
    database = await jobsDatabase();
    backend = new SqlBackend({ orm: database.orm });
    agenda = new Agenda({ backend });
  });
  beforeEach(() => backend.repository.purgeAllJobs());
  after(() => database.drop());

  const save = (job: Partial<JobParameters>) =>
    backend.repository.saveJob({
      name: 'work',
      priority: 0,
      type: 'normal',
      data: null,
      nextRunAt: new Date(),
      ...job,
    });
  const finished = (job: JobParameters, more: Partial<JobParameters>) =>
    backend.repository.saveJobState({ ...job, nextRunAt: null, lastFinishedAt: new Date(), ...more });
  const idsOf = (jobs: JobParameters[]) => jobs.map(job => job._id);

  it('keeps every member that a job is made of', async () => {
    const job = {
      name: 'all of it',
      type: 'normal' as const,
      priority: -5,
      data: { text: "O'Brien \\ 😀", list: [1, null], at: '2026-01-01' },
      nextRunAt: new Date('2030-01-01T00:00:00.123Z'),
      repeatInterval: '0 6 * * *',
      repeatTimezone: 'Europe/Berlin',
      startDate: new Date('2029-01-01T00:00:00.456Z'),
      endDate: new Date('2031-01-01T00:00:00.789Z'),
      skipDays: [0, 6],
      fork: true,
      disabled: true,
    };
    const { _id } = await backend.repository.saveJob(job);
    expect(await backend.repository.getJobById(String(_id))).to.deep.include(job);
  });

  it('keeps one row when twenty nodes schedule the same recurring job at once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => agenda.every('1 minute', 'chain')));
    expect((await agenda.queryJobs({ name: 'chain' })).total).to.equal(1);
  });

  it('keeps the next run of a recurring job over restarts, unless its interval changed', async () => {
    const single = { name: 'chain', type: 'single' as const, repeatInterval: '60000' };
    const planned = new Date(Date.now() + 50_000);
    const { _id } = await save({ ...single, nextRunAt: planned });
    await save({ ...single, nextRunAt: new Date() });
    expect((await backend.repository.getJobById(String(_id)))?.nextRunAt).to.deep.equal(planned);
    const now = new Date();
    await save({ ...single, repeatInterval: '1000', nextRunAt: now });
    expect((await backend.repository.getJobById(String(_id)))?.nextRunAt).to.deep.equal(now);
  });

  it('keeps one row per unique query when twenty callers save at once', async () => {
    const unique = { 'data.user': 7 };
    await Promise.all(Array.from({ length: 20 }, (_, n) => save({ data: { user: 7, n }, unique })));
    expect((await backend.repository.queryJobs()).total).to.equal(1);
  });

  it('removes, disables and enables what a filter names, and nothing for a filter that names nothing', async () => {
    const [a, b] = [await save({ name: 'a', data: { user: 1, deep: { x: 1, y: 2 } } }), await save({ name: 'b' })];
    expect(await backend.repository.removeJobs({})).to.equal(0);
    expect(await backend.repository.removeJobs({ ids: [], names: [] })).to.equal(0);
    expect(await backend.repository.removeJobs({ data: { user: 2 } })).to.equal(0);
    expect(await backend.repository.disableJobs({ notNames: ['a'] })).to.equal(1);
    expect((await backend.repository.getJobById(String(b._id)))?.disabled).to.equal(true);
    expect(await backend.repository.enableJobs({ id: b._id! })).to.equal(1);
    expect(await backend.repository.removeJobs({ name: 'b', data: { deep: { x: 1 } } })).to.equal(0);
    expect(await backend.repository.removeJobs({ data: { deep: { x: 1 } } })).to.equal(1);
    expect(idsOf((await backend.repository.queryJobs()).jobs)).to.deep.equal([b._id]);
    expect(a._id).not.to.equal(b._id);
  });

  it('finds each job under the state that Agenda computes for it', async () => {
    const past = new Date(Date.now() - 60_000);
    await finished(await save({ name: 'completed' }), {});
    // Agenda writes one instant into both.
    const end = new Date();
    await finished(await save({ name: 'failed' }), { failedAt: end, lastFinishedAt: end, failCount: 1 });
    await save({ name: 'queued', nextRunAt: past });
    await save({ name: 'scheduled', nextRunAt: new Date(Date.now() + 60_000) });
    await save({ name: 'repeating', repeatInterval: '5 minutes' });
    const running = await save({ name: 'running', nextRunAt: past });
    await backend.repository.lockJob(running);

    const { jobs } = await backend.repository.queryJobs();
    expect(Object.fromEntries(jobs.map(job => [job.name, job.state]))).to.deep.equal(
      Object.fromEntries(jobs.map(job => [job.name, job.name])),
    );
    for (const job of jobs) {
      const found = await backend.repository.queryJobs({ state: job.state });
      expect(found, job.state).to.deep.include({ total: 1 });
      expect(found.jobs[0]!.name).to.equal(job.state);
    }
    for (const overview of await backend.repository.getJobsOverview()) {
      expect(overview).to.deep.include({ total: 1, [overview.name]: 1, paused: 0 });
    }
  });

  it('pages in the asked order with jobs that have no value last, and counts them all', async () => {
    const times = [30, null, 10, 20].map(s => (s === null ? null : new Date(Date.now() + s * 1000)));
    for (const [n, nextRunAt] of times.entries()) await save({ nextRunAt, priority: n });
    const order = async (sort: object) =>
      (await backend.repository.queryJobs({ sort })).jobs.map(({ priority }) => priority);
    expect(await order({ nextRunAt: 'asc' })).to.deep.equal([2, 3, 0, 1]);
    expect(await order({ nextRunAt: 'desc' })).to.deep.equal([0, 3, 2, 1]);
    const page = await backend.repository.queryJobs({ sort: { nextRunAt: 'asc' }, skip: 1, limit: 2 });
    expect(page.total).to.equal(4);
    expect(page.jobs.map(({ priority }) => priority)).to.deep.equal([3, 0]);
    expect((await backend.repository.queryJobs({ skip: 3 })).jobs).to.have.length(1);
  });

  it('searches names without regard to case, and takes what looks like SQL for text', async () => {
    await save({ name: "Bobby'); drop table jobs; --" });
    expect((await backend.repository.queryJobs({ search: "bobby')" })).total).to.equal(1);
    expect((await backend.repository.queryJobs({ name: "' or 1=1 -- " })).total).to.equal(0);
  });

  it('writes the end of a run whatever was thrown', async () => {
    const job = await save({});
    const reason = { code: 7 } as unknown as string;
    await finished(job, { failedAt: new Date(), failCount: 1, failReason: reason });
    expect((await backend.repository.getJobById(String(job._id)))?.failReason).to.equal('{"code":7}');
  });
});
