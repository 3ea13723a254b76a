import type { InferEntity } from '@mikro-orm/core';
import type { Door } from '../../core/caller.ts';
import { createdAt, hash, id, idOf, instant, json, line, longText, oneOf } from '../../db/columns.ts';
import { tenantEntity } from '../../db/tenancy.ts';

/** A scoped API key. It belongs to the organisation that minted it. */
export const ApiKey = tenantEntity({
  name: 'ApiKey',
  tableName: 'api_keys',
  properties: {
    id: id('key'),
    name: line(200),
    scopes: json<string[]>(),
    doors: json<Door[]>(),
    /** Set: acts on exactly that organisation. Null: on the minting one and, when named, its descendants. */
    boundOrganizationId: idOf().nullable(),
    /** Can do no more than this member's role allows. */
    memberId: idOf().nullable(),
    /** Narrows the organisation's addresses; empty narrows nothing. */
    ipAllowlist: json<string[]>(),
    expiresAt: instant().nullable(),
    /** SHA-256 of the secret, which has 256 random bits. */
    secretHash: hash().unique(),
    previousSecretHash: hash().nullable().unique(),
    previousValidUntil: instant().nullable(),
    status: oneOf('active', 'revoked'),
    createdByKeyId: idOf().nullable(),
    lastUsedAt: instant().nullable(),
    createdAt: createdAt(),
  },
});
export type ApiKey = InferEntity<typeof ApiKey>;

export type CertificateUse = 'request' | 'approval';

/** What a partner's stack needs, or an operator demands, of one certificate. */
export interface CertificatePolicy {
  /** Requests must be signed with Bastion-Signature-Version 2. */
  signature_version_2?: boolean;
}

export const ClientCertificate = tenantEntity({
  name: 'ClientCertificate',
  tableName: 'client_certificates',
  properties: {
    id: id('cert'),
    thumbprint: hash(),
    pem: longText(),
    /** Intermediates that lead to an approved authority. */
    chainPem: longText().nullable(),
    subject: line(1000),
    issuer: line(1000),
    serialNumber: line(64),
    notBefore: instant(),
    notAfter: instant(),
    uses: json<CertificateUse[]>(),
    status: oneOf('active', 'revoked'),
    /** End of the overlap after a rotation. */
    retiresAt: instant().nullable(),
    policy: json<CertificatePolicy>(),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'thumbprint'] }],
  indexes: [{ properties: 'thumbprint' }],
});
export type ClientCertificate = InferEntity<typeof ClientCertificate>;

export const AllowedAddress = tenantEntity({
  name: 'AllowedAddress',
  tableName: 'allowed_addresses',
  properties: {
    id: id('addr'),
    /** Normalised CIDR. */
    cidr: line(49),
    label: line(100).nullable(),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'cidr'] }],
});
export type AllowedAddress = InferEntity<typeof AllowedAddress>;

export const accessEntities = [ApiKey, ClientCertificate, AllowedAddress];
