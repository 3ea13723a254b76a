import { createHash } from 'node:crypto';
import { storedCertificate } from '../../core/certificates.ts';
import type { Services } from '../../core/services.ts';
import type { EntityManager } from '../../db/orm.ts';
import { Member, Organization } from '../organizations/entities.ts';
import { ApiKey, type CertificateUse, ClientCertificate } from './entities.ts';
import { intermediatesOf } from './revocations.ts';
import { memberScopes } from './roles.ts';

/**
 * When a credential counts. The gate asks before a request is let in, the run asks again inside the transaction that the
 * request commits: what was revoked in between commits nothing. `em` is in system mode.
 */

/** What is stored of a bearer secret. It has 256 random bits, so a plain hash cannot be guessed back. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}

/** Whether the key opens anything now, by whichever of its secrets. */
export function isKeyInForce(key: Pick<ApiKey, 'status' | 'expiresAt'>, now: Date): boolean {
  return key.status === 'active' && (key.expiresAt == null || now < key.expiresAt);
}

/** The key with this id, if it is in force, and so is its member, if it has one. */
export async function keyInForce(em: EntityManager, keyId: string, now: Date): Promise<ApiKey | undefined> {
  const key = await em.findOne(ApiKey, { id: keyId });
  if (!key || !isKeyInForce(key, now)) return undefined;
  const isOrphan = key.memberId != null && (await em.count(Member, { id: key.memberId, status: 'active' })) === 0;
  return isOrphan ? undefined : key;
}

type CertificateTerms = Pick<ClientCertificate, 'status' | 'uses' | 'notBefore' | 'notAfter' | 'retiresAt'>;

/** Whether the registration counts now for this use; the chain is the trust store's question. */
export function isCertificateInForce(certificate: CertificateTerms, use: CertificateUse, now: Date): boolean {
  const { status, uses, notBefore, notAfter, retiresAt } = certificate;
  const registered = status === 'active' && uses.includes(use) && (retiresAt == null || now < retiresAt);
  return registered && now >= notBefore && now < notAfter;
}

/**
 * Why the registration does not count now, or the certificate no longer chains to an approved authority; undefined when it is
 * to be trusted.
 */
export function distrustOf(
  certificate: CertificateTerms & Pick<ClientCertificate, 'pem' | 'chainPem'>,
  use: CertificateUse,
  { trust }: Pick<Services, 'trust'>,
  now: Date,
): string | undefined {
  if (!isCertificateInForce(certificate, use, now)) return `not in force for ${use}`;
  const verdict = trust.check(storedCertificate(certificate.pem), intermediatesOf(certificate), now);
  return verdict.ok ? undefined : verdict.reason;
}

/** The registration with this id, if it counts now and chains. */
export async function certificateInForce(
  em: EntityManager,
  certificateId: string,
  use: CertificateUse,
  services: Pick<Services, 'trust'>,
  now: Date,
): Promise<ClientCertificate | undefined> {
  const certificate = await em.findOne(ClientCertificate, { id: certificateId });
  return certificate && distrustOf(certificate, use, services, now) === undefined ? certificate : undefined;
}

/** Whether the organisation at `path` and all above it are active: suspension stops everything beneath. */
export async function isStanding(em: EntityManager, path: string): Promise<boolean> {
  const ids = path.split('/');
  const active = await em.count(Organization, { id: { $in: ids }, status: 'active' });
  return active === ids.length;
}

/** What the key may do now: its scopes, and of a member's key only those that the member's role allows, too. */
export async function effectiveScopes(
  em: EntityManager,
  { scopes, memberId }: Pick<ApiKey, 'scopes' | 'memberId'>,
): Promise<ReadonlySet<string>> {
  return memberId == null ? new Set(scopes) : memberScopes(em, memberId, scopes);
}
