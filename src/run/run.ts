import type { Caller } from '../core/caller.ts';
import { asRefusal, Refusal } from '../core/errors.ts';
import type { Act } from '../core/job.ts';
import type { Operation } from '../core/operation.ts';
import { holdsScope } from '../core/scopes.ts';
import { transaction } from '../db/transaction.ts';
import { act } from './act.ts';
import { check, execute } from './execute.ts';
import { withStoredFiles } from './files.ts';
import { type Held, hold, needsApproval, outcomeOf } from './hold.ts';
import { begin, type Claim, replay, settleRefusal } from './idempotency.ts';
import { parseInput } from './parse.ts';
import type { Parts, Request } from './request.ts';
import { resume } from './resume.ts';
import { targetOrganization } from './target.ts';
import { auditRefusal } from './trail.ts';

/** What the door was sent. It refuses what it cannot read after the scope was looked at, and that leaves a row too. */
type ReadInput = () => unknown;

/** The one path in: `run` for callers, `resume` for approved requests, `act` for jobs, mail and operators. */
export interface Run {
  /** Answers, or says that the request waits for approval; throws a Refusal otherwise. */
  run(op: Operation, caller: Caller, read: ReadInput): Promise<Held>;
  resume(authorizationRequestId: string): Promise<void>;
  act: Act;
}

export function createRun(parts: Parts): Run {
  return {
    run: (op, caller, read) => run(parts, op, caller, read),
    resume: id => resume(parts, id),
    act: (organizationId, actor, fn) => act(parts, organizationId, actor, fn),
  };
}

/** scope -> parse -> idempotency -> check -> approval -> transaction. Every refusal of a caller leaves an audit row. */
async function run(parts: Parts, op: Operation, caller: Caller, read: ReadInput): Promise<Held> {
  const { log } = parts.services;
  const { requestId, door, key, organization: acting, address } = caller;
  const facts = { requestId, operation: op.soap, door, key: key.id, organization: acting.id, address };
  try {
    if (!holdsScope(caller.key.scopes, op.scope)) {
      throw new Refusal('scope_missing', `This operation requires the scope ${op.scope}.`);
    }
    const input = parseInput(op.input, read());
    const organization = await targetOrganization(parts, op, caller, input);
    const request = { op, caller, organization, input };
    const isOnce = op.method === 'POST' && caller.idempotencyKey !== undefined;
    const answer = isOnce ? await once(parts, request) : await perform(parts, request);
    log.info({ ...facts, outcome: answer.kind }, 'request');
    return answer;
  } catch (error) {
    const refusal = asRefusal(error);
    log.info({ ...facts, outcome: refusal.code, cause: refusal.reason }, 'request');
    // Without a database there is no row; the refusal stands all the same.
    await auditRefusal(parts, op, caller, refusal).catch(failure =>
      log.error({ ...facts, err: failure }, 'not audited'),
    );
    throw refusal.code === 'internal' ? error : refusal;
  }
}

async function perform(parts: Parts, request: Request, claim?: Claim): Promise<Held> {
  if (!(await needsApproval(parts, request))) return { kind: 'done', output: await execute(parts, request, { claim }) };
  await check(parts, request);
  const id = await withStoredFiles(parts, request, stored => hold(parts, stored, claim));
  return outcomeOf(parts, request, id);
}

/** The same request under the same Idempotency-Key happens once and answers alike. */
async function once(parts: Parts, request: Request): Promise<Held> {
  const { keyring } = parts.services;
  const begun = await begin(parts.db, keyring, request.op, request.caller, request.input);
  if (begun.kind === 'answered') return { kind: 'done', output: replay(begun.answer) };
  try {
    return begun.kind === 'joined'
      ? await outcomeOf(parts, request, begun.authorizationRequestId)
      : await perform(parts, request, begun.claim);
  } catch (error) {
    await transaction(parts.db, 'system', em => settleRefusal(em, keyring, request.op, begun.claim, asRefusal(error)));
    throw error;
  }
}
