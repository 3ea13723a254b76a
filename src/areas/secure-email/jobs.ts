import { z } from 'zod';
import type { Actor } from '../../core/caller.ts';
import { type ActContext, type JobContext, job } from '../../core/job.ts';
import { id } from '../../core/schema.ts';
import { compose, type Outgoing } from '../../mail/compose.ts';
import { deliver, type Outcome } from '../../mail/deliver.ts';
import { type Recipient, SecureMessage } from './entities.ts';
import { advance, isOpen } from './progress.ts';
import { load, record } from './store.ts';

const actor: Actor = { kind: 'job', name: 'secure_email.deliver' };

/**
 * One attempt to send a mail. The mail's own state decides, not the job's: an attempt is claimed, made outside any
 * transaction, and its result written only if the claim still stands.
 *
 * Data: `attempts` is how many attempts the mail had when this job was added, so that a job that runs again after its
 * result was written finds nothing to do.
 */
export const deliverSecureEmail = job({
  name: 'secure_email.deliver',
  data: z.strictObject({ organization_id: id('org'), message_id: id('msg'), attempts: z.int().min(0) }),
  // Our own failures only; what the relay says is retried by the mail's schedule.
  retry: [5, 30, 120, 600, 3600],
  concurrency: 8,
  async handle(context, { organization_id, message_id, attempts }) {
    const claim = await context.act(organization_id, actor, act => claimAttempt(act, message_id, attempts, context.id));
    if (claim === undefined) return;
    const outcome = await attempt(context, claim);
    await context.act(organization_id, actor, act => settle(act, claim, outcome));
  },
});

interface Claim {
  readonly messageId: string;
  /** The number of this attempt, from 1: the fence. */
  readonly attempt: number;
  readonly recipients: Recipient[];
  readonly mail: Outgoing;
}

async function claimAttempt(
  act: ActContext,
  messageId: string,
  attempts: number,
  jobId: string,
): Promise<Claim | undefined> {
  const { em, now } = act;
  const message = await em.findOne(SecureMessage, { id: messageId });
  if (message === null) return undefined;
  const { status, attempts: before } = message;
  const due = (status === 'queued' || status === 'uncertain') && before === attempts;
  const cutOff = status === 'sending' && message.claimedBy === jobId;
  if (!due && !cutOff) return undefined;

  const attempt = before + 1;
  const claimed = await em.nativeUpdate(
    SecureMessage,
    { id: messageId, status, attempts: before },
    { status: 'sending', attempts: attempt, claimedBy: jobId, updatedAt: now },
  );
  if (claimed === 0) return undefined;
  if (cutOff) doubt(act, message, before);
  record(act, message.id, attempt, { type: 'attempted' });
  return { messageId, attempt, recipients: message.recipients, mail: await load(storageOf(act), message) };
}

const storageOf = ({ em, services, organization }: ActContext) => ({
  em,
  keyring: services.keyring,
  organization: organization.id,
});

/** The node died between the claim and its result: the mail may have left, so nobody may say that it did not. */
function doubt(act: ActContext, message: SecureMessage, attempt: number): void {
  const reply = 'The attempt was cut off before its result was known.';
  message.recipients = message.recipients.map(recipient =>
    isOpen(recipient) ? { ...recipient, status: 'uncertain', reply } : recipient,
  );
  for (const { address } of message.recipients.filter(isOpen)) {
    record(act, message.id, attempt, { type: 'uncertain', recipient: address, reply });
  }
}

async function attempt({ services, signal }: JobContext, { mail, recipients }: Claim): Promise<Outcome> {
  const { relay, mxHost } = services.settings;
  const to = recipients.filter(isOpen).map(({ address }) => address);
  const message = await compose(mail);
  return deliver(relay, { from: mail.from, to }, message, { name: mxHost, signal });
}

async function settle(act: ActContext, { messageId, attempt }: Claim, outcome: Outcome): Promise<void> {
  const { em, now, organization } = act;
  const message = await em.findOneOrFail(SecureMessage, { id: messageId });
  const { recipients, status, news, retryAt } = advance(message, outcome.recipients, now);
  const settled = await em.nativeUpdate(
    SecureMessage,
    { id: messageId, status: 'sending', attempts: attempt },
    { status, recipients, claimedBy: null, lastReply: outcome.reply, updatedAt: now },
  );
  // Another run has taken the mail over: its result counts.
  if (settled === 0) return;
  for (const { recipient, type, reply } of news) {
    record(act, messageId, attempt, { type, recipient, reply });
    if (type === 'delivered') act.emit('message.delivered', { message_id: messageId, recipient, attempt });
    if (type === 'failed') act.emit('message.bounced', { message_id: messageId, recipient, attempt, reply });
  }
  if (retryAt !== undefined) {
    const data = { organization_id: organization.id, message_id: messageId, attempts: attempt };
    await act.enqueue('secure_email.deliver', data, { at: retryAt });
  }
}

export const secureEmailJobs = [deliverSecureEmail];
