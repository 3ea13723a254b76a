import { type FilterQuery, LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import type { Caller } from '../../core/caller.ts';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import { operation, type PrepareContext } from '../../core/operation.ts';
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
  timestamp,
} from '../../core/schema.ts';
import { ownScope } from '../../core/scopes.ts';
import { flushUnique } from '../../db/flush-unique.ts';
import { page } from '../../db/list.ts';
import { challenge, refuseForbiddenAddress } from './challenge.ts';
import { end } from './ending.ts';
import { ApprovalSettings, ApprovalWebhook, AuthorizationRequest } from './entities.ts';
import { readOutput, refusalOf } from './outcome.ts';

const webhookView = {
  approval_webhook_id: id('apw'),
  url: z.string(),
  created_at: dateTime(),
};

const viewOf = (webhook: ApprovalWebhook) => ({
  approval_webhook_id: webhook.id,
  url: webhook.url,
  created_at: timestamp(webhook.createdAt),
});

export const registerApprovalWebhook = operation({
  rest: 'POST /v3/approval-webhooks',
  soap: 'RegisterApprovalWebhook',
  scope: 'approvals:write',
  sensitive: true,
  summary: 'Register a webhook that approves sensitive requests.',
  description:
    'The webhook is challenged at once: it must answer with a signature of the challenge, made with a certificate that is registered for approval.',
  input: named('RegisterApprovalWebhook', {
    url: z
      .url({ protocol: /^https$/ })
      .max(500)
      .describe('HTTPS address that is asked for approvals.'),
  }),
  output: named('ApprovalWebhook', webhookView),
  check: (context, { url }) => refuseForbiddenAddress(context, url),
  prepare: (context: PrepareContext, { url }) => challenge(context, url),
  async handle({ em, now, emit }, { url }) {
    const webhook = em.create(ApprovalWebhook, { url, createdAt: now });
    await flushUnique(em, 'This webhook is registered already.');
    emit('approval_webhook.registered', { approval_webhook_id: webhook.id, url });
    return viewOf(webhook);
  },
});

export const listApprovalWebhooks = operation({
  rest: 'GET /v3/approval-webhooks',
  soap: 'ListApprovalWebhooks',
  scope: 'approvals:read',
  summary: 'List the approval webhooks of the organisation.',
  input: named('ListApprovalWebhooks', pageInput),
  output: named('ApprovalWebhookList', {
    approval_webhooks: list(named('ApprovalWebhookItem', webhookView)),
    ...pageOutput,
  }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, ApprovalWebhook, { input, operation: 'ListApprovalWebhooks' });
    return { approval_webhooks: rows.map(viewOf), next_cursor };
  },
});

