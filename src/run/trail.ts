import type { Caller } from '../core/caller.ts';
import type { Refusal } from '../core/errors.ts';
import type { Operation } from '../core/operation.ts';
import { type AuditEntry, writeAudit } from '../db/audit.ts';
import { transaction } from '../db/transaction.ts';
import type { Output, Parts, Request } from './request.ts';

interface Happened {
  readonly output?: Output;
  readonly refusal?: Refusal;
  readonly authorizationRequestId?: string;
  readonly customerApprovalIds?: readonly string[];
}

/** What a caller did, as the audit trail keeps it. */
export function entryOf(request: Request, outcome: 'done' | 'held' | 'refused', happened: Happened): AuditEntry {
  const { op, caller, organization, input } = request;
  return {
    ...actedBy(op, caller),
    organizationId: organization.id,
    outcome,
    code: happened.refusal?.code,
    target: targetOf(op, input, happened.output),
    authorizationRequestId: happened.authorizationRequestId ?? happened.refusal?.authorizationRequestId,
    customerApprovalIds: happened.customerApprovalIds,
  };
}

const actedBy = (op: Operation, caller: Caller) => ({
  occurredAt: caller.receivedAt,
  requestId: caller.requestId,
  operation: op.soap,
  door: caller.door,
  actor: {
    kind: 'key' as const,
    id: caller.key.id,
    certificateThumbprint: caller.certificate.thumbprint,
    signerThumbprint: caller.signer?.thumbprint,
    address: caller.address,
  },
  detail: { key_name: caller.key.name },
});

/** The thing a path names, else the thing that was made. */
function targetOf(op: Operation, input: Record<string, unknown>, output: Output | undefined): string | undefined {
  const named = op.pathParameters.at(-1);
  const made = Object.keys(output ?? {}).find(member => member.endsWith('_id'));
  const isMaking = op.method === 'POST' && made !== undefined;
  const target = isMaking ? output![made] : named && input[named];
  return typeof target === 'string' ? target : undefined;
}

/** Refused after the rollback, in a write of its own: the refusal must outlive what it refused. */
export async function auditRefusal(parts: Parts, op: Operation, caller: Caller, refusal: Refusal): Promise<void> {
  await transaction(parts.db, 'system', em =>
    writeAudit(em, {
      ...actedBy(op, caller),
      organizationId: caller.organization.id,
      outcome: 'refused',
      code: refusal.code,
      authorizationRequestId: refusal.authorizationRequestId,
    }),
  );
}
