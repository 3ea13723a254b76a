import { LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import { doors } from '../../core/caller.ts';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import { operation } from '../../core/operation.ts';
import {
  addressBlock,
  dateTime,
  id,
  line,
  list,
  named,
  nullable,
  pageInput,
  pageOutput,
  secret,
  timestamp,
} from '../../core/schema.ts';
import { scopeCatalogue } from '../../core/scopes.ts';
import { AuditEvent } from '../../db/audit.ts';
import { flushUnique } from '../../db/flush-unique.ts';
import { page } from '../../db/list.ts';
import { Organization } from '../organizations/entities.ts';
import { reaches } from '../organizations/tree.ts';
import { inheritedBlocks, readBlock, refuseLockOut } from './addresses.ts';
import { auditFilter, auditView } from './audit-trail.ts';
import { AllowedAddress, ApiKey } from './entities.ts';
import { keyStates, keyView, lockKey, mintKey, narrowing, refuseStronger, rotate } from './keys.ts';

const scopes = list(line(100), 200).min(1).describe('Scopes of GET /v3/scopes that the calling key holds.');
const shownOnce = secret(z.string())
  .optional()
  .describe('The bearer secret, shown by this answer only: absent where an Idempotency-Key repeats it.');

export const createApiKey = operation({
  rest: 'POST /v3/api-keys',
  soap: 'CreateApiKey',
  scope: 'keys:write',
  sensitive: true,
  summary: 'Make an API key with explicit scopes.',
  description:
    'The certificate and address controls hold for every key. A key made by a key that is bound to one organisation is ' +
    "bound to it too, and one made by a member's key belongs to that member.",
  input: z.strictObject({
    name: line(200).describe('Label; stands in the audit trail.'),
    scopes,
    org_id: id('org')
      .optional()
      .describe('Bind the key to this organisation; without it the key reaches descendants too.'),
    ip_allowlist: list(addressBlock(), 100)
      .optional()
      .describe('Addresses and blocks that narrow the allowed ones; they never widen them.'),
    expires_at: dateTime().optional().describe('The key stops then; without it the key does not expire.'),
    doors: list(z.enum(doors), doors.length)
      .min(1)
      .optional()
      .describe('The doors it opens; rest and soap when absent.'),
    member_id: id('mem').optional().describe("The member it is for: it never holds more than the member's role."),
  }),
  output: named('NewApiKey', {
    key_id: id('key'),
    name: z.string(),
    scopes: list(z.string()),
    org_id: nullable(id('org')).describe('The organisation that the key is bound to.'),
    secret: shownOnce,
    created_at: dateTime(),
  }),
  prepare: context => inheritedBlocks(context, 'all'),
  async handle(context, input, allowed) {
    const { em, caller, organization } = context;
    const boundTo = input.org_id ?? (caller.key.bound ? organization.id : null);
    if (boundTo !== null) {
      const target = await em.findOne(Organization, { id: boundTo });
      if (!target || !reaches(caller, target.path)) {
        throw invalid('org_id', 'names no organisation that this key reaches', 'unknown');
      }
    }
    const { key, secret } = await mintKey(context, {
      name: input.name,
      scopes: input.scopes,
      boundTo,
      ipAllowlist: narrowing(input.ip_allowlist ?? [], allowed),
      expiresAt: input.expires_at === undefined ? undefined : new Date(input.expires_at),
      doors: input.doors,
      memberId: input.member_id,
    });
    return {
      key_id: key.id,
      name: key.name,
      scopes: key.scopes,
      org_id: boundTo,
      secret,
      created_at: timestamp(key.createdAt),
    };
  },
});

export const issueApiKey = operation({
  rest: 'POST /v3/organizations/{org_id}/api-keys',
  soap: 'IssueApiKey',
  scope: 'org:write',
  sensitive: true,
  summary: 'Make an API key that belongs to one organisation and reaches no other.',
  input: z.strictObject({ org_id: id('org'), name: line(200).describe('Label; stands in the audit trail.'), scopes }),
  output: named('IssuedApiKey', {
    key_id: id('key'),
    org_id: id('org'),
    name: z.string(),
    scopes: list(z.string()),
    secret: shownOnce,
    created_at: dateTime(),
  }),
  async handle(context, { org_id, name, scopes }) {
    const { key, secret } = await mintKey(context, { name, scopes, boundTo: org_id });
    return { key_id: key.id, org_id, name, scopes: key.scopes, secret, created_at: timestamp(key.createdAt) };
  },
});

export const listApiKeys = operation({
  rest: 'GET /v3/api-keys',
  soap: 'ListApiKeys',
  scope: 'keys:read',
  summary: 'List the API keys of the organisation, newest first, without their secrets.',
  input: z.strictObject(pageInput),
  output: named('ApiKeyList', {
    keys: list(
      named('ApiKey', {
        key_id: id('key'),
        name: z.string(),
        scopes: list(z.string()),
        org_id: nullable(id('org')).describe('The organisation that the key is bound to.'),
        member_id: nullable(id('mem')).describe('The member that it is for.'),
        doors: list(z.enum(doors)),
        ip_allowlist: list(z.string()).describe('Narrows the allowed addresses; empty when it does not.'),
        status: z.enum(keyStates),
        created_at: dateTime(),
        expires_at: nullable(dateTime()).describe('Null: it does not expire.'),
        last_used_at: nullable(dateTime()).describe('Null: never.'),
      }),
    ),
    ...pageOutput,
  }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, ApiKey, { operation: 'ListApiKeys', input });
    return { keys: rows.map(row => keyView(row, context.now)), next_cursor };
  },
});

