import type { Operation, Scope } from './operation.ts';

/** Held by every key: reading and taking back what the key itself asked for. */
export const ownScope: Scope = 'self:read';

/** Documented names of a scope besides its own. */
const aliases: Readonly<Record<string, Scope>> = { 'identity:read': 'verify:read' };

/** Whether these scopes allow what the operation requires. */
export function holdsScope(held: ReadonlySet<string>, required: Scope): boolean {
  if (required === ownScope || held.has(required)) return true;
  return Object.entries(aliases).some(([alias, scope]) => scope === required && held.has(alias));
}

/** Every scope that some operation requires, and its aliases: what a key or role may be given. */
export function grantableScopes(operations: readonly Operation[]): Set<string> {
  const scopes = new Set<string>(operations.map(op => op.scope));
  for (const [alias, scope] of Object.entries(aliases)) if (scopes.has(scope)) scopes.add(alias);
  return scopes;
}
