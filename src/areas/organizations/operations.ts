import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { operation, type TenantEntityManager } from '../../core/operation.ts';
import {
  count,
  dateTime,
  id,
  line,
  list,
  named,
  nullable,
  pageInput,
  pageOutput,
  settings,
  timestamp,
} from '../../core/schema.ts';
import { checkGrant } from '../../core/scopes.ts';
import { flushUnique } from '../../db/flush-unique.ts';
import { page } from '../../db/list.ts';
import { findings, lookUp, makeSigningKeys, normalizeDomain, recordsOf } from './domains.ts';
import { Domain, DomainKey, Member, Organization, OrgUnit, Role } from './entities.ts';
import { mergeSettings } from './settings.ts';
import { beneathPath, lockOrganization, lockParent, move, pathBeneath, reaches, regionOf } from './tree.ts';

const status = z.enum(['active', 'suspended']);
const path = z.string().describe('Ids of all ancestors, its own last, joined by a slash.');
const region = z.string().regex(/^[a-z][a-z0-9-]{1,15}$/);

const organizationView = named('Organization', {
  org_id: id('org'),
  name: z.string(),
  parent_id: nullable(id('org')).describe('Null at the root.'),
  path,
  status,
  external_id: nullable(z.string()),
  plan: nullable(z.string()),
  data_region: nullable(z.string()).describe('Inherited from the nearest ancestor that has one.'),
  settings: settings(),
  usage: named('OrganizationUsage', { mailboxes: count(), seats: count().describe('Members, invited ones included.') }),
  limits: named('OrganizationLimits', { seats: nullable(count()).describe('Null: as many as wanted.') }),
  created_at: dateTime(),
});

/** `em` is bound to the organisation. */
async function view(em: TenantEntityManager, organization: Organization) {
  return {
    org_id: organization.id,
    name: organization.name,
    parent_id: organization.parentId ?? null,
    path: organization.path,
    status: organization.status,
    external_id: organization.externalId ?? null,
    plan: organization.plan ?? null,
    data_region: await regionOf(em, organization),
    settings: organization.settings,
    usage: { mailboxes: 0, seats: await em.count(Member, { organizationId: organization.id }) },
    limits: { seats: organization.limits.seats ?? null },
    created_at: timestamp(organization.createdAt),
  };
}

export const createOrganization = operation({
  rest: 'POST /v3/organizations',
  soap: 'CreateOrganization',
  scope: 'org:write',
  summary: 'Create an organisation beneath another.',
  description:
    'It inherits the certificates, addresses, approval webhooks and data region of those above it, and shares nothing else.',
  input: z.strictObject({
    name: line(200).describe('Display name.'),
    parent_id: id('org').optional().describe('The parent; the acting organisation when absent.'),
    external_id: line(200).optional().describe("The caller's own identifier; need not be unique."),
    plan: line(60).optional().describe('Plan or tier.'),
    data_region: region.optional().describe("Where its data is kept, as us, eu or ca; the parent's when absent."),
  }),
  output: organizationView,
  async handle({ em, caller, organization, now, emit }, input) {
    const parent = await lockParent({ em, caller }, input.parent_id ?? organization.id);
    if (caller.key.bound) throw new Refusal('scope_missing', 'A key bound to one organisation makes none beneath it.');
    const orgId = newId('org', now.getTime());
    const created = em.create(Organization, {
      id: orgId,
      parentId: parent.id,
      path: pathBeneath(parent, orgId),
      name: input.name,
      status: 'active',
      externalId: input.external_id ?? null,
      plan: input.plan ?? null,
      dataRegion: input.data_region ?? null,
      settings: {},
      createdAt: now,
      updatedAt: now,
    });
    emit('org.created', { org_id: created.id, parent_id: parent.id, path: created.path, name: created.name });
    return view(em, created);
  },
});

export const listOrganizations = operation({
  rest: 'GET /v3/organizations',
  soap: 'ListOrganizations',
  scope: 'org:read',
  summary: 'List the organisations beneath the acting one.',
  description: 'All of them, newest first; with parent_id the direct children of one.',
  input: z.strictObject({
    parent_id: id('org').optional().describe('Only direct children of this organisation.'),
    ...pageInput,
  }),
  output: named('OrganizationList', {
    organizations: list(
      named('OrganizationSummary', {
        org_id: id('org'),
        name: z.string(),
        parent_id: nullable(id('org')),
        path,
        status,
        mailbox_count: count().describe('Its mailboxes.'),
      }),
    ),
    ...pageOutput,
  }),
  async handle(context, input) {
    const { em, caller, organization } = context;
    if (input.parent_id !== undefined) {
      const parent = await em.findOne(Organization, { id: input.parent_id });
      if (!parent || !reaches(caller, parent.path)) throw notFound();
    }
    const children = input.parent_id === undefined ? {} : { parentId: input.parent_id };
    const nobody = caller.key.bound ? { id: '' } : {};
    const { rows, next_cursor } = await page(context, Organization, {
      operation: 'ListOrganizations',
      input,
      where: { ...beneathPath(organization.path), ...children, ...nobody },
    });
    const organizations = rows.map(row => ({
      org_id: row.id,
      name: row.name,
      parent_id: row.parentId ?? null,
      path: row.path,
      status: row.status,
      mailbox_count: 0,
    }));
    return { organizations, next_cursor };
  },
});

