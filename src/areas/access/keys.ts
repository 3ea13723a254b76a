import { randomBytes } from 'node:crypto';
import { LockMode } from '@mikro-orm/core';
import { blockWithin, normalizeBlock } from '../../core/addresses.ts';
import type { Caller, Door } from '../../core/caller.ts';
import { doors } from '../../core/caller.ts';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import type { HandleContext, TenantEntityManager } from '../../core/operation.ts';
import { timestamp } from '../../core/schema.ts';
import { checkGrant, refuseWider } from '../../core/scopes.ts';
import { secretHash } from './credentials.ts';
import { ApiKey } from './entities.ts';
import { memberScopes } from './roles.ts';

export const newSecret = (): string => `sk_live_${randomBytes(32).toString('base64url')}`;

export interface KeyWish {
  readonly name: string;
  readonly scopes: readonly string[];
  /** The organisation it acts on exactly; null: the organisation's own, and those beneath that a caller names. */
  readonly boundTo: string | null;
  readonly ipAllowlist?: readonly string[];
  readonly expiresAt?: Date | undefined;
  readonly doors?: readonly Door[] | undefined;
  readonly memberId?: string | undefined;
}

/** A new key of the organisation that `em` is bound to, and its secret, which is stored nowhere. */
export async function mintKey(context: HandleContext, wish: KeyWish): Promise<{ key: ApiKey; secret: string }> {
  const { em, caller, now, operations, emit } = context;
  const scopes = checkGrant(wish.scopes, caller, operations);
  if (wish.expiresAt && wish.expiresAt <= now) throw invalid('expires_at', 'must be in the future');
  const memberId = await memberOf(context, wish.memberId, scopes);
  const secret = newSecret();
  const key = em.create(ApiKey, {
    name: wish.name,
    scopes,
    doors: [...new Set(wish.doors ?? doors)],
    boundOrganizationId: wish.boundTo,
    memberId,
    ipAllowlist: [...(wish.ipAllowlist ?? [])],
    expiresAt: wish.expiresAt ?? null,
    secretHash: secretHash(secret),
    status: 'active',
    createdAt: now,
    createdByKeyId: caller.key.id,
  });
  emit('key.created', { key_id: key.id, name: key.name, scopes, org_id: key.boundOrganizationId ?? null });
  return { key, secret };
}

/**
 * The member that a new key is for. A member's key makes keys for that member alone, wherever it acts: bounded by the same
 * role, which the calling key's scopes are already, and gone with the member.
 */
async function memberOf(
  { em, caller: { key: own } }: Pick<HandleContext, 'em' | 'caller'>,
  wished: string | undefined,
  scopes: readonly string[],
): Promise<string | null> {
  if (own.memberId !== null) {
    if (wished !== undefined && wished !== own.memberId) throw othersKey();
    return own.memberId;
  }
  if (wished === undefined) return null;
  const allowed = await memberScopes(em, wished, scopes);
  const beyond = scopes.filter(scope => !allowed.has(scope));
  if (beyond.length > 0) {
    throw invalid('scopes', `go beyond the role of the member, if there is one: ${beyond.join(', ')}`, 'beyond_role');
  }
  return wished;
}

const othersKey = () => new Refusal('scope_missing', "A member's key makes and rotates keys of that member only.");

/**
 * Blocks in one spelling. Each must share addresses with those that are allowed anyway: one that does not would never
 * let a request in, and its owner would look for the mistake elsewhere.
 */
export function narrowing(blocks: readonly string[], allowed: readonly string[]): string[] {
  const normalized = blocks.map(block => {
    const cidr = normalizeBlock(block);
    if (cidr === undefined) throw invalid('ip_allowlist', `${block} is no IP address or CIDR block`);
    if (!allowed.some(other => blockWithin(cidr, other) || blockWithin(other, cidr))) {
      throw invalid('ip_allowlist', `${block} lies outside the allowed addresses; a key narrows them`, 'outside');
    }
    return cidr;
  });
  return [...new Set(normalized)];
}

/** The organisation's key, locked, or 404. */
export async function lockKey(em: TenantEntityManager, id: string): Promise<ApiKey> {
  const key = await em.findOne(ApiKey, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
  if (!key) throw notFound();
  return key;
}

/** Whoever learns a secret can do what its key can: only for callers that can do all of it already. */
export function refuseStronger(key: ApiKey, { key: own, organization }: Pick<Caller, 'key' | 'organization'>): void {
  refuseWider(key.scopes, own.scopes);
  if (own.memberId !== null && key.memberId !== own.memberId) throw othersKey();
  if (own.bound && key.boundOrganizationId !== organization.id) {
    throw new Refusal(
      'scope_missing',
      'The calling key is bound to one organisation, and that key is not bound to it.',
    );
  }
}

const overlapMs = 24 * 60 * 60 * 1000;

/** A new secret; the one before opens for another 24 hours, one before that no longer. */
export function rotate(key: ApiKey, now: Date): { secret: string; previousValidUntil: Date } {
  const secret = newSecret();
  const previousValidUntil = new Date(now.getTime() + overlapMs);
  Object.assign(key, { previousSecretHash: key.secretHash, previousValidUntil, secretHash: secretHash(secret) });
  return { secret, previousValidUntil };
}

export const keyStates = ['active', 'expired', 'revoked'] as const;

export const keyView = (key: ApiKey, now: Date) => ({
  key_id: key.id,
  name: key.name,
  scopes: key.scopes,
  org_id: key.boundOrganizationId ?? null,
  member_id: key.memberId ?? null,
  doors: key.doors,
  ip_allowlist: key.ipAllowlist,
  status: key.status === 'active' && key.expiresAt && key.expiresAt <= now ? ('expired' as const) : key.status,
  created_at: timestamp(key.createdAt),
  expires_at: key.expiresAt ? timestamp(key.expiresAt) : null,
  last_used_at: key.lastUsedAt ? timestamp(key.lastUsedAt) : null,
});
