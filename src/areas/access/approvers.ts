import type { KeyObject } from 'node:crypto';
import { storedCertificate, type TrustStore } from '../../core/certificates.ts';
import type { TenantEntityManager } from '../../core/operation.ts';
import { ClientCertificate } from './entities.ts';
import { intermediatesOf, learnRevocations } from './revocations.ts';

/** A certificate that may approve, in force now. */
export interface ApprovalKey {
  readonly thumbprint: string;
  readonly publicKey: KeyObject;
  /** An operator let it serve requests as well. */
  readonly joined: boolean;
}

/**
 * The approval certificates in force: of the organisation that `em` is bound to, or, in system mode, of all organisations
 * named. Chain, validity and revocation are checked now, not when they were registered.
 */
export async function approvalKeys(
  em: Pick<TenantEntityManager, 'find'>,
  trust: TrustStore,
  now: Date,
  organizations?: readonly string[],
): Promise<ApprovalKey[]> {
  return (await approvers(em, now, organizations))
    .map(row => ({ row, certificate: storedCertificate(row.pem) }))
    .filter(({ row, certificate }) => trust.check(certificate, intermediatesOf(row), now).ok)
    .map(({ row, certificate }) => ({
      thumbprint: row.thumbprint,
      publicKey: certificate.publicKey,
      joined: row.uses.includes('request'),
    }));
}

/** Asks the responders about them, before a transaction in which they are judged. */
export async function learnApprovers(
  em: Pick<TenantEntityManager, 'find'>,
  trust: TrustStore,
  now: Date,
  organizations?: readonly string[],
): Promise<void> {
  await learnRevocations(await approvers(em, now, organizations), { trust }, now);
}

async function approvers(
  em: Pick<TenantEntityManager, 'find'>,
  now: Date,
  organizations?: readonly string[],
): Promise<ClientCertificate[]> {
  const where = organizations ? { organizationId: { $in: [...organizations] } } : {};
  const rows = await em.find(ClientCertificate, { ...where, status: 'active' });
  return rows.filter(row => row.uses.includes('approval') && (!row.retiresAt || row.retiresAt > now));
}
