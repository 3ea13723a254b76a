/** The kill test in full: `node test/jobs/soak.ts [jobs] [trials]`. Fails when a job is lost or an effect doubled. */
import { killOneOfTwo } from './killing.ts';

const jobs = Number(process.argv[2] ?? 2000);
const trials = Number(process.argv[3] ?? 1);
for (let trial = 1; trial <= trials; trial++) {
  const report = await killOneOfTwo(jobs, 3000);
  const { finished, left, once, exitCode } = report;
  const held = finished === jobs && once.made === jobs && once.jobs === jobs && left.running === 0 && exitCode === 0;
  console.log(JSON.stringify({ trial, held, jobs, ...report }));
  if (!held) process.exitCode = 1;
}
