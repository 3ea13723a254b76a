import { z } from 'zod';
import { invalid, notFound } from '../../core/errors.ts';
import { operation, type TenantEntityManager } from '../../core/operation.ts';
import { dateTime, email, id, line, list, named, nullable, text, timestamp } from '../../core/schema.ts';
import { DlpPolicy } from '../dlp/entities.ts';
import { applyPolicy, defaultPolicy } from '../dlp/policy.ts';
import { Domain, Organization } from '../organizations/entities.ts';
import { eventTypes, messageStatuses, recipientStatuses, SecureMessage, SecureMessageEvent } from './entities.ts';
import {
  Attachment,
  domainOf,
  lifetime,
  maxAttachments,
  maxBodyCharacters,
  maxRecipients,
  requireRoom,
  requireUnique,
} from './rules.ts';
import { openSubject, store } from './store.ts';

const status = z.enum(messageStatuses).meta({ id: 'SecureEmailStatus' });
const deliveryMethod = z.enum(['tls']).meta({
  id: 'DeliveryMethod',
  description: 'How recipients get it: over a connection that must be encrypted.',
});
const dlpAction = z.enum(['allow', 'encrypt', 'quarantine']).meta({
  id: 'DlpAction',
  description: 'What the DLP policy decided.',
});

export const sendSecureEmail = operation({
  rest: 'POST /v3/secure-email/send',
  soap: 'SendSecureEmail',
  scope: 'secure_email:write',
  summary: 'Send an encrypted message.',
  description:
    'The DLP policy is applied first: a policy that blocks refuses the request, one that quarantines keeps the message ' +
    'unsent. Otherwise the message is queued and leaves at once over TLS, is retried while the relay defers it, and is ' +
    'given up when it expires. expires_in (30 days when absent) and allow_recall (true when absent) are kept and answered; ' +
    'they are enforced for recipients who read through the portal, which this version does not have. A copy that a ' +
    'recipient has received over TLS cannot be taken back.',
  sensitive: true,
  input: z.strictObject({
    from: email().describe('Sender, on a verified domain of the organisation.'),
    to: list(email(), maxRecipients).min(1).describe('Recipients, each once.'),
    subject: line(900).describe('One line of at most 900 characters.'),
    body_html: text(maxBodyCharacters).describe('The body in HTML; a plain-text alternative is made from it.'),
    policy: line(40).optional().describe("DLP policy to apply; the organisation's default when absent."),
    expires_in: z
      .int()
      .min(lifetime.min)
      .max(lifetime.max)
      .optional()
      .describe('Lifetime in seconds; 30 days when absent.'),
    allow_recall: z.boolean().optional().describe('Whether the sender may recall the message; true when absent.'),
    attachments: list(Attachment, maxAttachments)
      .optional()
      .describe('Files; 25 MB together with the body, unless the operator allows more.'),
  }),
  output: named('SecureEmailReceipt', {
    message_id: id('msg'),
    status,
    delivery_method: deliveryMethod,
    dlp_action: dlpAction,
    expires_at: dateTime(),
    allow_recall: z.boolean(),
  }),
  async check({ services }, input) {
    requireUnique(input.to);
    requireRoom(input.body_html, input.attachments ?? [], services.settings.maxMailBytes);
  },
  async handle({ em, organization, now, enqueue, services }, input) {
    const attachments = (input.attachments ?? []).map(({ filename, content_type, content }) => ({
      filename,
      contentType: content_type.toLowerCase(),
      content,
    }));
    const domain = await verifiedDomain(em, input.from);
    const policy = await policyOf(em, organization.id, input.policy, now);
    const { action } = applyPolicy(policy, { subject: input.subject, html: input.body_html, attachments });
    if (action === 'block') throw invalid('policy', 'the DLP policy blocks this message', 'blocked_by_policy');

    const mail = {
      ...input,
      domain,
      attachments,
      policyId: policy.id,
      dlpAction: action,
      allowRecall: input.allow_recall ?? true,
      expiresAt: new Date(now.getTime() + (input.expires_in ?? lifetime.standard) * 1000),
    };
    const message = await store({ em, keyring: services.keyring, organization: organization.id }, mail, now);
    if (message.status === 'queued') {
      await enqueue('secure_email.deliver', { organization_id: organization.id, message_id: message.id, attempts: 0 });
    }
    return {
      message_id: message.id,
      status: message.status,
      delivery_method: deliveryMethod.enum.tls,
      dlp_action: message.dlpAction,
      expires_at: timestamp(message.expiresAt),
      allow_recall: message.allowRecall,
    };
  },
});

