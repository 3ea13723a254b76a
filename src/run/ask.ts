import { createHash, type KeyObject } from 'node:crypto';
import { approvalKeys, learnApprovers } from '../areas/access/approvers.ts';
import { ClientCertificate } from '../areas/access/entities.ts';
import { approvalText, type Decision, readDecision } from '../areas/approvals/decision.ts';
import { end } from '../areas/approvals/ending.ts';
import { ApprovalDecision, ApprovalWebhook, AuthorizationRequest } from '../areas/approvals/entities.ts';
import { openAuthorization } from '../areas/approvals/outcome.ts';
import { privateCidrsOf } from '../areas/approvals/rules.ts';
import { postSigned } from '../areas/approvals/webhook.ts';
import { Organization } from '../areas/organizations/entities.ts';
import { storedCertificate } from '../core/certificates.ts';
import { verifyDetached } from '../core/detached-signature.ts';
import { timestamp } from '../core/schema.ts';
import { writeAudit } from '../db/audit.ts';
import type { EntityManager } from '../db/orm.ts';
import { read, transaction } from '../db/transaction.ts';
import { thawCaller } from './frozen.ts';
import { askJob, executeJob } from './job-names.ts';
import type { Parts } from './request.ts';

const deadlineMs = 10_000;
const pausesMs = [1000, 2000, 4000, 8000, 15_000];

interface Question {
  readonly row: AuthorizationRequest;
  readonly webhook: ApprovalWebhook;
}

/**
 * Asks one webhook once. A decision is recorded; a webhook that cannot be reached is asked again, by a job in the same
 * transaction that notices it, until the request expires.
 */
export async function ask(
  parts: Parts,
  data: { authorization_request_id: string; webhook_id: string; attempt: number },
) {
  const question = await load(parts, data.authorization_request_id, data.webhook_id);
  if (!question) return;
  const decision = await post(parts, question);
  if (decision) await record(parts, question, decision);
  else await askAgain(parts, question, data.attempt);
}

async function load(parts: Parts, id: string, webhookId: string): Promise<Question | undefined> {
  return read(parts.db, 'system', async em => {
    const row = await em.findOne(AuthorizationRequest, { id, state: 'pending' });
    const webhook = await em.findOne(ApprovalWebhook, { id: webhookId });
    const isOpen = row && row.expiresAt > (await parts.db.now());
    return isOpen && webhook ? { row, webhook } : undefined;
  });
}

async function post(parts: Parts, { row, webhook }: Question): Promise<Decision | undefined> {
  const { services, db } = parts;
  const allowPrivate = await read(db, 'system', em => privateCidrsOf(em, webhook.organizationId));
  const remaining = row.expiresAt.getTime() - (await db.now()).getTime();
  const options = { deadlineMs: Math.max(1, Math.min(deadlineMs, remaining)), allowPrivate };
  const answer = await postSigned(services, webhook.url, authorizationRequest(parts, row), options);
  if (answer.kind === 'answered') return readDecision(answer.body, row);
  services.log.warn(
    { authorization_request_id: row.id, webhook: webhook.id, reason: answer.reason },
    'approval webhook',
  );
  return undefined;
}

/** The documented members, and the text that the digest is made of, so that the approver can see what it approves. */
function authorizationRequest(parts: Parts, row: AuthorizationRequest) {
  const { caller } = thawCaller(row.caller);
  return {
    authorization_request_id: row.id,
    requesting_ip: row.requestingIp,
    received_request: { method: row.method, path: row.path, digest: row.digest },
    requested_at: timestamp(row.requestedAt),
    expires_at: timestamp(row.expiresAt),
    operation: row.operation,
    request_digest: caller.request.digest,
    authorization: openAuthorization(parts.services.keyring, row),
  };
}

async function askAgain(parts: Parts, { row, webhook }: Question, attempt: number): Promise<void> {
  const pause = pausesMs[Math.min(attempt, pausesMs.length) - 1]!;
  const at = new Date((await parts.db.now()).getTime() + pause);
  if (at >= row.expiresAt) return;
  const data = { authorization_request_id: row.id, webhook_id: webhook.id, attempt: attempt + 1 };
  await transaction(parts.db, 'system', em => parts.enqueue(em, askJob, data, { at }));
}

