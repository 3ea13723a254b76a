import type { EntityManager } from '../../db/orm.ts';
import { Member, Role } from '../organizations/entities.ts';

/** What changes the controls themselves, or the tree: for owners and admins. */
const controls = /^(?:keys|certificates|addresses|approvals|org):write$/;

/** The roles that every organisation has, by what their members' keys may do. */
const builtIn: Readonly<Record<string, (scope: string) => boolean>> = {
  owner: () => true,
  admin: () => true,
  member: scope => !controls.test(scope),
  readonly: scope => scope.endsWith(':read'),
};

/** Those of `scopes` that the role of an active member allows; none when there is no such member. `em` is in system mode. */
export async function memberScopes(
  em: EntityManager,
  organizationId: string,
  memberId: string,
  scopes: readonly string[],
): Promise<ReadonlySet<string>> {
  const member = await em.findOne(Member, { id: memberId, organizationId, status: 'active' });
  if (!member) return new Set();
  const allows = Object.hasOwn(builtIn, member.role) ? builtIn[member.role] : undefined;
  if (allows) return new Set(scopes.filter(allows));
  const role = await em.findOne(Role, { id: member.role, organizationId });
  return new Set(scopes.filter(scope => role?.scopes.includes(scope)));
}
