import type { EntityName, FilterQuery, QueryOrderMap } from '@mikro-orm/core';
import type { TenantEntityManager } from '../core/operation.ts';
import { decodeCursor, encodeCursor } from '../core/page.ts';
import type { Keyring } from '../core/seal.ts';

interface ListContext {
  readonly em: TenantEntityManager;
  readonly organization: { readonly id: string };
  readonly services: { readonly keyring: Keyring };
}

interface ListRequest<Entity> {
  /** The operation's SOAP name: a cursor is good for no other. */
  readonly operation: string;
  /** The parsed input; all of it but limit and cursor counts as filter. */
  readonly input: { readonly limit?: number | undefined; readonly cursor?: string | undefined };
  readonly where?: FilterQuery<Entity>;
  /** Newest first unless said otherwise. */
  readonly order?: 'newest' | 'oldest';
}

const defaultLimit = 50;

/**
 * One page of a list. Ids are time-ordered, so the id is the sort key: pages neither skip nor repeat rows when others are
 * added or removed between them.
 */
export async function page<Entity extends { id: string }>(
  { em, organization, services }: ListContext,
  entity: EntityName<Entity>,
  { operation, input, where = {} as FilterQuery<Entity>, order = 'newest' }: ListRequest<Entity>,
): Promise<{ rows: Entity[]; next_cursor: string | null }> {
  const { limit = defaultLimit, cursor, ...filter } = input;
  const scope = { operation, organization: organization.id, filter, sort: order };
  const after = cursor === undefined ? undefined : decodeCursor(services.keyring, scope, cursor);
  const rows = await em.find(entity, withPosition(where, after, order), {
    orderBy: { id: order === 'newest' ? 'desc' : 'asc' } as QueryOrderMap<Entity>,
    limit: limit + 1,
  });
  const shown = rows.slice(0, limit);
  const more = rows.length > limit;
  return { rows: shown, next_cursor: more ? encodeCursor(services.keyring, scope, shown.at(-1)!.id) : null };
}

function withPosition<Entity>(where: FilterQuery<Entity>, after: string | undefined, order: 'newest' | 'oldest') {
  if (after === undefined) return where;
  return { $and: [where, { id: order === 'newest' ? { $lt: after } : { $gt: after } }] } as FilterQuery<Entity>;
}
