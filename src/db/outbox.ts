import type { InferEntity } from '@mikro-orm/core';
import type { TenantEntityManager } from '../core/operation.ts';
import { id, instant, json, line } from './columns.ts';
import { tenantEntity } from './tenancy.ts';

/** Something that happened, written in the transaction that made it happen; subscribers hear of it afterwards. */
export const OutboxEvent = tenantEntity({
  name: 'OutboxEvent',
  tableName: 'outbox_events',
  properties: {
    id: id('evt'),
    /** `noun.verb_in_past`, as subscribers see it. */
    type: line(100),
    payload: json<Record<string, unknown>>(),
    occurredAt: instant().onCreate(() => new Date()),
    /** Set when every subscription has its delivery row. */
    fannedOutAt: instant().nullable(),
  },
  indexes: [{ properties: ['fannedOutAt', 'id'] }],
});
export type OutboxEvent = InferEntity<typeof OutboxEvent>;

/**
 * Part of the open unit of work: written with the next flush. The payload leaves the house, so it holds no secret. In
 * system mode the organisation must be named.
 */
export function emit(
  em: TenantEntityManager,
  type: string,
  payload: Record<string, unknown>,
  organizationId?: string,
): void {
  em.create(OutboxEvent, { type, payload, ...(organizationId && { organizationId }) });
}
