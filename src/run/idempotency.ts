import { createHash, randomUUID } from 'node:crypto';
import type { InferEntity } from '@mikro-orm/core';
import type { Caller } from '../core/caller.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { type ErrorCode, type FieldError, Refusal } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Operation } from '../core/operation.ts';
import { withHashes, withoutSecrets } from '../core/schema.ts';
import type { Keyring } from '../core/seal.ts';
import { hash, id, idOf, instant, line, oneOf, sealed } from '../db/columns.ts';
import type { Database, EntityManager } from '../db/orm.ts';
import { tenantEntity } from '../db/tenancy.ts';
import { transaction } from '../db/transaction.ts';
import type { Output } from './request.ts';

const day = 24 * 60 * 60 * 1000;
/** A run that dies leaves its record in flight; after this another may take it. Longer than any request waits. */
const grip = 60 * 1000;

/** The first answer to an Idempotency-Key, kept for 24 hours (draft-ietf-httpapi-idempotency-key-header). */
export const IdempotencyRecord = tenantEntity({
  name: 'IdempotencyRecord',
  tableName: 'idempotency_records',
  properties: {
    id: id('idm'),
    /** SHA-256 over key, acting organisation, method, target, operation and the caller's Idempotency-Key. */
    requestKey: hash(),
    /** SHA-256 of the parsed input: the same key with another body is a mistake. Sealed, so that nobody can try what it was. */
    inputHash: sealed(),
    state: oneOf('in_flight', 'held', 'done'),
    /** Names the run that works on it. */
    holder: line(36),
    heldUntil: instant(),
    authorizationRequestId: idOf().nullable(),
    answer: sealed().nullable(),
    expiresAt: instant(),
  },
  uniques: [{ properties: ['organizationId', 'requestKey'] }],
  indexes: [{ properties: ['expiresAt'] }],
});
export type IdempotencyRecord = InferEntity<typeof IdempotencyRecord>;

/** What is kept: an output without its secrets, or a refusal. */
export type Answer = { output: Output } | { refusal: { code: ErrorCode; message: string; errors: FieldError[] } };

/** This run's hold on a record. */
export interface Claim {
  readonly recordId: string;
  readonly organizationId: string;
  readonly holder: string;
}

export type Begun =
  | { kind: 'first'; claim: Claim }
  | { kind: 'answered'; answer: Answer }
  | { kind: 'joined'; claim: Claim; authorizationRequestId: string };

/** Looks the Idempotency-Key up, or claims it. Throws 422 for another body, 409 while the first request runs. */
export async function begin(
  db: Database,
  keyring: Keyring,
  op: Operation,
  caller: Caller,
  input: Record<string, unknown>,
): Promise<Begun> {
  const requestKey = sha256([
    caller.key.id,
    caller.organization.id,
    caller.request.method,
    caller.request.path,
    op.soap,
    caller.idempotencyKey,
  ]);
  const inputHash = sha256(withHashes(op.input, input));
  const now = await db.now();
  return transaction(db, caller.organization, async em => {
    const known = await em.findOne(IdempotencyRecord, { requestKey });
    if (known && known.expiresAt > now) return resumeRecord(em, keyring, known, inputHash, now);
    if (known) await em.nativeDelete(IdempotencyRecord, { id: known.id });
    return { kind: 'first', claim: await insert(em, keyring, caller, { requestKey, inputHash }, now) } as const;
  });
}

async function insert(
  em: EntityManager,
  keyring: Keyring,
  caller: Caller,
  { requestKey, inputHash }: { requestKey: string; inputHash: string },
  now: Date,
): Promise<Claim> {
  const holder = randomUUID();
  const recordId = newId('idm', now.getTime());
  await em.upsert(
    IdempotencyRecord,
    {
      id: recordId,
      organizationId: caller.organization.id,
      requestKey,
      inputHash: keyring.sealText(placeOf('input_hash', recordId, caller.organization.id), inputHash),
      state: 'in_flight',
      holder,
      heldUntil: new Date(now.getTime() + grip),
      expiresAt: new Date(now.getTime() + day),
    },
    { onConflictFields: ['organizationId', 'requestKey'], onConflictAction: 'ignore' },
  );
  const stored = await em.findOneOrFail(IdempotencyRecord, { requestKey }, { refresh: true });
  if (stored.holder !== holder) throw takenOver();
  return { recordId, organizationId: caller.organization.id, holder };
}

