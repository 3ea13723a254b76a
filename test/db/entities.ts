import type { InferEntity } from '@mikro-orm/core';
import {
  bytes,
  createdAt,
  id,
  idOf,
  instant,
  integer,
  json,
  line,
  longText,
  oneOf,
  version,
} from '../../src/db/columns.ts';
import { organizationEntity, tenantEntity } from '../../src/db/tenancy.ts';

/** Tables of the kind that areas define, for the tests of src/db. */
export const Organization = organizationEntity({
  name: 'Organization',
  tableName: 'organizations',
  properties: { id: id('org'), name: line(100) },
});

export const Policy = tenantEntity({
  name: 'Policy',
  tableName: 'policies',
  properties: {
    id: id('pol'),
    name: line(100),
    note: longText().nullable(),
    content: bytes().nullable(),
    settings: json<Record<string, unknown>>().nullable(),
    size: integer().default(0),
    mode: oneOf('allow', 'block').nullable(),
    startsAt: instant().nullable(),
    createdAt: createdAt().onCreate(() => new Date()),
    version: version(),
  },
  uniques: [{ properties: ['organizationId', 'name'] }],
});
export type Policy = InferEntity<typeof Policy>;

export const Rule = tenantEntity({
  name: 'Rule',
  tableName: 'rules',
  properties: { id: id('rul'), policyId: idOf().nullable(), name: line(100) },
  references: { policyId: () => Policy },
});

/** Rule first: the order of tables and inserts must come from the reference, not from this list. */
export const entities = [Rule, Policy, Organization];

export const acme = { id: 'org_acme', path: 'org_root/org_acme' };
export const rival = { id: 'org_rival', path: 'org_root/org_rival' };
