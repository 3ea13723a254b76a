import {
  type ChangeSet,
  ChangeSetType,
  defineEntity,
  type EntityManager,
  type EventSubscriber,
  type FilterQuery,
  type FlushEventArgs,
  helper,
  p,
} from '@mikro-orm/core';
import { orderingRelations, type References } from './foreign-keys.ts';

/**
 * Whose rows an entity manager may touch: exactly one organisation's, or, said out loud, everybody's.
 * `reach` is the path that bounds reads and changes of organisations themselves: the calling key's organisation; the
 * acting organisation when absent.
 */
export type Tenant = { readonly id: string; readonly path: string; readonly reach?: string } | 'system';

export const tenantFilter = 'tenant';

/** A read or write was about to leave the organisation that the entity manager is bound to. Never shown to callers. */
export class TenancyViolation extends Error {
  override readonly name = 'TenancyViolation';
}

interface TenantParameters {
  readonly system: boolean;
  readonly id: string;
  readonly reach: string;
}

export function bindTenant(em: EntityManager, tenant: Tenant): void {
  const parameters: TenantParameters =
    tenant === 'system'
      ? { system: true, id: '', reach: '' }
      : { system: false, id: tenant.id, reach: tenant.reach ?? tenant.path };
  em.setFilterParams(tenantFilter, { ...parameters });
}

function tenantOf(em: EntityManager): TenantParameters {
  const parameters = em.getFilterParams<Partial<TenantParameters>>(tenantFilter);
  if (parameters?.system === undefined) throw new TenancyViolation('this entity manager is bound to no organisation');
  return parameters as TenantParameters;
}

/**
 * An entity whose rows belong to an organisation: adds `organizationId` (set from the bound organisation on creation)
 * and the filter. Every entity with an organization_id is made with it; `openDatabase` refuses others.
 */
export function tenantEntity<
  const Name extends string,
  const Table extends string,
  // biome-ignore lint/suspicious/noExplicitAny: MikroORM's own bound
  const Properties extends Record<string, any>,
>({
  references = {},
  ...definition
}: EntityDefinition<Name, Table, Properties> & { references?: ReferencesOf<Properties> }) {
  return defineEntity({
    ...definition,
    properties: {
      ...definition.properties,
      organizationId: organizationId(),
      ...(orderingRelations(references as References) as unknown as Record<never, never>),
    },
    // Serves the filter, lists in order of id, and the foreign keys of others.
    uniques: [...(definition.uniques ?? []), { properties: ['organizationId', 'id'] as never }],
    filters: {
      [tenantFilter]: {
        name: tenantFilter,
        default: true,
        cond: (tenant: TenantParameters) => (tenant.system ? {} : { organizationId: tenant.id }),
      },
    },
  });
}

/** The organisation itself: bounded by its `path` of ids, `org_…/org_…`, its own id last. */
export function organizationEntity<
  const Name extends string,
  const Table extends string,
  // biome-ignore lint/suspicious/noExplicitAny: MikroORM's own bound
  const Properties extends Record<string, any>,
>(definition: EntityDefinition<Name, Table, Properties>) {
  return defineEntity({
    ...definition,
    properties: { ...definition.properties, path: p.string().length(700).unique() },
    filters: {
      [tenantFilter]: {
        name: tenantFilter,
        default: true,
        cond: (tenant: TenantParameters, type: 'read' | 'update' | 'delete') =>
          tenant.system ? {} : type === 'read' ? visibleFrom(tenant.reach) : withinPath(tenant.reach),
      },
    },
  });
}

/** Properties that hold the id of another tenant entity's row become foreign keys within the organisation. */
// biome-ignore lint/suspicious/noExplicitAny: entities of every shape
type ReferencesOf<Properties> = { [Property in keyof Properties]?: () => any };

interface EntityDefinition<Name extends string, Table extends string, Properties> {
  name: Name;
  tableName: Table;
  properties: Properties;
  indexes?: {
    properties: (keyof Properties & string) | 'organizationId' | ((keyof Properties & string) | 'organizationId')[];
    name?: string;
  }[];
  uniques?: {
    properties: (keyof Properties & string) | 'organizationId' | ((keyof Properties & string) | 'organizationId')[];
    name?: string;
  }[];
}

const organizationId = () =>
  p
    .string()
    .length(40)
    .onCreate((_row, em) => boundOrganization(em));

function boundOrganization(em: EntityManager): string {
  const tenant = tenantOf(em);
  if (tenant.system) throw new TenancyViolation('in system mode a new row must name its organisation');
  return tenant.id;
}

/**
 * The organisation at `path` and all beneath it, as a range instead of LIKE: ids hold `_`, a wildcard there, and the two
 * databases escape differently. '0' is the character after '/', and ids have one length and none of the characters before
 * '0', so that nothing else begins with `path` and stands in the range.
 */
export function withinPath(path: string) {
  return { path: { $gte: path, $lt: `${path}0` } } satisfies FilterQuery<{ path: string }>;
}

/** Ancestors may be seen, to inherit from; they are changed from above. */
function visibleFrom(path: string) {
  const ancestors = ancestorPaths(path);
  return ancestors.length === 0 ? withinPath(path) : { $or: [withinPath(path), { path: { $in: ancestors } }] };
}

export function isWithinPath(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(`${ancestor}/`);
}

/** The paths above `path`, nearest last, without itself. */
export function ancestorPaths(path: string): string[] {
  const ids = path.split('/');
  return ids.slice(1).map((_, index) => ids.slice(0, index + 1).join('/'));
}

/**
 * The filter only guards reads and native updates: a reference, a merge or a new row could still reach another
 * organisation. This looks at every change set before it is written.
 */
export const tenantGuard: EventSubscriber = {
  onFlush({ em, uow }: FlushEventArgs): void {
    const tenant = tenantOf(em);
    if (tenant.system) return;
    for (const change of uow.getChangeSets()) {
      const violation = violationOf(change, tenant);
      if (violation) throw new TenancyViolation(`${change.type} of ${change.meta.className}: ${violation}`);
    }
  },
};

function violationOf(change: ChangeSet<object>, tenant: TenantParameters): string | undefined {
  if ('organizationId' in change.meta.properties) return rowViolation(change, tenant.id);
  if (tenantFilter in change.meta.filters) return organizationViolation(change, tenant.reach);
  return undefined;
}

function rowViolation(change: ChangeSet<object>, organization: string): string | undefined {
  const { organizationId: now } = change.entity as { organizationId?: string };
  if (now !== organization) return 'the row would belong to another organisation';
  if (change.type === ChangeSetType.CREATE) return undefined;
  const { organizationId: loaded } = stored(change) as { organizationId?: string };
  // Only a row that came through the filter knows its stored organisation; a bare reference does not.
  return loaded === organization ? undefined : 'the row was not loaded from this organisation';
}

/** The columns as they were loaded; of a deletion the change set itself does not know them. */
const stored = (change: ChangeSet<object>): object => helper(change.entity).__originalEntityData ?? {};

function organizationViolation(change: ChangeSet<object>, reach: string): string | undefined {
  const { path: now } = change.entity as { path?: string };
  if (change.type === ChangeSetType.CREATE) {
    return now !== undefined && isWithinPath(now, reach) ? undefined : 'the organisation would stand outside the reach';
  }
  const { path: loaded } = stored(change) as { path?: string };
  if (loaded === undefined || !isWithinPath(loaded, reach)) return 'the organisation was not loaded within the reach';
  return now !== undefined && isWithinPath(now, reach) ? undefined : 'the organisation would leave the reach';
}
