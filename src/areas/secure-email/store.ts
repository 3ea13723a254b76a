import type { Content, OpenStored } from '../../core/content.ts';
import { newId } from '../../core/ids.ts';
import type { ActContext } from '../../core/job.ts';
import type { TenantEntityManager } from '../../core/operation.ts';
import type { Keyring, Place } from '../../core/seal.ts';
import { adopt, readBlob, writeBlob } from '../../db/blobs.ts';
import type { Outgoing } from '../../mail/compose.ts';
import type { DkimKey } from '../../mail/dkim.ts';
import { Domain, DomainKey } from '../organizations/entities.ts';
import { type eventTypes, SecureMessage, SecureMessageEvent, type StoredAttachment } from './entities.ts';
import { domainOf } from './rules.ts';

/** How a mail lies in the database, and how it is put together again. */

interface NewMessage {
  readonly from: string;
  readonly domain: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly body_html: string;
  readonly attachments: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly content: Content;
  }[];
  readonly policyId: string;
  readonly dlpAction: 'allow' | 'encrypt' | 'quarantine';
  readonly allowRecall: boolean;
  readonly expiresAt: Date;
}

interface Storage {
  readonly em: TenantEntityManager;
  readonly keyring: Keyring;
  readonly organization: string;
}

/** Stores a new mail with its first event: queued, or quarantined when the policy holds it back. */
export async function store(
  { em, keyring, organization }: Storage,
  mail: NewMessage,
  now: Date,
): Promise<SecureMessage> {
  const id = newId('msg', now.getTime());
  const place = placeOf(organization, id);
  const status = mail.dlpAction === 'quarantine' ? 'quarantined' : 'queued';
  const attachments: StoredAttachment[] = [];
  for (const { filename, contentType, content } of mail.attachments) {
    attachments.push({ filename, contentType, size: content.size, blob: await adopt(em, content, id) });
  }
  const message = em.create(SecureMessage, {
    id,
    from: mail.from,
    recipients: mail.to.map(address => ({ address, status, reply: null })),
    subject: keyring.sealText(place('subject'), mail.subject),
    bodyBlob: await writeBlob(em, keyring, organization, id, Buffer.from(mail.body_html, 'utf8')),
    attachments: keyring.sealText(place('attachments'), JSON.stringify(attachments)),
    messageId: `<${id}@${mail.domain}>`,
    status,
    policyId: mail.policyId,
    dlpAction: mail.dlpAction,
    allowRecall: mail.allowRecall,
    attempts: 0,
    claimedBy: null,
    lastReply: null,
    createdAt: now,
    updatedAt: now,
    expiresAt: mail.expiresAt,
  });
  record({ em, now }, id, 0, { type: status });
  return message;
}

/** The mail as it is composed: its files to be read when it is sent, and the keys that sign it. */
export async function load(
  { em, keyring, organization, openStored }: Storage & { readonly openStored: OpenStored },
  message: SecureMessage,
): Promise<Outgoing> {
  const place = placeOf(organization, message.id);
  const stored = JSON.parse(keyring.openText(place('attachments'), message.attachments)) as StoredAttachment[];
  return {
    from: message.from,
    to: message.recipients.map(({ address }) => address),
    subject: openSubject({ keyring, organization }, message),
    html: (await readBlob(em, keyring, organization, message.bodyBlob)).toString('utf8'),
    messageId: message.messageId,
    date: message.createdAt,
    attachments: stored.map(({ filename, contentType, blob }) => ({
      filename,
      contentType,
      open: () => openStored(organization, blob),
    })),
    dkim: await dkimKeys({ em, keyring, organization }, domainOf(message.from)),
  };
}

export function openSubject({ keyring, organization }: Omit<Storage, 'em'>, { id, subject }: SecureMessage): string {
  return keyring.openText(placeOf(organization, id)('subject'), subject);
}

interface News {
  readonly type: (typeof eventTypes)[number];
  readonly recipient?: string;
  readonly reply?: string;
}

/** Adds to the trail, in the caller's transaction. */
export function record(
  { em, now }: Pick<ActContext, 'em' | 'now'>,
  messageId: string,
  attempt: number,
  news: News,
): void {
  em.create(SecureMessageEvent, {
    id: newId('mev', now.getTime()),
    messageId,
    type: news.type,
    recipient: news.recipient ?? null,
    attempt,
    reply: news.reply ?? null,
    occurredAt: now,
  });
}

async function dkimKeys({ em, keyring, organization }: Storage, name: string): Promise<DkimKey[]> {
  const domain = await em.findOne(Domain, { domain: name, status: 'verified' });
  if (domain === null) return [];
  const keys = await em.find(DomainKey, { domainId: domain.id }, { orderBy: { id: 'asc' } });
  return keys.map(({ id, selector, privateKey }) => ({
    domain: name,
    selector,
    privateKey: keyring.openText({ table: 'domain_keys', column: 'private_key', row: id, organization }, privateKey),
  }));
}

const placeOf =
  (organization: string, row: string) =>
  (column: 'subject' | 'attachments'): Place => ({ table: 'secure_messages', column, row, organization });