async function resumeRecord(
  em: EntityManager,
  keyring: Keyring,
  record: IdempotencyRecord,
  inputHash: string,
  now: Date,
): Promise<Begun> {
  const first = keyring.openText(placeOf('input_hash', record.id, record.organizationId), record.inputHash);
  if (first !== inputHash) throw new Refusal('idempotency_conflict');
  if (record.state === 'done') return { kind: 'answered', answer: openAnswer(keyring, record) };
  const { id: recordId, organizationId, holder: holding } = record;
  if (record.state === 'held') {
    const claim = { recordId, organizationId, holder: holding };
    return { kind: 'joined', claim, authorizationRequestId: record.authorizationRequestId! };
  }
  const holder = randomUUID();
  const taken = await em.nativeUpdate(
    IdempotencyRecord,
    { id: recordId, state: 'in_flight', holder: holding, heldUntil: { $lte: now } },
    { holder, heldUntil: new Date(now.getTime() + grip) },
  );
  if (taken === 0) throw takenOver();
  return { kind: 'first', claim: { recordId, organizationId, holder } };
}

/**
 * Stores the answer; inside handle's transaction, so that answer and effect commit together. Throws when another run has
 * taken over meanwhile: the effect is that one's. `em` is in system mode.
 */
export async function finish(
  em: EntityManager,
  keyring: Keyring,
  op: Operation,
  claim: Claim,
  answer: Answer,
): Promise<void> {
  if (!(await keep(em, keyring, op, claim, answer))) throw takenOver();
}

const takenOver = () => new Refusal('idempotency_in_flight', undefined, { retryAfter: 1 });

/** Whether the record was still this run's. */
async function keep(
  em: EntityManager,
  keyring: Keyring,
  op: Operation,
  claim: Claim,
  answer: Answer,
): Promise<boolean> {
  const kept = 'output' in answer ? { output: withoutSecrets(op.output, answer.output) } : answer;
  const stored = await em.nativeUpdate(
    IdempotencyRecord,
    { id: claim.recordId, organizationId: claim.organizationId, holder: claim.holder },
    {
      state: 'done',
      answer: keyring.sealText(placeOf('answer', claim.recordId, claim.organizationId), JSON.stringify(kept)),
    },
  );
  return stored === 1;
}

/** A retry of a held request joins it. Throws when another run has taken over. */
export async function joinHeld(em: EntityManager, claim: Claim, authorizationRequestId: string): Promise<void> {
  const joined = await em.nativeUpdate(
    IdempotencyRecord,
    { id: claim.recordId, organizationId: claim.organizationId, holder: claim.holder },
    { state: 'held', authorizationRequestId },
  );
  if (joined !== 1) throw takenOver();
}

/**
 * After a refusal: a lasting one is the answer to the key; 401, 403, 429 and 5xx say nothing lasting about the request, so
 * that the key may be used again.
 */
export async function settleRefusal(
  em: EntityManager,
  keyring: Keyring,
  op: Operation,
  claim: Claim,
  refusal: Refusal,
): Promise<void> {
  const { code, message, errors } = refusal;
  const isLasting = refusal.status < 500 && ![401, 403, 429].includes(refusal.status);
  if (isLasting) return void (await keep(em, keyring, op, claim, { refusal: { code, message, errors } }));
  // While its approval is open a held request may still happen; only what ended it frees the key.
  const ended = refusal.authorizationRequestId !== undefined;
  await em.nativeDelete(IdempotencyRecord, {
    id: claim.recordId,
    organizationId: claim.organizationId,
    holder: claim.holder,
    state: ended ? { $in: ['in_flight', 'held'] } : 'in_flight',
  });
}

/** The kept output, or the kept refusal thrown again. */
export function replay(answer: Answer): Output {
  if ('output' in answer) return answer.output;
  throw new Refusal(answer.refusal.code, answer.refusal.message, { errors: answer.refusal.errors });
}

function openAnswer(keyring: Keyring, record: IdempotencyRecord): Answer {
  return JSON.parse(keyring.openText(placeOf('answer', record.id, record.organizationId), record.answer!)) as Answer;
}

const placeOf = (column: string, row: string, organization: string) => ({
  table: 'idempotency_records',
  column,
  row,
  organization,
});

const sha256 = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');
