import { z } from 'zod';
import { endAll } from '../areas/approvals/ending.ts';
import { type JobDefinition, job } from '../core/job.ts';
import { transaction } from '../db/transaction.ts';
import { ask } from './ask.ts';
import { IdempotencyRecord } from './idempotency.ts';
import { askJob, executeJob, sweepJob } from './job-names.ts';
import type { Parts } from './request.ts';
import { notStarted, resume } from './resume.ts';

/** The approval flow's own jobs: they move held requests, so they work on them as the path in does, not through `act`. */
export function approvalJobs(parts: Parts): JobDefinition[] {
  return [
    job({
      name: askJob,
      data: z.object({ authorization_request_id: z.string(), webhook_id: z.string(), attempt: z.int() }),
      retry: [1, 2, 5, 10, 20],
      concurrency: 40,
      handle: (_context, data) => ask(parts, data),
    }),
    job({
      name: executeJob,
      data: z.object({ authorization_request_id: z.string() }),
      retry: [1, 2, 5, 15, 30, 60, 120, 240],
      concurrency: 10,
      handle: (_context, data) => resume(parts, data.authorization_request_id),
    }),
    job({
      name: sweepJob,
      data: z.object({}),
      retry: [],
      every: 30,
      handle: () => sweep(parts),
    }),
  ];
}

/** Nobody may be waiting any more: what is over is said to be over, and what is too old goes. */
async function sweep(parts: Parts): Promise<void> {
  const now = await parts.db.now();
  await transaction(parts.db, 'system', async em => {
    await endAll(em, { state: 'pending', expiresAt: { $lte: now } }, { state: 'expired', decidedAt: now });
    await endAll(em, notStarted(now), { state: 'lapsed', finishedAt: now });
    await em.nativeDelete(IdempotencyRecord, { expiresAt: { $lte: now } });
  });
}
