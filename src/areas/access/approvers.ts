import type { KeyObject } from 'node:crypto';
import { parseCertificates, storedCertificate, type TrustStore } from '../../core/certificates.ts';
import type { TenantEntityManager } from '../../core/operation.ts';
import { ClientCertificate } from './entities.ts';

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
  const where = organizations ? { organizationId: { $in: [...organizations] } } : {};
  const rows = await em.find(ClientCertificate, { ...where, status: 'active' });
  return rows
    .filter(row => row.uses.includes('approval') && (!row.retiresAt || row.retiresAt > now))
    .map(row => ({ row, certificate: storedCertificate(row.pem) }))
    .filter(({ row, certificate }) => trust.check(certificate, intermediatesOf(row), now).ok)
    .map(({ row, certificate }) => ({
      thumbprint: row.thumbprint,
      publicKey: certificate.publicKey,
      joined: row.uses.includes('request'),
    }));
}

export const intermediatesOf = (row: Pick<ClientCertificate, 'chainPem'>) =>
  row.chainPem ? (parseCertificates(row.chainPem) ?? []) : [];
