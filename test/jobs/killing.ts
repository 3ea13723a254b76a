import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sql';
import { type Kysely, sql } from 'kysely';
import { enqueue } from '../../src/jobs/enqueue.ts';
import { JobRunner } from '../../src/jobs/runner.ts';
import { jobsDatabase } from './database.ts';

interface Effects {
  effects: { job: string; kind: 'once' | 'plain' };
}

export const effectsIn = (em: SqlEntityManager): Kysely<Effects> => em.getKysely() as unknown as Kysely<Effects>;

export interface KillingReport {
  /** Jobs that came to their end, and those left waiting, claimed or failed. */
  readonly finished: number;
  readonly left: { due: number; running: number; failed: number };
  /** Effects made through `runOnce`, and the different jobs that they belong to. */
  readonly once: { made: number; jobs: number };
  /** Effects made without it: more than the jobs where a job ran twice. */
  readonly plain: number;
  readonly secondsAfterKill: number;
  readonly jobsPerSecond: number;
  /** Exit code of the node that was not killed, stopped at the end. */
  readonly exitCode: number | null;
}

/** Two processes share the jobs of one database; one of them is killed when a third is done. */
export async function killOneOfTwo(jobs: number, lockLifetime: number): Promise<KillingReport> {
  const database = await jobsDatabase();
  const { orm, url } = database;
  const observer = new JobRunner({ orm, log: console });
  await effectsIn(orm.em)
    .schema.createTable('effects')
    .addColumn('job', 'varchar(40)')
    .addColumn('kind', 'varchar(5)')
    .execute();
  const nodes = [startNode(url, lockLifetime), startNode(url, lockLifetime)] as const;
  try {
    await Promise.all(nodes.map(node => once(node.stdout, 'data')));
    await orm.em.fork().transactional(async em => {
      for (let n = 0; n < jobs; n++) await enqueue(em as SqlEntityManager, 'work', { n });
    });
    const startedAt = performance.now();
    await until(async () => (await finishedOf(observer)) >= jobs / 3);
    nodes[0].kill('SIGKILL');
    const killedAt = performance.now();
    await until(async () => (await finishedOf(observer)) >= jobs);
    const endedAt = performance.now();
    nodes[1].stdin.end();
    const [exitCode] = await once(nodes[1], 'exit');

    const { due, running, failed } = await observer.statistics();
    return {
      finished: await finishedOf(observer),
      left: { due, running, failed },
      once: await countEffects(orm.em, 'once'),
      plain: (await countEffects(orm.em, 'plain')).made,
      secondsAfterKill: (endedAt - killedAt) / 1000,
      jobsPerSecond: (jobs / (endedAt - startedAt)) * 1000,
      exitCode,
    };
  } finally {
    for (const node of nodes) node.kill('SIGKILL');
    await database.drop();
  }
}

function startNode(url: string, lockLifetime: number): ChildProcessByStdio<Writable, Readable, null> {
  const worker = join(import.meta.dirname, 'worker.ts');
  return spawn(process.execPath, [worker, url, String(lockLifetime)], { stdio: ['pipe', 'pipe', 'inherit'] });
}

const finishedOf = async (runner: JobRunner): Promise<number> =>
  (await runner.agenda.queryJobs({ name: 'work', state: 'completed', limit: 1 })).total;

async function countEffects(em: SqlEntityManager, kind: 'once' | 'plain') {
  const query = effectsIn(em)
    .selectFrom('effects')
    .select([sql<number>`count(*)`.as('made'), sql<number>`count(distinct job)`.as('jobs')])
    .where('kind', '=', kind);
  const { made, jobs } = await query.executeTakeFirstOrThrow();
  return { made: Number(made), jobs: Number(jobs) };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('the jobs did not finish in two minutes');
    await sleep(20);
  }
}
