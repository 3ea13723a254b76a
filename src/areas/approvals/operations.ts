import { z } from 'zod';
import type { Caller } from '../../core/caller.ts';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import { operation, type PrepareContext } from '../../core/operation.ts';
import { count, dateTime, id, line, list, named, nullable, pageInput, pageOutput, timestamp } from '../../core/schema.ts';
import { ownScope } from '../../core/scopes.ts';
import { page } from '../../db/list.ts';
import { challenge } from './challenge.ts';
import { ApprovalDecision, ApprovalSettings, ApprovalWebhook, AuthorizationRequest } from './entities.ts';
import { openOutcome, refusalOf } from './outcome.ts';

const webhookView = {
  approval_webhook_id: id('apw'),
  url: z.string(),
  created_at: dateTime(),
};

const viewOf = (webhook: ApprovalWebhook) => ({
  approval_webhook_id: webhook.id,
  url: webhook.url,
  created_at: timestamp(webhook.createdAt),
});

export const registerApprovalWebhook = operation({
  rest: 'POST /v3/approval-webhooks',
  soap: 'RegisterApprovalWebhook',
  scope: 'approvals:write',
  sensitive: true,
  summary: 'Register a webhook that approves sensitive requests',
  description:
    'The webhook is challenged at once: it must answer with a signature of the challenge, made with a certificate that is registered for approval.',
  input: named('RegisterApprovalWebhook', { url: z.url({ protocol: /^https$/ }).max(500) }),
  output: named('ApprovalWebhook', webhookView),
  prepare: (context: PrepareContext, { url }) => challenge(context, url),
  async handle({ em, now, emit }, { url }) {
    if (await em.findOne(ApprovalWebhook, { url })) throw new Refusal('conflict', 'This webhook is registered already.');
    const webhook = em.create(ApprovalWebhook, { url, createdAt: now });
    emit('approval_webhook.registered', { approval_webhook_id: webhook.id, url });
    return viewOf(webhook);
  },
});

export const listApprovalWebhooks = operation({
  rest: 'GET /v3/approval-webhooks',
  soap: 'ListApprovalWebhooks',
  scope: 'approvals:read',
  summary: 'List the approval webhooks of the organisation',
  input: named('ListApprovalWebhooks', pageInput),
  output: named('ApprovalWebhookList', {
    approval_webhooks: list(named('ApprovalWebhookItem', webhookView)),
    ...pageOutput,
  }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, ApprovalWebhook, { input, operation: 'ListApprovalWebhooks' });
    return { approval_webhooks: rows.map(viewOf), next_cursor };
  },
});
