import type { InferEntity } from '@mikro-orm/core';
import { createdAt, id, idOf, instant, json, line, oneOf, sealed } from '../../db/columns.ts';
import { organizationEntity, tenantEntity } from '../../db/tenancy.ts';

/** What the organisation above allows. Absent: as many as wanted. */
export interface OrganizationLimits {
  /** Members, invited ones included. */
  readonly seats?: number;
}

/** A tenant. `path` (ids from the root, joined by `/`) is its place in the tree and bounds who may see it. */
export const Organization = organizationEntity({
  name: 'Organization',
  tableName: 'organizations',
  properties: {
    id: id('org'),
    parentId: idOf().nullable(),
    name: line(200),
    status: oneOf('active', 'suspended'),
    /** The customer's own name for it. */
    externalId: line(200).nullable(),
    plan: line(60).nullable(),
    /** Null inherits the nearest ancestor's. */
    dataRegion: line(16).nullable(),
    settings: json<Record<string, string | number | boolean>>(),
    limits: json<OrganizationLimits>().onCreate(() => ({})),
    createdAt: createdAt(),
    updatedAt: instant(),
  },
  indexes: [{ properties: 'parentId' }],
});
export type Organization = InferEntity<typeof Organization>;

export const OrgUnit = tenantEntity({
  name: 'OrgUnit',
  tableName: 'org_units',
  properties: {
    id: id('ou'),
    parentOuId: idOf().nullable(),
    name: line(100),
    /** Names from the root, joined and led by `/`. */
    path: line(700),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'path'] }],
});
export type OrgUnit = InferEntity<typeof OrgUnit>;

/** A mail domain, lower-case ASCII (IDNA A-labels). Many may claim it, one can have it verified. */
export const Domain = tenantEntity({
  name: 'Domain',
  tableName: 'domains',
  properties: {
    id: id('dom'),
    domain: line(253),
    status: oneOf('pending', 'verified'),
    verificationToken: line(64),
    /** The domain once verified, null before: unique over all organisations. */
    verifiedDomain: line(253).nullable().unique(),
    verifiedAt: instant().nullable(),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'domain'] }],
});
export type Domain = InferEntity<typeof Domain>;

/** A DKIM key (RFC 6376, RFC 8463). */
export const DomainKey = tenantEntity({
  name: 'DomainKey',
  tableName: 'domain_keys',
  properties: {
    id: id('dk'),
    domainId: idOf(),
    selector: line(63),
    algorithm: oneOf('rsa', 'ed25519'),
    /** The `p=` value of the DNS record. */
    publicKey: line(600),
    /** PKCS#8 PEM. */
    privateKey: sealed(),
    createdAt: createdAt(),
  },
  references: { domainId: () => Domain },
  uniques: [{ properties: ['organizationId', 'domainId', 'selector'] }],
});
export type DomainKey = InferEntity<typeof DomainKey>;

export const Role = tenantEntity({
  name: 'Role',
  tableName: 'roles',
  properties: {
    id: id('role'),
    name: line(100),
    scopes: json<string[]>(),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'name'] }],
});
export type Role = InferEntity<typeof Role>;

/** The roles that every organisation has; access/roles.ts says what they allow. */
export const builtInRoles = ['owner', 'admin', 'member', 'readonly'] as const;
export type BuiltInRole = (typeof builtInRoles)[number];

export const Member = tenantEntity({
  name: 'Member',
  tableName: 'members',
  properties: {
    id: id('mem'),
    email: line(254),
    /** owner, admin, member, readonly, or the id of a role of the organisation. */
    role: line(40),
    ouId: idOf().nullable(),
    /** The keys of a member work once the invitation is accepted. */
    status: oneOf('invited', 'active'),
    /** Of the last invitation. */
    invitationExpiresAt: instant(),
    createdAt: createdAt(),
  },
  references: { ouId: () => OrgUnit },
  uniques: [{ properties: ['organizationId', 'email'] }],
});
export type Member = InferEntity<typeof Member>;

export const organizationEntities = [Organization, OrgUnit, Domain, DomainKey, Role, Member];