export const removeApprovalWebhook = operation({
  rest: 'DELETE /v3/approval-webhooks/{approval_webhook_id}',
  soap: 'RemoveApprovalWebhook',
  scope: 'approvals:write',
  sensitive: true,
  summary: 'Remove an approval webhook; the last one stays.',
  input: named('RemoveApprovalWebhook', { approval_webhook_id: id('apw') }),
  output: named('RemovedApprovalWebhook', { approval_webhook_id: id('apw'), status: z.enum(['removed']) }),
  async handle({ em, emit }, { approval_webhook_id }) {
    // Locked: two removals cannot each rely on the other's webhook.
    const own = await em.find(ApprovalWebhook, {}, { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' } });
    const webhook = own.find(each => each.id === approval_webhook_id);
    if (!webhook) throw notFound();
    // Without any webhook nothing sensitive could be approved again, not even a new webhook.
    if (own.length === 1) {
      throw new Refusal('conflict', 'The last approval webhook cannot be removed; register another one first.');
    }
    em.remove(webhook);
    emit('approval_webhook.removed', { approval_webhook_id });
    return { approval_webhook_id, status: 'removed' as const };
  },
});

const settingsView = named('ApprovalSettings', {
  sensitive_operations: list(z.string()).describe(
    'Operations, by SOAP name, that need approval beyond the always sensitive.',
  ),
  quorum: count().describe('Approvals by distinct keys that release a request.'),
  window_seconds: nullable(z.int()).describe("Seconds the webhooks have to decide; null is the server's default."),
});

const settingsOf = (settings: ApprovalSettings | null) => ({
  sensitive_operations: settings?.sensitiveOperations ?? [],
  quorum: settings?.quorum ?? 1,
  window_seconds: settings?.windowSeconds ?? null,
});

export const getApprovalSettings = operation({
  rest: 'GET /v3/approval-settings',
  soap: 'GetApprovalSettings',
  scope: 'approvals:read',
  summary: 'Read what the organisation demands beyond the always sensitive operations.',
  input: named('GetApprovalSettings', {}),
  output: settingsView,
  handle: async ({ em }) => settingsOf(await em.findOne(ApprovalSettings, {})),
});

export const updateApprovalSettings = operation({
  rest: 'PATCH /v3/approval-settings',
  soap: 'UpdateApprovalSettings',
  scope: 'approvals:write',
  sensitive: true,
  summary: 'Change what the organisation demands beyond the always sensitive operations.',
  description: 'What ancestors demand unites with it: a descendant can add, never relax.',
  input: named('UpdateApprovalSettings', {
    sensitive_operations: list(line(100), 200)
      .optional()
      .describe('Replaces the list: operations that change something, by SOAP name.'),
    quorum: z.int().min(1).max(10).optional().describe('Approvals by distinct keys that release a request.'),
    window_seconds: z.int().min(5).max(300).optional().describe('Seconds the webhooks have to decide.'),
  }),
  output: settingsView,
  async handle({ em, operations, organization }, { sensitive_operations, quorum, window_seconds }) {
    for (const name of sensitive_operations ?? []) {
      const op = operations.find(candidate => candidate.soap === name);
      if (!op) throw invalid('sensitive_operations', `${name} is not an operation`);
      if (op.readOnly) throw invalid('sensitive_operations', `${name} only reads, which needs no approval`);
    }
    const fresh = { sensitiveOperations: [], quorum: 1, privateCidrs: [], organizationId: organization.id };
    const settings = (await em.findOne(ApprovalSettings, {})) ?? em.create(ApprovalSettings, fresh);
    if (sensitive_operations) settings.sensitiveOperations = [...new Set(sensitive_operations)];
    if (quorum !== undefined) settings.quorum = quorum;
    if (window_seconds !== undefined) settings.windowSeconds = window_seconds;
    return settingsOf(settings);
  },
});

const state = z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'executed', 'failed', 'lapsed']);

const requestView = {
  authorization_request_id: id('areq'),
  operation: z.string().describe('SOAP name of the operation.'),
  state,
  requesting_ip: z.string().describe('Source address of the request.'),
  digest: z.string().describe('sha256: and the hex SHA-256 of the text that approvals are bound to.'),
  requested_at: dateTime(),
  expires_at: dateTime().describe('No approval counts after this instant.'),
  decided_at: nullable(dateTime()).describe('When it was approved, denied or cancelled.'),
  finished_at: nullable(dateTime()).describe('When the operation was done, or had failed.'),
  customer_approval_ids: list(z.string()).describe("The approvers' own ids of their approvals."),
};

/** Whoever looks after the time is over sees it expired, even before a node has said so in the row. */
const stateAt = (row: AuthorizationRequest, now: Date) =>
  row.state === 'pending' && row.expiresAt <= now ? 'expired' : row.state;

/** What `stateAt` shows, as a filter. */
function inState(shown: AuthorizationRequest['state'], now: Date): FilterQuery<AuthorizationRequest> {
  if (shown === 'pending') return { state: 'pending', expiresAt: { $gt: now } };
  if (shown === 'expired') return { $or: [{ state: 'expired' }, { state: 'pending', expiresAt: { $lte: now } }] };
  return { state: shown };
}