export const rotateApiKey = operation({
  rest: 'POST /v3/api-keys/{key_id}/rotate',
  soap: 'RotateApiKey',
  scope: 'keys:write',
  sensitive: true,
  summary: 'Give an API key a new secret; the previous one works for 24 hours more.',
  description:
    'Rotating again within that time stops the oldest secret at once. Only a key that holds all of its scopes may rotate it.',
  input: z.strictObject({ key_id: id('key') }),
  output: named('RotatedApiKey', {
    key_id: id('key'),
    secret: shownOnce,
    previous_valid_until: dateTime().describe('Until then the previous secret works too.'),
  }),
  async handle({ em, caller, now, emit }, { key_id }) {
    const key = await lockKey(em, key_id);
    refuseStronger(key, caller);
    if (key.status === 'revoked') throw new Refusal('conflict', 'A revoked key stays revoked.');
    const { secret, previousValidUntil } = rotate(key, now);
    emit('key.rotated', { key_id, previous_valid_until: timestamp(previousValidUntil) });
    return { key_id, secret, previous_valid_until: timestamp(previousValidUntil) };
  },
});

export const revokeApiKey = operation({
  rest: 'DELETE /v3/api-keys/{key_id}',
  soap: 'RevokeApiKey',
  scope: 'keys:write',
  sensitive: true,
  summary: 'Revoke an API key, at once and for good.',
  description: 'Requests in flight are refused too. Revoking it again answers the same.',
  input: z.strictObject({ key_id: id('key') }),
  output: named('RevokedApiKey', { key_id: id('key'), status: z.enum(['revoked']) }),
  async handle({ em, emit }, { key_id }) {
    const key = await lockKey(em, key_id);
    if (key.status === 'active') emit('key.revoked', { key_id });
    key.status = 'revoked';
    return { key_id, status: 'revoked' as const };
  },
});

export const listScopes = operation({
  rest: 'GET /v3/scopes',
  soap: 'ListScopes',
  scope: 'keys:read',
  summary: 'List every scope, by product.',
  input: z.strictObject({}),
  output: named('ScopeList', {
    scopes: list(
      named('Scope', {
        scope: z.string().describe('resource:action'),
        product: z.string(),
        grants: z.string().describe('What it permits.'),
      }),
    ),
  }),
  handle: async ({ operations }) => ({ scopes: scopeCatalogue(operations) }),
});

const address = {
  address_id: id('addr'),
  cidr: z.string().describe('The block; a single address ends in /32 or /128.'),
  label: nullable(z.string()),
  created_at: dateTime(),
};

const addressView = (row: AllowedAddress) => ({
  address_id: row.id,
  cidr: row.cidr,
  label: row.label ?? null,
  created_at: timestamp(row.createdAt),
});

