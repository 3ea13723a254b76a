import type { TenantEntityManager } from '../../core/operation.ts';
import { deleteBlob } from '../../db/blobs.ts';
import { AuthorizationRequest } from './entities.ts';

type State = AuthorizationRequest['state'];
type End = Exclude<State, 'pending' | 'approved'>;

/** What must still hold of the request for it to end so. */
interface Open {
  readonly state: 'pending' | 'approved';
  readonly expiresAt?: { $gt: Date } | { $lte: Date };
  readonly decidedAt?: { $lt: Date };
}

interface Change {
  readonly state: End;
  readonly reason?: string;
  readonly decidedAt?: Date;
  readonly finishedAt?: Date;
}

/**
 * The last arrow of a held request: of all that try, one takes it. The input goes with it, since nothing can run it any
 * more; what was asked and what it came to stay readable.
 */
export async function end(
  em: Pick<TenantEntityManager, 'nativeUpdate' | 'nativeDelete'>,
  { id, organizationId, inputBlob }: Pick<AuthorizationRequest, 'id' | 'organizationId' | 'inputBlob'>,
  open: Open,
  change: Change,
): Promise<boolean> {
  const taken = (await em.nativeUpdate(AuthorizationRequest, { id, ...open }, change)) === 1;
  if (taken) await deleteBlob(em, organizationId, inputBlob);
  return taken;
}

const mostAtOnce = 200;

/** Ends what is open in this way, the oldest first, a bounded number: each takes its input with it. */
export async function endAll(
  em: Pick<TenantEntityManager, 'find' | 'nativeUpdate' | 'nativeDelete'>,
  open: Open,
  change: Change,
): Promise<void> {
  const rows = await em.find(AuthorizationRequest, open, {
    orderBy: { id: 'asc' },
    limit: mostAtOnce,
    fields: ['id', 'organizationId', 'inputBlob'],
  });
  for (const row of rows) await end(em, row, open, change);
}
