import { expect } from 'chai';
import { killOneOfTwo } from './killing.ts';

describe('two nodes, one killed with SIGKILL', () => {
  it('finish all jobs, with the effect of each made once', async () => {
    const jobs = 100;
    const report = await killOneOfTwo(jobs, 1500);
    expect(report).to.deep.include({
      finished: jobs,
      left: { due: 0, running: 0, failed: 0 },
      once: { made: jobs, jobs },
      exitCode: 0,
    });
  }).timeout(60_000);
});
