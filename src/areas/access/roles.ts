import type { TenantEntityManager } from '../../core/operation.ts';
import { type BuiltInRole, Member, Role } from '../organizations/entities.ts';

/** What changes the controls themselves, or the tree: for owners and admins. */
const controls = /^(?:keys|certificates|addresses|approvals|org):write$/;

/** The roles that every organisation has, by what their members' keys may do. */
const builtIn: Readonly<Record<BuiltInRole, (scope: string) => boolean>> = {
  owner: () => true,
  admin: () => true,
  member: scope => !controls.test(scope),
  readonly: scope => scope.endsWith(':read'),
};

/** Those of `scopes` that the member's role allows; none when `em` sees no such member. */
export async function memberScopes(
  em: Pick<TenantEntityManager, 'findOne'>,
  memberId: string,
  scopes: readonly string[],
): Promise<ReadonlySet<string>> {
  const member = await em.findOne(Member, { id: memberId });
  if (!member) return new Set();
  if (Object.hasOwn(builtIn, member.role)) return new Set(scopes.filter(builtIn[member.role as BuiltInRole]));
  const role = await em.findOne(Role, { id: member.role, organizationId: member.organizationId });
  return new Set(scopes.filter(scope => role?.scopes.includes(scope)));
}