/** The decision and what follows from it, in one transaction; of several nodes exactly one moves the state. */
async function record(parts: Parts, { row, webhook }: Question, answered: Decision): Promise<void> {
  const now = await parts.db.now();
  if (answered.kind === 'approved') await read(parts.db, 'system', em => learnApproversOf(parts, em, webhook, now));
  await transaction(parts.db, 'system', async em => {
    const proof = answered.kind === 'approved' ? await proofOf(parts, em, row, webhook, answered, now) : undefined;
    const decision: Decision =
      answered.kind === 'approved' && !proof
        ? {
            kind: 'denied',
            reason: 'no approval certificate in force, other than the one that asked, made this signature',
            customerApprovalId: answered.customerApprovalId,
          }
        : answered;
    await keepDecision(em, row, webhook, decision, proof, now);
    const moved =
      decision.kind === 'denied' ? await deny(em, row, decision.reason, now) : await approve(parts, em, row, now);
    await writeAudit(em, {
      organizationId: row.organizationId,
      occurredAt: now,
      operation: row.operation,
      door: 'worker',
      outcome: decision.kind,
      actor: { kind: 'job', id: askJob, certificateThumbprint: proof?.thumbprint },
      authorizationRequestId: row.id,
      customerApprovalIds: decision.customerApprovalId === undefined ? [] : [decision.customerApprovalId],
      detail: {
        approval_webhook_id: webhook.id,
        moved,
        ...(decision.kind === 'denied' && { reason: decision.reason }),
      },
    });
  });
}

async function learnApproversOf(parts: Parts, em: EntityManager, webhook: ApprovalWebhook, now: Date): Promise<void> {
  const { path } = await em.findOneOrFail(Organization, { id: webhook.organizationId });
  await learnApprovers(em, parts.services.trust, now, path.split('/'));
}

interface Proof {
  readonly thumbprint: string;
  /** SHA-256 of the public key: two certificates over one key are one approver. */
  readonly approverKey: string;
}

async function proofOf(
  parts: Parts,
  em: EntityManager,
  row: AuthorizationRequest,
  webhook: ApprovalWebhook,
  decision: Extract<Decision, { kind: 'approved' }>,
  now: Date,
): Promise<Proof | undefined> {
  const { path } = await em.findOneOrFail(Organization, { id: webhook.organizationId });
  const keys = await approvalKeys(em, parts.services.trust, now, path.split('/'));
  const asking = await askingKeys(em, row);
  const text = approvalText(row.digest, decision.customerApprovalId);
  const maker = keys
    .filter(({ publicKey, joined }) => joined || !asking.some(key => key.equals(publicKey)))
    .find(({ publicKey }) => verifyDetached(publicKey, text, decision.signature));
  if (!maker) return undefined;
  const spki = maker.publicKey.export({ type: 'spki', format: 'der' });
  return { thumbprint: maker.thumbprint, approverKey: createHash('sha256').update(spki).digest('hex') };
}

/**
 * The keys that made the request. One key may be registered for requests in one organisation and for approvals in another,
 * and a move can bring the two into one line: what was registered cannot tell, so the approval itself is looked at.
 */
async function askingKeys(em: EntityManager, row: AuthorizationRequest): Promise<KeyObject[]> {
  const { certificate, signer } = thawCaller(row.caller).caller;
  const ids = [certificate, ...(signer ? [signer] : [])].map(({ id }) => id);
  const rows = await em.find(ClientCertificate, { id: { $in: ids } });
  return rows.map(({ pem }) => storedCertificate(pem).publicKey);
}

async function keepDecision(
  em: EntityManager,
  row: AuthorizationRequest,
  webhook: ApprovalWebhook,
  decision: Decision,
  proof: Proof | undefined,
  now: Date,
): Promise<void> {
  const { organizationId, id: authorizationRequestId } = row;
  const approverKey = proof?.approverKey ?? createHash('sha256').update(`denied:${webhook.id}`).digest('hex');
  if (await em.findOne(ApprovalDecision, { organizationId, authorizationRequestId, approverKey })) return;
  em.create(ApprovalDecision, {
    organizationId,
    authorizationRequestId,
    webhookId: webhook.id,
    decision: decision.kind,
    customerApprovalId: decision.customerApprovalId,
    approverKey,
    thumbprint: proof?.thumbprint,
    signature: decision.kind === 'approved' ? decision.signature : undefined,
    reason: decision.kind === 'denied' ? decision.reason : undefined,
    receivedAt: now,
  });
  await em.flush();
}

const deny = (em: EntityManager, row: AuthorizationRequest, reason: string, now: Date): Promise<boolean> =>
  end(em, row, { state: 'pending' }, { state: 'denied', reason, decidedAt: now });

/** Released once as many distinct keys approved as the quorum asks, and not a moment after expiry. */
async function approve(parts: Parts, em: EntityManager, row: AuthorizationRequest, now: Date): Promise<boolean> {
  const { organizationId, id: authorizationRequestId } = row;
  const approvals = await em.find(ApprovalDecision, { organizationId, authorizationRequestId, decision: 'approved' });
  if (new Set(approvals.map(approval => approval.approverKey)).size < row.quorum) return false;
  const customerApprovalIds = approvals.flatMap(approval => approval.customerApprovalId ?? []);
  const change = { state: 'approved', decidedAt: now, customerApprovalIds } as const;
  const open = { id: row.id, state: 'pending', expiresAt: { $gt: now } } as const;
  const moved = (await em.nativeUpdate(AuthorizationRequest, open, change)) === 1;
  if (moved) await parts.enqueue(em, executeJob, { authorization_request_id: row.id });
  return moved;
}
