import { Organization } from '../areas/organizations/entities.ts';
import { regionOf } from '../areas/organizations/tree.ts';
import type { Caller } from '../core/caller.ts';
import { notFound, Refusal } from '../core/errors.ts';
import type { Operation } from '../core/operation.ts';
import { isWithinPath } from '../db/tenancy.ts';
import { read } from '../db/transaction.ts';
import type { Parts } from './request.ts';

/**
 * The organisation an operation works in: the one its path names, which must be the acting one or stand beneath it, else
 * the acting one. A bound key reaches nothing beneath its organisation. Everything else is the same 404. What belongs to
 * another data region than this node's is refused, as the gate refuses to act on it.
 */
export async function targetOrganization(
  { db, services: { settings } }: Parts,
  op: Operation,
  caller: Caller,
  input: Record<string, unknown>,
): Promise<{ id: string; path: string }> {
  const named = op.pathParameters.includes('org_id') ? String(input.org_id) : caller.organization.id;
  if (named === caller.organization.id) return caller.organization;
  if (caller.key.bound) throw notFound();
  return read(db, caller.organization, async em => {
    const organization = await em.findOne(Organization, { id: named });
    if (!organization || !isWithinPath(organization.path, caller.organization.path)) throw notFound();
    const region = settings.dataRegion && (await regionOf(em, organization));
    if (region && region !== settings.dataRegion) throw new Refusal('region_mismatch');
    return { id: organization.id, path: organization.path };
  });
}
