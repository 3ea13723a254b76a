import type { InferEntity } from '@mikro-orm/core';
import {
  createdAt,
  flag,
  hash,
  id,
  idOf,
  instant,
  integer,
  json,
  line,
  longText,
  oneOf,
  sealed,
} from '../../db/columns.ts';
import { tenantEntity } from '../../db/tenancy.ts';

/** Where an organisation is asked. Inherited by its descendants until they register their own. */
export const ApprovalWebhook = tenantEntity({
  name: 'ApprovalWebhook',
  tableName: 'approval_webhooks',
  properties: {
    id: id('apw'),
    url: line(500),
    createdAt: createdAt(),
  },
  uniques: [{ properties: ['organizationId', 'url'] }],
});
export type ApprovalWebhook = InferEntity<typeof ApprovalWebhook>;

/** What an organisation demands beyond the operations that always need approval. */
export const ApprovalSettings = tenantEntity({
  name: 'ApprovalSettings',
  tableName: 'approval_settings',
  properties: {
    id: id('aps'),
    /** SOAP names of further operations that need approval. */
    sensitiveOperations: json<string[]>(),
    /** Approvals by distinct keys that release a request. */
    quorum: integer(),
    /** Seconds, 5 to 300; null: the server's. */
    windowSeconds: integer().nullable(),
    /** Private address blocks that its webhooks may stand in; set by an operator only. */
    privateCidrs: json<string[]>(),
  },
  uniques: [{ properties: ['organizationId'] }],
});
export type ApprovalSettings = InferEntity<typeof ApprovalSettings>;

/**
 * A request held for approval, frozen with its caller. It belongs to the organisation the request acts on.
 * pending -> approved | denied | expired | cancelled; approved -> executed | failed | lapsed. Every arrow is one guarded
 * UPDATE, so that of several nodes exactly one takes it.
 */
export const AuthorizationRequest = tenantEntity({
  name: 'AuthorizationRequest',
  tableName: 'authorization_requests',
  properties: {
    id: id('areq'),
    operation: line(100),
    state: oneOf('pending', 'approved', 'denied', 'expired', 'cancelled', 'executed', 'failed', 'lapsed'),
    keyId: idOf(),
    /** The organisation whose webhooks are asked. */
    approverOrganizationId: idOf(),
    requestingIp: line(45),
    method: line(10),
    path: line(2000),
    /** `sha256:` + hex over `authorization`. */
    digest: line(71),
    /** The exact text that approvals are bound to, sealed. */
    authorization: sealed(),
    /** The parsed input, a sealed blob's id. */
    inputBlob: idOf(),
    /** The frozen caller as JSON. */
    caller: longText(),
    quorum: integer(),
    requestedAt: instant(),
    expiresAt: instant(),
    decidedAt: instant().nullable(),
    /** The customers' own ids of the approvals that released it. */
    customerApprovalIds: json<string[]>(),
    finishedAt: instant().nullable(),
    /** Why it was denied or failed: an error code. */
    reason: line(200).nullable(),
    /** What the caller gets, as sealed JSON: an output or a refusal. */
    outcome: sealed().nullable(),
    /** Shown-once secrets are in `outcome` until its requester has read it. */
    unread: flag(),
  },
  indexes: [{ properties: ['organizationId', 'state'] }, { properties: ['keyId', 'state'] }],
});
export type AuthorizationRequest = InferEntity<typeof AuthorizationRequest>;

/** One webhook's decision, kept for the audit trail with the customer's own approval id. */
export const ApprovalDecision = tenantEntity({
  name: 'ApprovalDecision',
  tableName: 'approval_decisions',
  properties: {
    id: id('apd'),
    authorizationRequestId: idOf(),
    webhookId: idOf(),
    decision: oneOf('approved', 'denied'),
    customerApprovalId: line(128).nullable(),
    /** SHA-256 of the approver's public key: quorum counts distinct keys, not certificates. */
    approverKey: hash(),
    thumbprint: hash().nullable(),
    /** Base64, as it came. */
    signature: line(1400).nullable(),
    reason: line(200).nullable(),
    receivedAt: instant(),
  },
  uniques: [{ properties: ['organizationId', 'authorizationRequestId', 'approverKey'] }],
});
export type ApprovalDecision = InferEntity<typeof ApprovalDecision>;

export const approvalEntities = [ApprovalWebhook, ApprovalSettings, AuthorizationRequest, ApprovalDecision];
