import { type EntityManager, isRaw, Utils } from '@mikro-orm/core';
import type { TenantEntityManager } from '../core/operation.ts';
import { TenancyViolation } from './tenancy.ts';

/** What business code may call. Left out: raw SQL, forks, transactions, and all that reads or writes around the tenant guard. */
const allowed = new Set([
  ...['find', 'findOne', 'findOneOrFail', 'findAll', 'findAndCount', 'findByCursor', 'count', 'countBy', 'populate'],
  ...['create', 'assign', 'persist', 'remove', 'flush', 'getReference', 'lock', 'refresh', 'refreshOrFail'],
  ...['insert', 'insertMany', 'nativeUpdate', 'nativeDelete', 'isInTransaction'],
]);

/** What would leave the filter or the transaction, or share an answer with another organisation. */
const unsafeOptions = ['filters', 'cache', 'ctx', 'schema', 'connectionType'];

/** The entity manager for business code: bound to one organisation for good. */
export function restrict(em: EntityManager, organizationId: string): TenantEntityManager {
  const restricted: EntityManager = new Proxy(em, {
    get(target, name) {
      // Asked of everything that is returned from an async function.
      if (name === 'then') return undefined;
      if (typeof name !== 'string' || !allowed.has(name)) {
        throw new TenancyViolation(`em.${String(name)} is not for business code`);
      }
      const method = Reflect.get(target, name, target) as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        checkArguments(name, args, organizationId);
        const result = method.apply(target, args);
        return result === target ? restricted : result;
      };
    },
    set() {
      throw new TenancyViolation('the entity manager is not for changing');
    },
  });
  return restricted;
}

function checkArguments(method: string, args: unknown[], organizationId: string): void {
  if (args.some(argument => hasRaw(argument))) throw new TenancyViolation(`raw SQL in em.${method}`);
  const option = unsafeOptions.find(name => hasOwn(args.at(-1), name));
  if (option) throw new TenancyViolation(`option ${option} in em.${method}`);
  if (method === 'create' && (args[2] as { managed?: boolean } | undefined)?.managed) {
    throw new TenancyViolation('a managed entity comes from the database');
  }
  // These write without change sets, so the guard at flush never sees them.
  if (method === 'insert' || method === 'insertMany') checkRows(args, organizationId);
  if (method === 'nativeUpdate' && hasOwn(args[2], 'organizationId'))
    throw new TenancyViolation('rows stay where they are');
}

function checkRows(args: unknown[], organizationId: string): void {
  const rows = [args[1] ?? args[0]].flat();
  for (const row of rows as { organizationId?: unknown }[]) {
    if (row.organizationId !== organizationId)
      throw new TenancyViolation('an inserted row names the bound organisation');
  }
}

const hasOwn = (value: unknown, name: string): boolean => Utils.isPlainObject(value) && Object.hasOwn(value, name);

function hasRaw(value: unknown): boolean {
  if (isRaw(value)) return true;
  if (Array.isArray(value)) return value.some(hasRaw);
  if (!Utils.isPlainObject(value)) return false;
  // raw() as a key becomes a symbol; operators are strings.
  return Object.getOwnPropertySymbols(value).length > 0 || Object.values(value).some(hasRaw);
}
