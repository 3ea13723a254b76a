import type { FilterQuery } from '@mikro-orm/core';
import { timestamp } from '../../core/schema.ts';
import type { AuditEvent } from '../../db/audit.ts';

interface AuditQuery {
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export function auditFilter({ operation, outcome, since, until }: AuditQuery): FilterQuery<AuditEvent> {
  const within = { ...(since && { $gte: new Date(since) }), ...(until && { $lt: new Date(until) }) };
  return {
    ...(operation !== undefined && { operation }),
    ...(outcome !== undefined && { outcome }),
    ...((since ?? until) && { occurredAt: within }),
  };
}

export const auditView = (event: AuditEvent) => ({
  event_id: event.id,
  occurred_at: timestamp(event.occurredAt),
  request_id: event.requestId ?? null,
  operation: event.operation,
  door: event.door,
  outcome: event.outcome,
  code: event.code ?? null,
  actor_kind: event.actorKind,
  actor_id: event.actorId,
  actor_name: typeof event.detail.key_name === 'string' ? event.detail.key_name : null,
  certificate_thumbprint: event.certificateThumbprint ?? null,
  signer_thumbprint: event.signerThumbprint ?? null,
  address: event.address ?? null,
  target: event.target ?? null,
  authorization_request_id: event.authorizationRequestId ?? null,
  customer_approval_ids: event.customerApprovalIds,
});
