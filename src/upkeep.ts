import { z } from 'zod';
import { AuthorizationRequest } from './areas/approvals/entities.ts';
import { signDetached } from './core/detached-signature.ts';
import { Refusal } from './core/errors.ts';
import { type JobDefinition, job } from './core/job.ts';
import type { Metrics } from './core/metrics.ts';
import type { Services } from './core/services.ts';
import { chainAudit } from './db/audit-chain.ts';
import { purgeUnowned } from './db/blobs.ts';
import { UsedOnce } from './db/once.ts';
import type { Database } from './db/orm.ts';
import { presentable, read } from './db/transaction.ts';
import type { JobRunner } from './jobs/runner.ts';

const chainEveryMs = 500;

/** Chains new audit rows within a second, on whichever node holds the lease; checkpoints go to the log as well. */
export function chainAuditTrail(db: Database, { identity, log }: Services): { stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  const round = async (): Promise<void> => {
    // Each time anew: the signing certificate may have been exchanged.
    const { thumbprint, privateKey } = identity;
    const signer = { thumbprint, sign: (statement: string) => signDetached(privateKey, statement) };
    const checkpoints = await chainAudit(db, signer);
    for (const checkpoint of checkpoints) log.info({ checkpoint }, 'audit checkpoint');
  };
  const failed = (cause: unknown): void => {
    const error = presentable(cause);
    // A busy database is caught up with in a second; the rows wait where they are.
    const level = error instanceof Refusal ? 'warn' : 'error';
    log[level]({ err: error }, 'the audit trail was not chained');
  };
  const timer = setInterval(() => {
    running = running.then(round).catch(failed);
  }, chainEveryMs);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    await running;
    // What happened until now has its place in the chain before the node goes.
    await round().catch(failed);
  };
  return { stop };
}

/** Forgets used nonces that nobody could replay any more. */
export function purgeUsedKeys(db: Database): JobDefinition {
  return job({
    name: 'gate.purge_used_keys',
    data: z.object({}),
    retry: [],
    every: 600,
    handle: async () => void (await new UsedOnce(db).purge()),
  });
}

/** Deletes the files of requests that were never finished. */
export function purgeUnownedBlobs(db: Database): JobDefinition {
  return job({
    name: 'blobs.purge_unowned',
    data: z.object({}),
    retry: [],
    every: 600,
    handle: () => purgeUnowned(db),
  });
}

/** Brings the gauges up to date. */
export async function measure(db: Database, runner: JobRunner, metrics: Metrics): Promise<void> {
  metrics.jobLag.set((await runner.statistics()).lagSeconds);
  const waiting = await read(db, 'system', em => em.count(AuthorizationRequest, { state: 'pending' }));
  metrics.approvalsWaiting.set(waiting);
}
