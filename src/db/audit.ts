import type { InferEntity } from '@mikro-orm/core';
import { newId } from '../core/ids.ts';
import type { TenantEntityManager } from '../core/operation.ts';
import { flag, id, instant, json, line } from './columns.ts';
import { tenantEntity } from './tenancy.ts';

/** What was done, or refused, by whom. Rows are never changed; audit-chain.ts makes changes show. */
export const AuditEvent = tenantEntity({
  name: 'AuditEvent',
  tableName: 'audit_events',
  properties: {
    id: id('aud'),
    occurredAt: instant(),
    requestId: line(80).nullable(),
    /** The operation's SOAP name, or `area.verb` for what no caller asked for. */
    operation: line(100),
    door: line(40),
    /** `done`, `held`, `refused` and the like. */
    outcome: line(40),
    /** The code of a refusal. */
    code: line(60).nullable(),
    /** `key`, `job`, `cli`, `mail`. */
    actorKind: line(20),
    /** The key's id, the job's name. */
    actorId: line(100),
    /** Of the TLS connection. */
    certificateThumbprint: line(64).nullable(),
    /** Of a signed message, when another certificate signed it. */
    signerThumbprint: line(64).nullable(),
    address: line(64).nullable(),
    /** The id of what was acted on. */
    target: line(200).nullable(),
    authorizationRequestId: line(40).nullable(),
    customerApprovalIds: json<string[]>(),
    detail: json<Record<string, unknown>>(),
    /** Whether the row has its place in the chain. */
    chained: flag(),
  },
  indexes: [{ properties: ['chained', 'organizationId'] }, { properties: ['organizationId', 'operation', 'id'] }],
});
export type AuditEvent = InferEntity<typeof AuditEvent>;

export interface AuditEntry {
  readonly organizationId: string;
  readonly occurredAt: Date;
  readonly requestId?: string | null;
  readonly operation: string;
  readonly door: string;
  readonly outcome: string;
  readonly code?: string | null;
  readonly actor: {
    readonly kind: 'key' | 'job' | 'cli' | 'mail';
    readonly id: string;
    readonly certificateThumbprint?: string;
    readonly signerThumbprint?: string;
    readonly address?: string;
  };
  readonly target?: string | null;
  readonly authorizationRequestId?: string | null;
  readonly customerApprovalIds?: readonly string[];
  /** Without secrets: they stand as hashes or not at all. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Writes the row at once, in the open transaction: no audit, no deed. Answers its id. */
export async function writeAudit(em: TenantEntityManager, entry: AuditEntry): Promise<string> {
  const eventId = newId('aud', entry.occurredAt.getTime());
  await em.insert(AuditEvent, {
    id: eventId,
    organizationId: entry.organizationId,
    occurredAt: entry.occurredAt,
    requestId: entry.requestId ?? null,
    operation: entry.operation,
    door: entry.door,
    outcome: entry.outcome,
    code: entry.code ?? null,
    actorKind: entry.actor.kind,
    actorId: entry.actor.id,
    certificateThumbprint: entry.actor.certificateThumbprint ?? null,
    signerThumbprint: entry.actor.signerThumbprint ?? null,
    address: entry.actor.address ?? null,
    target: entry.target ?? null,
    authorizationRequestId: entry.authorizationRequestId ?? null,
    customerApprovalIds: [...(entry.customerApprovalIds ?? [])],
    detail: { ...entry.detail },
    chained: false,
  });
  return eventId;
}