export const getOrganization = operation({
  rest: 'GET /v3/organizations/{org_id}',
  soap: 'GetOrganization',
  scope: 'org:read',
  summary: 'Read an organisation: its place, settings, usage and limits.',
  input: z.strictObject({ org_id: id('org') }),
  output: organizationView,
  handle: async ({ em, organization }) => view(em, await em.findOneOrFail(Organization, { id: organization.id })),
});

export const updateOrganization = operation({
  rest: 'PATCH /v3/organizations/{org_id}',
  soap: 'UpdateOrganization',
  scope: 'org:write',
  summary: 'Change, suspend, reactivate or move an organisation.',
  description:
    'settings are merged into the stored ones. Suspension stops the keys and mailboxes of the organisation and of all ' +
    'beneath it, and deletes nothing. A move carries everything beneath along. Suspending, moving and limits are for ' +
    'organisations above.',
  sensitive: {
    when: ({ status, parent_id, settings }) => [status, parent_id, settings].some(change => change !== undefined),
    because: 'Status, place and settings decide who can act and under which controls.',
  },
  input: z.strictObject({
    org_id: id('org'),
    name: line(200).optional().describe('Display name.'),
    status: status.optional().describe('suspended stops the keys and mailboxes of all beneath it too.'),
    settings: settings().optional().describe('Merged into the stored settings, as enforce_mfa, default_dlp_policy.'),
    parent_id: id('org').optional().describe('The new parent.'),
    limits: named('OrganizationLimitsChange', {
      seats: nullable(count()).optional().describe('Members at most; null lifts the limit.'),
    })
      .optional()
      .describe('Limits that are absent stay as they are.'),
  }),
  output: organizationView,
  async handle({ em, caller, organization: { id: orgId }, now, emit }, input) {
    const isSelf = orgId === caller.organization.id;
    if (isSelf && input.status === 'suspended') {
      throw new Refusal('conflict', 'An organisation cannot suspend itself; one above it can.');
    }
    if (isSelf && input.limits) throw invalid('limits', 'are set by an organisation above', 'not_allowed');
    const organization =
      input.parent_id === undefined
        ? await lockOrganization(em, orgId)
        : await move({ em, caller }, orgId, input.parent_id);
    if (input.settings) organization.settings = await mergeSettings(em, organization.settings, input.settings);
    organization.name = input.name ?? organization.name;
    organization.status = input.status ?? organization.status;
    const { seats } = input.limits ?? {};
    if (seats !== undefined) organization.limits = seats === null ? {} : { seats };
    organization.updatedAt = now;
    emit('org.updated', {
      org_id: orgId,
      path: organization.path,
      name: organization.name,
      status: organization.status,
    });
    return view(em, organization);
  },
});

export const createOrgUnit = operation({
  rest: 'POST /v3/organizations/{org_id}/org-units',
  soap: 'CreateOrgUnit',
  scope: 'org:write',
  summary: 'Create a unit that members are placed in.',
  input: z.strictObject({
    org_id: id('org'),
    name: line(100)
      .regex(/^[^/]*$/, { message: 'must hold no slash' })
      .describe('Unique beside its siblings; no slash.'),
    parent_ou_id: nullable(id('ou')).optional().describe('The unit it stands in; absent or null for none.'),
  }),
  output: named('OrgUnit', {
    ou_id: id('ou'),
    name: z.string(),
    parent_ou_id: nullable(id('ou')),
    path: z.string().describe('Names of the units it stands in, its own last, each led by a slash.'),
  }),
  async handle({ em, now, emit }, { name, parent_ou_id }) {
    const parent = parent_ou_id ? await em.findOne(OrgUnit, { id: parent_ou_id }) : undefined;
    if (parent === null) throw invalid('parent_ou_id', 'names no unit of the organisation', 'unknown');
    const path = `${parent?.path ?? ''}/${name}`;
    if (path.length > 700) throw invalid('parent_ou_id', 'stands too deep', 'too_deep');
    const unit = em.create(OrgUnit, { name, parentOuId: parent?.id ?? null, path, createdAt: now });
    await flushUnique(em, 'There is a unit of this name here already.');
    emit('org_unit.created', { ou_id: unit.id, path });
    return { ou_id: unit.id, name, parent_ou_id: unit.parentOuId ?? null, path };
  },
});

const dnsRecord = {
  type: z.enum(['TXT', 'MX']),
  host: z.string().describe('Relative to the domain; @ is the domain itself.'),
  value: z.string().describe('A TXT value over 255 characters is published as several strings.'),
  priority: z.int().min(0).max(65_535).optional().describe('Of MX records.'),
};
const domainStatus = z.enum(['pending', 'verified']);