export const listAllowedAddresses = operation({
  rest: 'GET /v3/allowed-addresses',
  soap: 'ListAllowedAddresses',
  scope: 'addresses:read',
  summary: "List the organisation's own allowed address blocks, newest first.",
  input: z.strictObject(pageInput),
  output: named('AllowedAddressList', { addresses: list(named('AllowedAddressItem', address)), ...pageOutput }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, AllowedAddress, { operation: 'ListAllowedAddresses', input });
    return { addresses: rows.map(addressView), next_cursor };
  },
});

export const addAllowedAddress = operation({
  rest: 'POST /v3/allowed-addresses',
  soap: 'AddAllowedAddress',
  scope: 'addresses:write',
  sensitive: true,
  summary: 'Allow requests from an address or block.',
  description: 'It counts for the organisation and all beneath it.',
  input: z.strictObject({
    cidr: addressBlock().describe('Address, or CIDR block without host bits; IPv4 /8 and IPv6 /16 at the largest.'),
    label: line(100).optional().describe('What it is, for those who read the list.'),
  }),
  output: named('AllowedAddress', address),
  async handle({ em, now, emit }, { cidr: wanted, label }) {
    const cidr = readBlock(wanted);
    const row = em.create(AllowedAddress, { cidr, label: label ?? null, createdAt: now });
    await flushUnique(em, 'This block is allowed already.');
    emit('address.added', { address_id: row.id, cidr });
    return addressView(row);
  },
});

export const removeAllowedAddress = operation({
  rest: 'DELETE /v3/allowed-addresses/{address_id}',
  soap: 'RemoveAllowedAddress',
  scope: 'addresses:write',
  sensitive: true,
  summary: 'Remove an allowed address or block; the last one that lets the caller in stays.',
  input: z.strictObject({ address_id: id('addr') }),
  output: named('RemovedAllowedAddress', { address_id: id('addr'), status: z.enum(['removed']) }),
  prepare: context => inheritedBlocks(context, 'ancestors'),
  async handle({ em, caller, emit }, { address_id }, inherited) {
    const own = await em.find(AllowedAddress, {}, { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' } });
    const row = own.find(each => each.id === address_id);
    if (!row) throw notFound();
    const remaining = own.filter(each => each !== row).map(each => each.cidr);
    refuseLockOut([...remaining, ...inherited], caller.address);
    em.remove(row);
    emit('address.removed', { address_id, cidr: row.cidr });
    return { address_id, status: 'removed' as const };
  },
});

export const listAuditEvents = operation({
  rest: 'GET /v3/audit-events',
  soap: 'ListAuditEvents',
  scope: 'audit:read',
  summary: 'Read the audit trail of the organisation, newest first.',
  description: 'Everything that changed something, or was refused, by whom, with which key, certificate and address.',
  input: z.strictObject({
    operation: line(100).optional().describe('Only this operation, by its SOAP name.'),
    outcome: line(40).optional().describe('Only this outcome, as done, held, refused.'),
    since: dateTime().optional().describe('Only what happened then or later.'),
    until: dateTime().optional().describe('Only what happened before.'),
    ...pageInput,
  }),
  output: named('AuditEventList', {
    audit_events: list(
      named('AuditEvent', {
        event_id: id('aud'),
        occurred_at: dateTime(),
        request_id: nullable(z.string()),
        operation: z.string().describe('SOAP name of the operation, or the name of the job or command.'),
        door: z.string().describe('The way it came: rest, soap, worker, job or cli.'),
        outcome: z.string().describe('done, held, refused; approved or denied for what an approver decided.'),
        code: nullable(z.string()).describe('The error code of a refusal.'),
        actor_kind: z.string().describe('key, job, cli or mail.'),
        actor_id: z.string(),
        actor_name: nullable(z.string()).describe('Label of the API key.'),
        certificate_thumbprint: nullable(z.string()).describe('Of the TLS connection: SHA-256, 64 hex digits.'),
        signer_thumbprint: nullable(z.string()).describe('Of a SOAP message that another certificate signed.'),
        address: nullable(z.string()).describe('Source address of the request.'),
        target: nullable(z.string()).describe('Id of what was acted on.'),
        authorization_request_id: nullable(z.string()).describe('Of a request that was held for approval.'),
        customer_approval_ids: list(z.string()).describe("The approvers' own ids of their approvals."),
      }),
    ),
    ...pageOutput,
  }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, AuditEvent, {
      operation: 'ListAuditEvents',
      input,
      where: auditFilter(input),
    });
    return { audit_events: rows.map(auditView), next_cursor };
  },
});
