import type { TenantEntityManager } from '../../core/operation.ts';
import { deleteOwned } from '../../db/blobs.ts';
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

type Held = Pick<AuthorizationRequest, 'id' | 'organizationId'>;

/**
 * The last arrow of a held request: of all that try, one takes it. The input goes with it, since nothing can run it any
 * more; what was asked and what it came to stay readable.
 */
export async function end(
  em: Pick<TenantEntityManager, 'find' | 'nativeUpdate' | 'nativeDelete'>,
  held: Held,
  open: Open,
  change: Change,
): Promise<boolean> {
  const taken = await take(em, held, open, change);
  if (taken) await dropInput(em, held);
  return taken;
}

/** The arrow alone, for the one end at which the input is still needed. */
export async function take(
  em: Pick<TenantEntityManager, 'nativeUpdate'>,
  { id }: Held,
  open: Open,
  change: Change,
): Promise<boolean> {
  return (await em.nativeUpdate(AuthorizationRequest, { id, ...open }, change)) === 1;
}

/** The frozen input, and those of its files that nothing has adopted. */
export const dropInput = (
  em: Pick<TenantEntityManager, 'find' | 'nativeDelete'>,
  { id, organizationId }: Held,
): Promise<void> => deleteOwned(em, organizationId, id);

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
    fields: ['id', 'organizationId'],
  });
  for (const row of rows) await end(em, row, open, change);
}