export const addDomain = operation({
  rest: 'POST /v3/organizations/{org_id}/domains',
  soap: 'AddDomain',
  scope: 'org:write',
  summary: 'Claim a mail domain and get the DNS records to publish.',
  description:
    'The first TXT record proves the claim to VerifyDomain; the others route its mail here and let us sign it.',
  input: z.strictObject({
    org_id: id('org'),
    domain: line(253).describe('Domain name; international names become A-labels.'),
  }),
  output: named('Domain', {
    domain_id: id('dom'),
    domain: z.string(),
    status: domainStatus,
    dns_records: list(named('DnsRecord', dnsRecord)),
  }),
  async prepare(_context, { domain }) {
    const name = normalizeDomain(domain);
    if (name === undefined) throw invalid('domain', 'is no domain name');
    return { name, pairs: await makeSigningKeys() };
  },
  async handle({ em, organization, now, emit, services }, _input, { name, pairs }) {
    const domain = em.create(Domain, {
      domain: name,
      status: 'pending',
      verificationToken: randomBytes(16).toString('hex'),
      createdAt: now,
    });
    const keys = pairs.map(({ privateKey, ...pair }) => {
      const keyId = newId('dk', now.getTime());
      const place = { table: 'domain_keys', column: 'private_key', row: keyId, organization: organization.id };
      const sealed = services.keyring.sealText(place, privateKey);
      return em.create(DomainKey, { ...pair, id: keyId, domainId: domain.id, privateKey: sealed, createdAt: now });
    });
    await flushUnique(em, 'The organisation has this domain already.');
    emit('domain.added', { domain_id: domain.id, domain: name });
    const dns_records = recordsOf(domain, keys, services.settings.mxHost);
    return { domain_id: domain.id, domain: name, status: domain.status, dns_records };
  },
});

export const verifyDomain = operation({
  rest: 'POST /v3/organizations/{org_id}/domains/{domain_id}/verify',
  soap: 'VerifyDomain',
  scope: 'org:write',
  summary: 'Look for the DNS records of a domain and verify it.',
  description:
    'The verification TXT record alone decides; the others are reported. A verified domain stays verified. One organisation ' +
    'can have a domain verified: for another that proves it too, this is a conflict.',
  input: z.strictObject({ org_id: id('org'), domain_id: id('dom') }),
  output: named('DomainVerification', {
    domain_id: id('dom'),
    domain: z.string(),
    status: domainStatus,
    verified_at: nullable(dateTime()).describe('Null until the domain is verified.'),
    dns_records: list(
      named('DnsRecordFinding', {
        ...dnsRecord,
        status: z.enum(findings).describe('unreachable: no name server answered in time.'),
      }),
    ),
  }),
  async prepare({ read, signal, services }, { domain_id }) {
    const claim = await read(async em => ({
      domain: await em.findOne(Domain, { id: domain_id }),
      keys: await em.find(DomainKey, { domainId: domain_id }, { orderBy: { id: 'asc' } }),
    }));
    if (!claim.domain) throw notFound();
    const records = recordsOf(claim.domain, claim.keys, services.settings.mxHost);
    const found = await lookUp(services.resolver, claim.domain.domain, records, signal);
    return records.map((record, index) => ({ ...record, status: found[index]! }));
  },
  async handle({ em, now, emit }, { domain_id }, dns_records) {
    const domain = await em.findOne(Domain, { id: domain_id });
    if (!domain) throw notFound();
    if (domain.status === 'pending' && dns_records[0]!.status === 'found') {
      Object.assign(domain, { status: 'verified', verifiedDomain: domain.domain, verifiedAt: now });
      await flushUnique(em, 'Another organisation has this domain verified.');
      emit('domain.verified', { domain_id, domain: domain.domain });
    }
    const verified_at = domain.verifiedAt ? timestamp(domain.verifiedAt) : null;
    return { domain_id, domain: domain.domain, status: domain.status, verified_at, dns_records };
  },
});

export const createRole = operation({
  rest: 'POST /v3/organizations/{org_id}/roles',
  soap: 'CreateRole',
  scope: 'org:write',
  summary: 'Create a role that grants exactly its scopes.',
  input: z.strictObject({
    org_id: id('org'),
    name: line(100).describe('Unique within the organisation.'),
    scopes: list(line(100), 200).min(1).describe('Of GET /v3/scopes, and held by the calling key.'),
  }),
  output: named('Role', { role_id: id('role'), name: z.string(), scopes: list(z.string()) }),
  async handle({ em, caller, now, operations, emit }, input) {
    const scopes = checkGrant(input.scopes, caller, operations);
    const role = em.create(Role, { name: input.name, scopes, createdAt: now });
    await flushUnique(em, 'There is a role of this name already.');
    emit('role.created', { role_id: role.id, name: role.name, scopes });
    return { role_id: role.id, name: role.name, scopes };
  },
});
