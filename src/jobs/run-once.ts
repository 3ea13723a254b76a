import type { SqlEntityManager } from '@mikro-orm/sql';
import { LockLost } from './claims.ts';
import type { Claim } from './row.ts';
import { jobsIn } from './store.ts';

/**
 * Marks the job's effect as done, as the first statement of the transaction that `em` is in. Marker, fence and effect commit
 * together: a job that was killed after the commit, or is run by two nodes at once, has its effect once.
 *
 * The marked row stays locked for the rest of the transaction, so that a second run waits for its outcome.
 * @returns false when the effect is committed already: leave it out.
 * @throws LockLost when another node took the job over.
 * @throws Error outside a transaction.
 */
export async function markEffect(em: SqlEntityManager, claim: Claim): Promise<boolean> {
  if (!em.isInTransaction()) throw new Error('an effect is marked in the transaction that makes it');
  const db = jobsIn(em);
  const { numUpdatedRows } = await db
    .updateTable('jobs')
    .set({ effect_at: Date.now() })
    .where('id', '=', claim.id)
    .where('lock_token', '=', claim.token)
    .where('effect_at', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) return true;
  const row = await db.selectFrom('jobs').select('lock_token').where('id', '=', claim.id).executeTakeFirst();
  if (row?.lock_token !== claim.token) throw new LockLost(claim.id);
  return false;
}

/** Runs `effect` in a transaction of its own, once in the life of the job. Undefined when it is committed already. */
export function runOnce<T>(
  em: SqlEntityManager,
  claim: Claim,
  effect: (em: SqlEntityManager) => Promise<T>,
): Promise<T | undefined> {
  return em.fork().transactional(async tx => {
    const transaction = tx as SqlEntityManager;
    return (await markEffect(transaction, claim)) ? effect(transaction) : undefined;
  });
}
