import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockMode } from '@mikro-orm/core';
import { end } from '../areas/approvals/ending.ts';
import { AuthorizationRequest } from '../areas/approvals/entities.ts';
import { readOutput, refusalOf, sealAuthorization } from '../areas/approvals/outcome.ts';
import { approvalRules, approversOf } from '../areas/approvals/rules.ts';
import { Organization } from '../areas/organizations/entities.ts';
import type { Caller } from '../core/caller.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { Refusal } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { isSensitive } from '../core/operation.ts';
import { filesOf, timestamp, withHashes } from '../core/schema.ts';
import { writeAudit } from '../db/audit.ts';
import { adopt, writeBlob } from '../db/blobs.ts';
import type { EntityManager } from '../db/orm.ts';
import { read, transaction } from '../db/transaction.ts';
import { freezeCaller } from './frozen.ts';
import { type Claim, joinHeld } from './idempotency.ts';
import { askJob } from './job-names.ts';
import type { Output, Parts, Request } from './request.ts';
import { entryOf } from './trail.ts';

const mostPendingPerKey = 5;
const mostPendingPerOrganization = 20;
const patienceMs = 45_000;

/** Whether this request must be approved: by its operation, or because an organisation of the line demands it. */
export async function needsApproval(parts: Parts, { op, caller, organization, input }: Request): Promise<boolean> {
  if (isSensitive(op, input)) return true;
  if (op.readOnly) return false;
  const rules = await read(parts.db, 'system', em => rulesFor(em, caller.key.organizationPath, organization.path));
  return rules.some(rule => rule.sensitiveOperations.has(op.soap));
}

const rulesFor = (em: EntityManager, ...paths: string[]) =>
  Promise.all([...new Set(paths)].map(path => approvalRules(em, path)));

/** Freezes the request, sealed, with its caller and its stored files; the job that asks for approval commits with it. */
export async function hold(parts: Parts, request: Request, claim?: Claim): Promise<string> {
  const { services, db } = parts;
  const { op, caller, organization, input } = request;
  const now = await db.now();
  return transaction(db, 'system', async em => {
    const approvers = await approversOf(em, caller.key.organizationPath);
    if (!approvers) throw new Refusal('approval_unavailable');
    await limitPending(em, caller, now);
    const rules = await rulesFor(em, caller.key.organizationPath, organization.path);
    const windows = rules.map(rule => rule.windowSeconds ?? services.settings.approvalWindow);
    const expiresAt = new Date(now.getTime() + Math.min(...windows) * 1000);
    const row = { id: newId('areq', now.getTime()), organizationId: caller.organization.id };
    const authorization = authorizationText(row.id, request, now, expiresAt);
    for (const file of filesOf(op.input, input)) await adopt(em, file, row.id);
    em.create(AuthorizationRequest, {
      ...row,
      operation: op.soap,
      state: 'pending',
      keyId: caller.key.id,
      approverOrganizationId: approvers.organizationId,
      requestingIp: caller.address,
      method: caller.request.method,
      path: caller.request.path,
      digest: digestOf(authorization),
      authorization: sealAuthorization(services.keyring, row, authorization),
      inputBlob: await writeBlob(em, services.keyring, row.organizationId, row.id, Buffer.from(JSON.stringify(input))),
      caller: freezeCaller(caller, organization, claim),
      customerApprovalIds: [],
      quorum: Math.max(...rules.map(rule => rule.quorum)),
      requestedAt: now,
      expiresAt,
      unread: true,
    });
    if (claim) await joinHeld(em, claim, row.id);
    for (const webhook of approvers.webhooks) {
      await parts.enqueue(em, askJob, { authorization_request_id: row.id, webhook_id: webhook.id, attempt: 1 });
    }
    await em.flush();
    await writeAudit(em, entryOf(request, 'held', { authorizationRequestId: row.id }));
    return row.id;
  });
}

/**
 * The exact text an approval is bound to: what is asked, by whom, until when. Secrets and attachments stand as hashes, so
 * that the approver sees everything and learns nothing it should not keep.
 */
export function authorizationText(id: string, request: Request, requestedAt: Date, expiresAt: Date): string {
  const { op, caller, organization, input } = request;
  return canonicalJson({
    authorization_request_id: id,
    organization_id: organization.id,
    operation: op.soap,
    key_id: caller.key.id,
    certificate_thumbprint: caller.certificate.thumbprint,
    signer_thumbprint: caller.signer?.thumbprint,
    requested_at: timestamp(requestedAt),
    expires_at: timestamp(expiresAt),
    input: withHashes(op.input, input),
  });
}

export const digestOf = (authorization: string): string =>
  `sha256:${createHash('sha256').update(authorization, 'utf8').digest('hex')}`;

/** A stolen key must not be able to bury its owner's approvers in requests. The lock makes requests at once count each other. */
async function limitPending(em: EntityManager, { key, organization }: Caller, now: Date): Promise<void> {
  const organizationId = organization.id;
  const keyId = key.id;
  // The key's own organisation as well: a key may ask for many descendants at once.
  const counted = { id: { $in: [organizationId, key.organizationId] } };
  await em.find(Organization, counted, {
    lockMode: LockMode.PESSIMISTIC_WRITE,
    orderBy: { id: 'asc' },
    fields: ['id'],
  });
  const pending = { state: 'pending', expiresAt: { $gt: now } } as const;
  const ofKey = await em.count(AuthorizationRequest, { ...pending, keyId });
  const ofOrganization = await em.count(AuthorizationRequest, { ...pending, organizationId });
  if (ofKey >= mostPendingPerKey || ofOrganization >= mostPendingPerOrganization) {
    throw new Refusal('approval_limit', undefined, { retryAfter: 30 });
  }
}

export type Held = { kind: 'done'; output: Output } | { kind: 'held'; authorizationRequestId: string; expiresAt: Date };

/** Waits for the outcome as long as a connection may wait, or not at all; throws the refusal that it came to. */
export async function outcomeOf(parts: Parts, request: Request, id: string): Promise<Held> {
  const started = performance.now();
  for (let pause = 10; ; pause = Math.min(pause * 1.5, 200)) {
    const row = await currentRow(parts, request, id);
    const refusal = refusalOf(parts.services.keyring, row);
    if (refusal) throw refusal;
    if (row.state === 'executed') return { kind: 'done', output: await output(parts, request, row) };
    const impatient = request.caller.respondAsync || performance.now() - started > patienceMs;
    if (impatient) return { kind: 'held', authorizationRequestId: id, expiresAt: row.expiresAt };
    await sleep(pause);
  }
}

async function currentRow(parts: Parts, { caller }: Request, id: string): Promise<AuthorizationRequest> {
  const now = await parts.db.now();
  const find = (em: EntityManager) => em.findOneOrFail(AuthorizationRequest, { id });
  const row = await read(parts.db, caller.organization, find);
  if (row.state !== 'pending' || row.expiresAt > now) return row;
  await transaction(parts.db, caller.organization, em => expire(em, row, now));
  return read(parts.db, caller.organization, find);
}

/** Whoever first sees that the time is over says so. */
const expire = (em: EntityManager, row: AuthorizationRequest, now: Date): Promise<boolean> =>
  end(em, row, { state: 'pending', expiresAt: { $lte: now } }, { state: 'expired', decidedAt: now });

const output = (parts: Parts, { op, caller }: Request, row: AuthorizationRequest): Promise<Output> =>
  transaction(parts.db, caller.organization, em => readOutput(em, parts.services.keyring, op, row));
