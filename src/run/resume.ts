import { createHash } from 'node:crypto';
import { dropInput, end, take } from '../areas/approvals/ending.ts';
import { AuthorizationRequest } from '../areas/approvals/entities.ts';
import { openAuthorization, sealOutcome } from '../areas/approvals/outcome.ts';
import type { Content } from '../core/content.ts';
import { Refusal } from '../core/errors.ts';
import { filesOf, withFiles } from '../core/schema.ts';
import { writeAudit } from '../db/audit.ts';
import { readBlob, StoredContent } from '../db/blobs.ts';
import type { EntityManager } from '../db/orm.ts';
import { read, transaction } from '../db/transaction.ts';
import { execute } from './execute.ts';
import { thawCaller } from './frozen.ts';
import { authorizationText, digestOf } from './hold.ts';
import { type Claim, settleRefusal } from './idempotency.ts';
import type { Parts, Request } from './request.ts';
import { learnStanding } from './standing.ts';
import { entryOf } from './trail.ts';

/** An approval is no blank cheque: what has not started by then lapses. */
export const startWithinMs = 10 * 60 * 1000;

/** Another node took the request first: nothing is left to do, and nothing may be done. */
class AlreadyTaken extends Error {}

/**
 * Executes an approved request, exactly once: the first statement of its transaction takes it, and a killed node gives it
 * back with the rollback. The frozen text must still have the digest that was approved.
 */
export async function resume(parts: Parts, id: string): Promise<void> {
  const row = await find(parts, id);
  if (row?.state !== 'approved' || (await lapsed(parts, row))) return;
  const thawed = await thaw(parts, row).catch(async error => {
    // Its input went with it when another node was faster.
    if ((await find(parts, id))?.state === 'approved') throw error;
  });
  if (!thawed) return;
  const { request, claim } = thawed;
  await learnStanding(parts, request.caller);
  try {
    await execute(parts, request, {
      claim,
      customerApprovalIds: row.customerApprovalIds,
      before: system => takeForExecution(system, row, parts),
      async after(system, output) {
        await dropInput(system, row);
        await keep(system, parts, row, { output });
      },
    });
  } catch (error) {
    if (error instanceof AlreadyTaken) return;
    if (!(error instanceof Refusal) || error.status >= 500) throw error;
    await fail(parts, row, request, claim, error);
  }
}

const find = (parts: Parts, id: string) => read(parts.db, 'system', em => em.findOne(AuthorizationRequest, { id }));

async function thaw(parts: Parts, row: AuthorizationRequest): Promise<{ request: Request; claim: Claim | undefined }> {
  const { keyring, openStored } = parts.services;
  const op = parts.operations.find(candidate => candidate.soap === row.operation);
  if (!op) throw new Error(`no operation ${row.operation}`);
  const { caller, organization, claim } = thawCaller(row.caller);
  const blob = await read(parts.db, caller.organization, em =>
    readBlob(em, keyring, row.organizationId, row.inputBlob),
  );
  const input = withFiles(op.input, JSON.parse(blob.toString('utf8')), file => {
    const reference = file as ReturnType<StoredContent['toJSON']>;
    return new StoredContent(reference, row.id, () => openStored(row.organizationId, reference.blob));
  }) as Request['input'];
  const request = { op, caller, organization, input };
  for (const file of filesOf(op.input, input)) {
    if (!(await isAsMeasured(file))) throw new Error(`a file of ${row.id} is not what was approved`);
  }
  const text = authorizationText(row.id, request, row.requestedAt, row.expiresAt);
  const intact = text === openAuthorization(keyring, row) && digestOf(text) === row.digest;
  if (!intact) throw new Error(`${row.id} is not what was approved`);
  return { request, claim };
}

/** The text that was approved holds hashes: what they are of is looked at again. */
async function isAsMeasured(file: Content): Promise<boolean> {
  const sum = createHash('sha256');
  for await (const octets of file.open()) sum.update(octets);
  return sum.digest('hex') === file.sha256;
}

/** The input stays until the operation has adopted its files. */
async function takeForExecution(system: EntityManager, row: AuthorizationRequest, { db }: Parts) {
  const change = { state: 'executed', finishedAt: await db.now() } as const;
  if (!(await take(system, row, { state: 'approved' }, change))) throw new AlreadyTaken();
}

async function keep(
  system: EntityManager,
  parts: Parts,
  row: AuthorizationRequest,
  outcome: Parameters<typeof sealOutcome>[2],
) {
  const sealed = sealOutcome(parts.services.keyring, row, outcome);
  await system.nativeUpdate(AuthorizationRequest, { id: row.id }, { outcome: sealed });
}

async function fail(
  parts: Parts,
  row: AuthorizationRequest,
  request: Request,
  claim: Claim | undefined,
  refusal: Refusal,
) {
  const { code, message, errors } = refusal;
  await transaction(parts.db, 'system', async em => {
    const change = { state: 'failed', finishedAt: await parts.db.now() } as const;
    if (!(await end(em, row, { state: 'approved' }, change))) throw new AlreadyTaken();
    await keep(em, parts, row, { refusal: { code, message, errors } });
    if (claim) await settleRefusal(em, parts.services.keyring, request.op, claim, refusal);
    await writeAudit(em, entryOf(request, 'refused', { refusal, authorizationRequestId: row.id }));
  });
}

async function lapsed(parts: Parts, row: AuthorizationRequest): Promise<boolean> {
  const now = await parts.db.now();
  const open = notStarted(now);
  if (row.decidedAt! >= open.decidedAt.$lt) return false;
  await transaction(parts.db, 'system', em => end(em, row, open, { state: 'lapsed', finishedAt: now }));
  return true;
}

/** Approved requests that were not started in time. */
export const notStarted = (now: Date) =>
  ({ state: 'approved', decidedAt: { $lt: new Date(now.getTime() - startWithinMs) } }) as const;