const requestOf = (row: AuthorizationRequest, now: Date) => ({
  authorization_request_id: row.id,
  operation: row.operation,
  state: stateAt(row, now),
  requesting_ip: row.requestingIp,
  digest: row.digest,
  requested_at: timestamp(row.requestedAt),
  expires_at: timestamp(row.expiresAt),
  decided_at: row.decidedAt ? timestamp(row.decidedAt) : null,
  finished_at: row.finishedAt ? timestamp(row.finishedAt) : null,
  customer_approval_ids: row.customerApprovalIds,
});

/** Its requester sees a request with any key's own scope; everybody else needs approvals:read. */
const maySee = (caller: Caller, row: AuthorizationRequest): boolean =>
  row.keyId === caller.key.id || caller.key.scopes.has('approvals:read');

export const getAuthorizationRequest = operation({
  rest: 'GET /v3/authorization-requests/{authorization_request_id}',
  soap: 'GetAuthorizationRequest',
  scope: ownScope,
  summary: 'Read a request that was held for approval, and what it came to.',
  description:
    "The requester reads it with the same key; other keys need approvals:read and do not see the result. `result` is the operation's own answer as JSON text; a secret stands in the first reading only.",
  input: named('GetAuthorizationRequest', { authorization_request_id: id('areq') }),
  output: named('AuthorizationRequest', {
    ...requestView,
    result: nullable(z.string()).describe(
      "The operation's answer as JSON text, once executed; for the requester only.",
    ),
    error: nullable(z.string()).describe('The error code that the request came to.'),
    message: nullable(z.string()).describe('What the error means.'),
  }),
  async handle({ em, caller, services, operations, now }, { authorization_request_id }) {
    const row = await em.findOne(AuthorizationRequest, { id: authorization_request_id });
    if (!row || !maySee(caller, row)) throw notFound();
    const refusal = refusalOf(services.keyring, { ...row, state: stateAt(row, now) });
    const op = operations.find(candidate => candidate.soap === row.operation);
    const isReadable = op && row.state === 'executed' && row.keyId === caller.key.id;
    return {
      ...requestOf(row, now),
      result: isReadable ? JSON.stringify(await readOutput(em, services.keyring, op, row)) : null,
      error: refusal?.code ?? null,
      message: refusal?.message ?? null,
    };
  },
});

export const listAuthorizationRequests = operation({
  rest: 'GET /v3/authorization-requests',
  soap: 'ListAuthorizationRequests',
  scope: 'approvals:read',
  summary: 'List the requests that were held for approval, newest first.',
  input: named('ListAuthorizationRequests', {
    state: state.optional().describe('Only requests in this state.'),
    ...pageInput,
  }),
  output: named('AuthorizationRequestList', {
    authorization_requests: list(named('AuthorizationRequestItem', requestView)),
    ...pageOutput,
  }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, AuthorizationRequest, {
      operation: 'ListAuthorizationRequests',
      input,
      where: input.state ? inState(input.state, context.now) : {},
    });
    return { authorization_requests: rows.map(row => requestOf(row, context.now)), next_cursor };
  },
});

export const cancelAuthorizationRequest = operation({
  rest: 'DELETE /v3/authorization-requests/{authorization_request_id}',
  soap: 'CancelAuthorizationRequest',
  scope: ownScope,
  summary: 'Take back a request that still waits for approval.',
  input: named('CancelAuthorizationRequest', { authorization_request_id: id('areq') }),
  output: named('CancelledAuthorizationRequest', { authorization_request_id: id('areq'), state }),
  async handle({ em, caller, now }, { authorization_request_id }) {
    const row = await em.findOne(AuthorizationRequest, { id: authorization_request_id, keyId: caller.key.id });
    if (!row) throw notFound();
    const open = { state: 'pending', expiresAt: { $gt: now } } as const;
    if (!(await end(em, row, open, { state: 'cancelled', decidedAt: now })))
      throw new Refusal('conflict', `The request is ${stateAt(row, now)}; only a pending one can be cancelled.`);
    return { authorization_request_id, state: 'cancelled' as const };
  },
});
