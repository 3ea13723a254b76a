/** A node of its own process: `node worker.ts <database url> <lock lifetime in ms>`. Says `ready`, ends when its input does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sql';
import { JobRunner } from '../../src/jobs/runner.ts';
import { openJobs } from './database.ts';
import { effectsIn } from './killing.ts';

const [url, lockLifetime] = process.argv.slice(2);
const orm = await openJobs(url!);
const runner = new JobRunner({ orm, lockLifetime: Number(lockLifetime), log: console });

const record = (em: SqlEntityManager, job: string, kind: 'once' | 'plain') =>
  effectsIn(em).insertInto('effects').values({ job, kind }).execute();

runner.define(
  'work',
  async run => {
    await record(orm.em, run.id, 'plain');
    await run.runOnce(em => record(em, run.id, 'once'));
    // Between the effect and the end of the job: where a kill does the most harm.
    await sleep(Math.random() * 10);
  },
  { concurrency: 10, retry: [1, 1, 1] },
);

process.stdin.on('end', async () => {
  await runner.stop();
  await orm.close();
});
process.stdin.resume();
await runner.start();
console.log('ready');
