import { defineEntity, type InferEntity, p } from '@mikro-orm/core';
import type { Door } from '../../core/caller.ts';
import { createdAt, hash, id, idOf, instant, integer, json, line, longText, oneOf } from '../../db/columns.ts';
import { tenantEntity } from '../../db/tenancy.ts';

/** A bearer secret and what it opens. It belongs to the organisation that minted it; approvals go to that one's webhooks. */
export const ApiKey = tenantEntity({
  name: 'ApiKey',
  tableName: 'api_keys',
  properties: {
    id: id('key'),
    name: line(200),
    scopes: json<string[]>(),
    doors: json<Door[]>(),
    /** Set: the key acts on exactly this organisation. Null: on its own, or on a descendant when the caller names it. */
    boundOrganizationId: idOf().nullable(),
    /** Set: the key can do no more than this member's role allows. */
    memberId: idOf().nullable(),
    /** Normalised blocks that narrow the organisation's allowlist; empty: they do not. */
    ipAllowlist: json<string[]>(),
    expiresAt: instant().nullable(),
    /** `secretHash` of the bearer secret. */
    secretHash: hash().unique(),
    /** Of the secret before the last rotation, which opens until `previousValidUntil`. */
    previousSecretHash: hash().nullable().unique(),
    previousValidUntil: instant().nullable(),
    status: oneOf('active', 'revoked'),
    lastUsedAt: instant().nullable(),
    createdAt: createdAt(),
    createdByKeyId: idOf().nullable(),
  },
  indexes: [{ properties: ['organizationId', 'status'] }],
});
export type ApiKey = InferEntity<typeof ApiKey>;

export type CertificateUse = 'request' | 'approval';

/** Signatures over SOAP messages: kind and hash, as the door names its algorithms. */
export const signatureAlgorithms = [
  'rsa-sha256',
  'rsa-sha384',
  'rsa-sha512',
  'rsa-pss-sha256',
  'rsa-pss-sha384',
  'rsa-pss-sha512',
  'ecdsa-sha256',
  'ecdsa-sha384',
] as const;
export const signedHeaders = ['To', 'Action', 'MessageID'] as const;

/** What one certificate's partner asked for, or must keep to; what is absent is not asked for. */
export interface CertificatePolicy {
  /** Requests must carry `Bastion-Signature-Version: 2`. */
  signature_version_2?: boolean;
  /** The only ones that SOAP messages may be signed with; empty: all. */
  signature_algorithms?: (typeof signatureAlgorithms)[number][];
  /** WS-Addressing headers that a SOAP message must have, and sign. */
  signed_headers?: (typeof signedHeaders)[number][];
  /** Algorithm of signed SOAP answers. */
  answer_algorithm?: (typeof signatureAlgorithms)[number];
  /** SOAP answers repeat the request's signature value (WS-Security 1.1, 8.5). */
  signature_confirmation?: boolean;
  /** SOAP faults are HTTP 500 always, for stacks that parse no other. */
  faults_as_500?: boolean;
}

/** A registered certificate: serves its organisation and all beneath. */
export const ClientCertificate = tenantEntity({
  name: 'ClientCertificate',
  tableName: 'client_certificates',
  properties: {
    id: id('cert'),
    /** SHA-256 of the DER octets. */
    thumbprint: hash(),
    pem: longText(),
    /** Intermediates, PEM, leaf's issuer first. */
    chainPem: longText().nullable(),
    subject: line(1000),
    issuer: line(1000),
    /** Hex, as node:crypto writes it. */
    serialNumber: line(64),
    notBefore: instant(),
    notAfter: instant(),
    uses: json<CertificateUse[]>(),
    status: oneOf('active', 'revoked'),
    /** Rotation: the certificate is in force until then. */
    retiresAt: instant().nullable(),
    policy: json<CertificatePolicy>(),
    lastUsedAt: instant().nullable(),
    /** Days before its end that the last `certificate.expiring` spoke of. */
    expiryToldDays: integer().nullable(),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'thumbprint'] }],
  indexes: [{ properties: ['thumbprint'] }],
});
export type ClientCertificate = InferEntity<typeof ClientCertificate>;

/** A block of source addresses: serves its organisation and all beneath. */
export const AllowedAddress = tenantEntity({
  name: 'AllowedAddress',
  tableName: 'allowed_addresses',
  properties: {
    id: id('addr'),
    /** As `core/addresses` writes it: `192.0.2.0/24`, `2001:db8::/32`. */
    cidr: line(43),
    label: line(100).nullable(),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'cidr'] }],
});
export type AllowedAddress = InferEntity<typeof AllowedAddress>;

/** Rate limits that several nodes share. rate-limiter-flexible writes these columns, in this order. */
export const RateBucket = defineEntity({
  name: 'RateBucket',
  tableName: 'rate_buckets',
  properties: {
    key: p.string().length(255).primary(),
    points: integer(),
    /** Unix milliseconds. */
    expire: integer().nullable(),
  },
});

export const accessEntities = [ApiKey, ClientCertificate, AllowedAddress, RateBucket];
