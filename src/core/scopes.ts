import type { Caller } from './caller.ts';
import { invalid, Refusal } from './errors.ts';
import type { Operation, Scope } from './operation.ts';

/** Held by every key: reading and taking back what the key itself asked for. */
export const ownScope: Scope = 'self:read';

/** Documented names of a scope besides its own. */
const aliases: Readonly<Record<string, Scope>> = { 'identity:read': 'verify:read' };

/** The documented product that a scope's resource belongs to. */
const products: Readonly<Record<string, string>> = {
  org: 'Organizations',
  keys: 'API Keys & Access',
  certificates: 'API Keys & Access',
  addresses: 'API Keys & Access',
  audit: 'API Keys & Access',
  approvals: 'Approvals',
  self: 'Approvals',
  secure_email: 'Email Encryption',
  verify: 'Contact Verification',
};

const canonical = (scope: string): string => (Object.hasOwn(aliases, scope) ? aliases[scope]! : scope);

/** Whether these scopes allow what the operation requires. */
export function holdsScope(held: ReadonlySet<string>, required: string): boolean {
  if (required === ownScope || held.has(required)) return true;
  const wanted = canonical(required);
  return [...held].some(scope => canonical(scope) === wanted);
}

/** Every scope that some operation requires, and its aliases: what a key or role may be given. */
export function grantableScopes(operations: readonly Operation[]): Set<string> {
  const scopes = new Set<string>(operations.map(op => op.scope));
  for (const [alias, scope] of Object.entries(aliases)) if (scopes.has(scope)) scopes.add(alias);
  return scopes;
}

/** The scopes, each once, if they exist and the caller holds them all: nobody hands on more than they have. */
export function checkGrant(
  scopes: readonly string[],
  { key }: Pick<Caller, 'key'>,
  operations: readonly Operation[],
): string[] {
  const known = grantableScopes(operations);
  const unknown = scopes.filter(scope => !known.has(scope));
  if (unknown.length > 0) throw invalid('scopes', `no such scope: ${unknown.join(', ')}`, 'unknown');
  refuseWider(scopes, key.scopes);
  return [...new Set(scopes)];
}

/** Throws 403 when `scopes` go beyond those held. */
export function refuseWider(scopes: readonly string[], held: ReadonlySet<string>): void {
  const beyond = scopes.filter(scope => !holdsScope(held, scope));
  if (beyond.length > 0) throw new Refusal('scope_missing', `The calling key does not hold: ${beyond.join(', ')}.`);
}

export interface ScopeEntry {
  readonly scope: string;
  readonly product: string;
  /** What a key with the scope may do, in the words of the operations that require it. */
  readonly grants: string;
}

/** The catalogue of `grantableScopes`, by product. Throws when an operation's resource has no product. */
export function scopeCatalogue(operations: readonly Operation[]): ScopeEntry[] {
  return [...grantableScopes(operations)]
    .map(scope => ({ scope, product: productOf(scope), grants: grantsOf(scope, operations) }))
    .sort((a, b) => compare(a.product, b.product) || compare(a.scope, b.scope));
}

function productOf(scope: string): string {
  const product = products[canonical(scope).split(':')[0]!];
  if (product === undefined) throw new Error(`the scope ${scope} belongs to no product`);
  return product;
}

function grantsOf(scope: string, operations: readonly Operation[]): string {
  const granting = operations.filter(op => op.scope === canonical(scope));
  return granting.map(op => `${op.summary.replace(/\.$/, '')}.`).join(' ');
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
