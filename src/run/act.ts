import { Organization } from '../areas/organizations/entities.ts';
import type { Actor } from '../core/caller.ts';
import type { ActContext } from '../core/job.ts';
import { writeAudit } from '../db/audit.ts';
import type { EntityManager } from '../db/orm.ts';
import { read, transaction } from '../db/transaction.ts';
import { contextOf } from './execute.ts';
import type { Parts } from './request.ts';

/** The transaction, filter and audit row of an operation, for whatever happens without a caller. */
export async function act<T>(
  parts: Parts,
  organizationId: string,
  actor: Actor,
  fn: (context: ActContext) => Promise<T>,
): Promise<T> {
  const organization = await organizationOf(parts, organizationId);
  return transaction(parts.db, organization, em => actIn(parts, em, organization, actor, fn));
}

/** The same inside a transaction that is open already and bound to the organisation. */
export async function actIn<T>(
  parts: Parts,
  em: EntityManager,
  organization: { id: string; path: string },
  actor: Actor,
  fn: (context: ActContext) => Promise<T>,
): Promise<T> {
  const result = await fn(contextOf(parts, organization, em));
  await em.flush();
  await writeAudit(em, {
    organizationId: organization.id,
    occurredAt: parts.services.clock.now(),
    operation: actor.name,
    door: actor.kind,
    outcome: 'done',
    actor: { kind: actor.kind, id: actor.name },
  });
  return result;
}

export async function organizationOf(parts: Parts, id: string): Promise<{ id: string; path: string }> {
  const { path } = await read(parts.db, 'system', em => em.findOneOrFail(Organization, { id }));
  return { id, path };
}
