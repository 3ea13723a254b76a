import type { EntityManager } from '@mikro-orm/core';
import { ApprovalSettings, ApprovalWebhook } from './entities.ts';

/** What holds for a request, from the settings of an organisation and of all above it. */
export interface ApprovalRules {
  /** SOAP names that need approval beyond the always sensitive ones: what ancestors demand unites. */
  readonly sensitiveOperations: ReadonlySet<string>;
  /** The highest quorum of the line: a child cannot relax it. */
  readonly quorum: number;
  /** The shortest window of the line, in seconds; undefined: the server's. */
  readonly windowSeconds: number | undefined;
}

/** `em` is in system mode: the line of ancestors reaches beyond the caller's organisation. `path` is `org_…/org_…`. */
export async function approvalRules(em: EntityManager, path: string): Promise<ApprovalRules> {
  const settings = await em.find(ApprovalSettings, { organizationId: { $in: path.split('/') } });
  const windows = settings.map(row => row.windowSeconds).filter(seconds => seconds !== null && seconds !== undefined);
  return {
    sensitiveOperations: new Set(settings.flatMap(row => row.sensitiveOperations)),
    quorum: Math.max(1, ...settings.map(row => row.quorum)),
    windowSeconds: windows.length === 0 ? undefined : Math.min(...windows),
  };
}

/** Who decides: the organisation at `path`, or its nearest ancestor that has any webhook. */
export async function approversOf(
  em: EntityManager,
  path: string,
): Promise<{ organizationId: string; webhooks: ApprovalWebhook[] } | undefined> {
  const line = path.split('/').reverse();
  const webhooks = await em.find(ApprovalWebhook, { organizationId: { $in: line } });
  const organizationId = line.find(id => webhooks.some(webhook => webhook.organizationId === id));
  if (organizationId === undefined) return undefined;
  return { organizationId, webhooks: webhooks.filter(webhook => webhook.organizationId === organizationId) };
}

/** Private address blocks that an operator allowed the organisation's webhooks to stand in. */
export async function privateCidrsOf(em: EntityManager, organizationId: string): Promise<string[]> {
  const settings = await em.findOne(ApprovalSettings, { organizationId });
  return settings?.privateCidrs ?? [];
}
