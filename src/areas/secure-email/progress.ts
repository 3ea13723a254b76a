import type { OutcomeKind, RecipientOutcome } from '../../mail/deliver.ts';
import type { MessageStatus, Recipient, RecipientStatus } from './entities.ts';

/** A mail that is not taken within five days is given up (RFC 5321 4.5.4.1), or when it expires. */
const patience = 5 * 86_400_000;
const delays = [15, 60, 300, 900, 1800, 3600, 7200];
const everyFourHours = 14_400;

export interface Journey {
  readonly recipients: readonly Recipient[];
  /** Attempts so far, the one that just ended included. */
  readonly attempts: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface Progress {
  readonly recipients: Recipient[];
  readonly status: MessageStatus;
  /** What is new, for the trail. */
  readonly news: { recipient: string; type: 'delivered' | 'deferred' | 'failed' | 'uncertain'; reply: string }[];
  /** When to try again; undefined when nothing is left to try. */
  readonly retryAt: Date | undefined;
}

const statusAfter = {
  accepted: 'delivered',
  deferred: 'deferred',
  refused: 'failed',
  uncertain: 'uncertain',
} as const satisfies Record<OutcomeKind, RecipientStatus>;

export const isOpen = ({ status }: Recipient): boolean => status !== 'delivered' && status !== 'failed';

/** What an attempt's outcome makes of a mail. */
export function advance(journey: Journey, outcomes: readonly RecipientOutcome[], now: Date): Progress {
  const byAddress = new Map(outcomes.map(outcome => [outcome.address, outcome]));
  const retryAt = nextAttempt(journey, now);
  const news: Progress['news'] = [];
  const recipients = journey.recipients.map((recipient): Recipient => {
    const outcome = byAddress.get(recipient.address);
    if (outcome === undefined || !isOpen(recipient)) return recipient;
    const status = standing(recipient, outcome.kind, retryAt);
    news.push({ recipient: recipient.address, type: status, reply: outcome.reply });
    return { address: recipient.address, status, reply: outcome.reply };
  });
  const waiting = retryAt !== undefined && recipients.some(isOpen);
  return { recipients, status: overall(recipients), news, retryAt: waiting ? retryAt : undefined };
}

/** Once uncertain, a copy stays so until the relay takes or refuses it: being put off says nothing about the lost reply. */
function standing(recipient: Recipient, kind: OutcomeKind, retryAt: Date | undefined) {
  if (kind !== 'deferred') return statusAfter[kind];
  if (recipient.status === 'uncertain') return 'uncertain';
  return retryAt === undefined ? 'failed' : 'deferred';
}

function overall(recipients: readonly Recipient[]): MessageStatus {
  if (recipients.some(({ status }) => status === 'uncertain')) return 'uncertain';
  if (recipients.some(isOpen)) return 'queued';
  return recipients.some(({ status }) => status === 'delivered') ? 'sent' : 'failed';
}

function nextAttempt({ attempts, createdAt, expiresAt }: Journey, now: Date): Date | undefined {
  const next = new Date(now.getTime() + (delays[attempts - 1] ?? everyFourHours) * 1000);
  const end = Math.min(expiresAt.getTime(), createdAt.getTime() + patience);
  return next.getTime() < end ? next : undefined;
}
