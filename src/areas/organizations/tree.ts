import { LockMode } from '@mikro-orm/core';
import type { Caller } from '../../core/caller.ts';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import type { HandleContext, TenantEntityManager } from '../../core/operation.ts';
import { isWithinPath, withinPath } from '../../db/tenancy.ts';
import { Member, Organization } from './entities.ts';

/** Of the column: 22 generations. */
const longestPath = 700;

/** All beneath `path`, without itself. */
export function beneathPath(path: string) {
  return { path: { $gte: `${path}/`, $lt: `${path}0` } };
}

/** Whether the caller may work there: at the acting organisation or beneath it, where a bound key reaches nothing. */
export function reaches({ organization, key }: Pick<Caller, 'organization' | 'key'>, path: string): boolean {
  return path === organization.path || (!key.bound && isWithinPath(path, organization.path));
}

/**
 * The organisations, locked in one order, so that none of them moves before this transaction ends: a move locks all that
 * it carries along.
 */
async function lockOrganizations(em: TenantEntityManager, ...ids: string[]): Promise<Map<string, Organization>> {
  const rows = await em.find(
    Organization,
    { id: { $in: ids } },
    { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' }, refresh: true },
  );
  return new Map(rows.map(row => [row.id, row]));
}

/** The organisation that `em` is bound to, locked. */
export async function lockOrganization(em: TenantEntityManager, id: string): Promise<Organization> {
  const organization = (await lockOrganizations(em, id)).get(id);
  if (!organization) throw notFound();
  return organization;
}

/** The named parent, locked; 422 when it is none that the caller may hang an organisation under. */
export async function lockParent(
  { em, caller }: Pick<HandleContext, 'em' | 'caller'>,
  id: string,
): Promise<Organization> {
  const parent = (await lockOrganizations(em, id)).get(id);
  if (!parent || !reaches(caller, parent.path)) throw unknownParent();
  return parent;
}

const unknownParent = () => invalid('parent_id', 'names no organisation that this key reaches', 'unknown');

/** Where a new child of `parent` stands. */
export function pathBeneath(parent: Organization, id: string): string {
  return checkedPath(`${parent.path}/${id}`);
}

/** Hangs the organisation, with everything beneath it, under another parent; answers it, locked. */
export async function move(
  { em, caller }: Pick<HandleContext, 'em' | 'caller'>,
  organizationId: string,
  parentId: string,
): Promise<Organization> {
  if (organizationId === caller.organization.id) {
    throw new Refusal('conflict', 'An organisation cannot move itself; one above it can.');
  }
  const locked = await lockOrganizations(em, organizationId, parentId);
  const moved = locked.get(organizationId);
  const parent = locked.get(parentId);
  if (!moved || !reaches(caller, moved.path)) throw notFound();
  if (!parent || !reaches(caller, parent.path)) throw unknownParent();
  if (isWithinPath(parent.path, moved.path)) {
    throw invalid('parent_id', 'is the organisation itself or stands beneath it', 'cycle');
  }
  await carryAlong(em, moved.path, `${parent.path}/${moved.id}`);
  moved.parentId = parent.id;
  return moved;
}

async function carryAlong(em: TenantEntityManager, from: string, to: string): Promise<void> {
  const subtree = await em.find(Organization, withinPath(from), {
    lockMode: LockMode.PESSIMISTIC_WRITE,
    refresh: true,
  });
  for (const row of subtree) row.path = checkedPath(to + row.path.slice(from.length));
}

function checkedPath(path: string): string {
  if (path.length > longestPath) throw invalid('parent_id', 'stands too deep in the tree', 'too_deep');
  return path;
}

/** The region that the organisation's data is kept in: its own, or the nearest ancestor's. */
export async function regionOf(
  em: TenantEntityManager,
  { path, parentId, dataRegion }: Pick<Organization, 'path' | 'parentId' | 'dataRegion'>,
): Promise<string | null> {
  if (dataRegion != null || parentId == null) return dataRegion ?? null;
  const line = await em.find(Organization, { id: { $in: path.split('/') } });
  const nearest = line.sort((a, b) => b.path.length - a.path.length).find(row => row.dataRegion != null);
  return nearest?.dataRegion ?? null;
}

/** Takes a seat for one more member, or refuses. Locks the organisation: two invitations cannot share the last seat. */
export async function takeSeat(em: TenantEntityManager, organizationId: string): Promise<void> {
  const { seats } = (await lockOrganization(em, organizationId)).limits;
  if (seats !== undefined && (await em.count(Member)) >= seats) {
    throw new Refusal('conflict', 'The organisation has no seat left.');
  }
}
