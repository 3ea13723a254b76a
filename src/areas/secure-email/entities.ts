import type { InferEntity } from '@mikro-orm/core';
import { Blob } from '../../db/blobs.ts';
import { createdAt, flag, id, idOf, instant, integer, json, line, oneOf, sealed } from '../../db/columns.ts';
import { tenantEntity } from '../../db/tenancy.ts';
import { DlpPolicy } from '../dlp/entities.ts';

export const messageStatuses = ['queued', 'sending', 'sent', 'failed', 'uncertain', 'quarantined'] as const;
export type MessageStatus = (typeof messageStatuses)[number];

export const recipientStatuses = ['queued', 'delivered', 'deferred', 'failed', 'uncertain', 'quarantined'] as const;
export type RecipientStatus = (typeof recipientStatuses)[number];

/** Where one recipient's copy stands. `delivered` and `failed` are final. */
export interface Recipient {
  address: string;
  status: RecipientStatus;
  /** The relay's last reply about it. */
  reply: string | null;
}

/**
 * A secure mail on its way. `status` and `attempts` together are the fence: whoever writes a result names the attempt it
 * belongs to, so that a late result of an attempt given up for dead changes nothing.
 */
export const SecureMessage = tenantEntity({
  name: 'SecureMessage',
  tableName: 'secure_messages',
  properties: {
    id: id('msg'),
    from: line(254),
    recipients: json<Recipient[]>(),
    /** Sealed text. */
    subject: sealed(),
    /** Blob with the HTML body in UTF-8. */
    bodyBlob: idOf(),
    /** Sealed JSON: StoredAttachment[]. */
    attachments: sealed(),
    /** Fixed at creation, with angle brackets: every attempt carries the same one. */
    messageId: line(400),
    status: oneOf(...messageStatuses),
    policyId: idOf(),
    dlpAction: oneOf('allow', 'encrypt', 'quarantine'),
    allowRecall: flag(),
    attempts: integer(),
    /** The job that holds the running attempt. */
    claimedBy: line(80).nullable(),
    lastReply: line(500).nullable(),
    createdAt: createdAt(),
    updatedAt: instant(),
    expiresAt: instant(),
  },
  references: { policyId: () => DlpPolicy, bodyBlob: () => Blob },
  indexes: [{ properties: ['organizationId', 'status'] }],
});
export type SecureMessage = InferEntity<typeof SecureMessage>;

export interface StoredAttachment {
  filename: string;
  contentType: string;
  size: number;
  blob: string;
}

export const eventTypes = [
  'queued',
  'quarantined',
  'attempted',
  'delivered',
  'deferred',
  'failed',
  'uncertain',
] as const;

/** The trail of a mail: rows are added, never changed. */
export const SecureMessageEvent = tenantEntity({
  name: 'SecureMessageEvent',
  tableName: 'secure_message_events',
  properties: {
    id: id('mev'),
    messageId: idOf(),
    type: oneOf(...eventTypes),
    /** Null: the mail as a whole. */
    recipient: line(254).nullable(),
    /** 0 before the first attempt. */
    attempt: integer(),
    reply: line(500).nullable(),
    occurredAt: instant(),
  },
  references: { messageId: () => SecureMessage },
});
export type SecureMessageEvent = InferEntity<typeof SecureMessageEvent>;

export const secureEmailEntities = [SecureMessage, SecureMessageEvent];