export const getSecureEmail = operation({
  rest: 'GET /v3/secure-email/{message_id}',
  soap: 'GetSecureEmail',
  scope: 'secure_email:read',
  summary: 'Read the status and the trail of a message.',
  description:
    'The message is sent when a recipient’s copy was accepted and none is open any more; each recipient has a status of ' +
    'its own. uncertain says that the relay took the whole message and its answer was lost: it is tried again under the ' +
    'same Message-ID, so that a second copy can be recognised.',
  input: z.strictObject({ message_id: id('msg') }),
  output: named('SecureEmail', {
    message_id: id('msg'),
    status,
    from: email(),
    subject: z.string(),
    recipients: list(
      named('SecureEmailRecipient', {
        address: email(),
        status: z.enum(recipientStatuses),
        reply: nullable(z.string()).describe("The relay's last reply."),
      }),
      maxRecipients,
    ),
    delivery_method: deliveryMethod,
    dlp_action: dlpAction,
    allow_recall: z.boolean(),
    attempts: z.int().min(0).describe('Attempts to deliver it so far.'),
    created_at: dateTime(),
    expires_at: dateTime(),
    events: list(
      named('SecureEmailEvent', {
        type: z.enum(eventTypes),
        recipient: nullable(email()).describe('Null when it concerns the whole message.'),
        reply: nullable(z.string()).describe("The relay's reply."),
        at: dateTime(),
      }),
    ).describe('The trail, oldest first; of a longer trail the last 1000.'),
  }),
  async handle({ em, organization, services }, { message_id }) {
    const message = await em.findOne(SecureMessage, { id: message_id });
    if (message === null) throw notFound();
    const trail = await em.find(
      SecureMessageEvent,
      { messageId: message.id },
      { orderBy: { id: 'desc' }, limit: 1000 },
    );
    return {
      message_id: message.id,
      status: message.status,
      from: message.from,
      subject: openSubject({ keyring: services.keyring, organization: organization.id }, message),
      recipients: message.recipients,
      delivery_method: deliveryMethod.enum.tls,
      dlp_action: message.dlpAction,
      allow_recall: message.allowRecall,
      attempts: message.attempts,
      created_at: timestamp(message.createdAt),
      expires_at: timestamp(message.expiresAt),
      events: trail.reverse().map(({ type, recipient, reply, occurredAt }) => ({
        type,
        recipient: recipient ?? null,
        reply: reply ?? null,
        at: timestamp(occurredAt),
      })),
    };
  },
});

async function verifiedDomain(em: TenantEntityManager, from: string): Promise<string> {
  const name = domainOf(from);
  const domain = await em.findOne(Domain, { domain: name, status: 'verified' });
  if (domain === null) throw invalid('from', 'is not on a verified domain of the organisation', 'sender_not_verified');
  return name;
}

async function policyOf(
  em: TenantEntityManager,
  organizationId: string,
  chosen: string | undefined,
  now: Date,
): Promise<DlpPolicy> {
  const policy =
    chosen === undefined
      ? await defaultPolicy(em, await em.findOneOrFail(Organization, { id: organizationId }), now)
      : await em.findOne(DlpPolicy, { id: chosen });
  if (policy === null) throw invalid('policy', 'names no DLP policy of the organisation', 'unknown');
  return policy;
}
