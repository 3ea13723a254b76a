import { z } from 'zod';
import type { Actor } from '../../core/caller.ts';
import { type ActContext, type JobContext, job } from '../../core/job.ts';
import { id } from '../../core/schema.ts';
import { compose, type Outgoing } from '../../mail/compose.ts';
import { deliver, type Outcome, type RecipientOutcome } from '../../mail/deliver.ts';
import { Organization } from '../organizations/entities.ts';
import { type Recipient, SecureMessage } from './entities.ts';
import { advance, isOpen } from './progress.ts';
import { load, record } from './store.ts';

const suspensionCheckMs = 15 * 60_000;

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
  const due = (message.status === 'queued' || message.status === 'uncertain') && message.attempts === attempts;
  const cutOff = message.status === 'sending' && message.claimedBy === jobId;
  if (!due && !cutOff) return undefined;
  const recipients = cutOff ? message.recipients.map(doubted) : message.recipients;
  if (now >= message.expiresAt) return giveUp(act, { ...message, recipients });
  if (due && (await isSuspended(act))) return postpone(act, message);

  const attempt = message.attempts + 1;
  const change = { status: 'sending', recipients, attempts: attempt, claimedBy: jobId, updatedAt: now } as const;
  if ((await em.nativeUpdate(SecureMessage, asFound(message), change)) === 0) return undefined;
  if (cutOff) recordDoubts(act, messageId, message.attempts, recipients);
  record(act, messageId, attempt, { type: 'attempted' });
  return { messageId, attempt, recipients, mail: await load(storageOf(act), message) };
}

/** The node died between the claim and its result: the mail may have left, so nobody may say that it did not. */
const doubted = (recipient: Recipient): Recipient =>
  isOpen(recipient) ? { ...recipient, status: 'uncertain', reply: cutOffReply } : recipient;

const cutOffReply = 'The attempt was cut off before its result was known.';

function recordDoubts(act: ActContext, messageId: string, attempt: number, recipients: readonly Recipient[]): void {
  for (const { address } of recipients.filter(isOpen)) {
    record(act, messageId, attempt, { type: 'uncertain', recipient: address, reply: cutOffReply });
  }
}

/** The row as long as nobody has moved it. */
const asFound = ({ id, status, attempts }: Pick<SecureMessage, 'id' | 'status' | 'attempts'>) => ({
  id,
  status,
  attempts,
});

/** Nothing may reach a recipient after its time, however long the server was down. */
async function giveUp(act: ActContext, message: SecureMessage): Promise<undefined> {
  const reply = 'The message expired before it could be delivered.';
  const late = message.recipients.filter(isOpen).map(({ address }) => ({ address, kind: 'deferred' as const, reply }));
  await write(act, message, late, reply);
}

async function isSuspended({ em, organization }: ActContext): Promise<boolean> {
  const line = { id: { $in: organization.path.split('/') } };
  return (await em.count(Organization, { ...line, status: 'suspended' })) > 0;
}

/** Mail of a suspended organisation waits, and leaves when the organisation is active again. */
async function postpone(act: ActContext, { id, attempts }: SecureMessage): Promise<undefined> {
  await enqueueAttempt(act, id, attempts, new Date(act.now.getTime() + suspensionCheckMs));
}

const storageOf = ({ em, services, organization }: ActContext) => ({
  em,
  keyring: services.keyring,
  openStored: services.openStored,
  organization: organization.id,
});

async function attempt({ services, signal }: JobContext, { mail, recipients }: Claim): Promise<Outcome> {
  const { relay, mxHost } = services.settings;
  const to = recipients.filter(isOpen).map(({ address }) => address);
  const message = await compose(mail);
  return deliver(relay, { from: mail.from, to }, message, { name: mxHost, signal });
}

async function settle(act: ActContext, { messageId, attempt }: Claim, outcome: Outcome): Promise<void> {
  const message = await act.em.findOneOrFail(SecureMessage, { id: messageId });
  const claimed = { ...message, status: 'sending', attempts: attempt } as const;
  await write(act, claimed, outcome.recipients, outcome.reply);
}

/** Writes what became of each recipient, unless another run has moved the mail since: then its result counts. */
async function write(
  act: ActContext,
  message: SecureMessage,
  outcomes: readonly RecipientOutcome[],
  lastReply: string,
): Promise<void> {
  const { id, attempts } = message;
  const { recipients, status, news, retryAt } = advance(message, outcomes, act.now);
  const change = { status, recipients, claimedBy: null, lastReply, updatedAt: act.now };
  if ((await act.em.nativeUpdate(SecureMessage, asFound(message), change)) === 0) return;
  for (const { recipient, type, reply } of news) {
    record(act, id, attempts, { type, recipient, reply });
    if (type === 'delivered') act.emit('message.delivered', { message_id: id, recipient, attempt: attempts });
    if (type === 'failed') act.emit('message.bounced', { message_id: id, recipient, attempt: attempts, reply });
  }
  if (retryAt !== undefined) await enqueueAttempt(act, id, attempts, retryAt);
}

function enqueueAttempt(act: ActContext, messageId: string, attempts: number, at: Date): Promise<void> {
  const data = { organization_id: act.organization.id, message_id: messageId, attempts };
  return act.enqueue('secure_email.deliver', data, { at });
}

export const secureEmailJobs = [deliverSecureEmail];
