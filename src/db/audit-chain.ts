import { createHash } from 'node:crypto';
import { defineEntity, type InferEntity } from '@mikro-orm/core';
import { canonicalJson } from '../core/canonical-json.ts';
import { newId } from '../core/ids.ts';
import { AuditEvent } from './audit.ts';
import { flag, hash, id, idOf, instant, integer, longText } from './columns.ts';
import { withLease } from './leases.ts';
import type { Database, EntityManager } from './orm.ts';
import { emit } from './outbox.ts';
import { tenantEntity } from './tenancy.ts';
import { transaction } from './transaction.ts';

/** A row's place in its organisation's chain: numbered from 1 without gaps, each hash over the one before. */
export const AuditLink = tenantEntity({
  name: 'AuditLink',
  tableName: 'audit_links',
  properties: {
    /** The audit event's id: one link each. */
    id: idOf().primary(),
    sequence: integer(),
    hash: hash(),
  },
  uniques: [{ properties: ['organizationId', 'sequence'] }],
});
export type AuditLink = InferEntity<typeof AuditLink>;

/** Where an organisation's chain ends. Compared and set, so that of two chaining nodes one gives way. */
export const AuditHead = defineEntity({
  name: 'AuditHead',
  tableName: 'audit_heads',
  properties: {
    organization: idOf().primary(),
    sequence: integer(),
    hash: hash(),
    checkpointSequence: integer(),
    checkpointAt: instant(),
    /** Whether the checkpoint covers the whole chain. */
    signed: flag(),
  },
});
export type AuditHead = InferEntity<typeof AuditHead>;

/** A signed statement that the chain had this hash at this length. Kept outside, it is the anchor of a later proof. */
export const AuditCheckpoint = tenantEntity({
  name: 'AuditCheckpoint',
  tableName: 'audit_checkpoints',
  properties: {
    id: id('acp'),
    sequence: integer(),
    hash: hash(),
    signedAt: instant(),
    statement: longText(),
    signature: longText(),
  },
});

export interface Checkpoint {
  /** Canonical JSON of type, organization_id, sequence, hash, signed_at, signed_by: the exact text that is signed. */
  readonly statement: string;
  readonly signature: string;
}

/** Bastion's signing certificate, as far as checkpoints need it. */
export interface CheckpointSigner {
  /** Stands in the statement, so that whoever verifies it later knows which certificate to ask for. */
  readonly thumbprint: string;
  sign(statement: string): string;
}

export const emptyChain = { sequence: 0, hash: '0'.repeat(64) };

const batch = 500;
const leaseTtlMs = 15_000;
const checkpointEveryMs = 60_000;

/**
 * Gives every unchained row its place, on one node at a time, and signs a checkpoint per organisation that moved, at most once a
 * minute unless `checkpoint` is 'now'. Answers the new checkpoints, for the log: what the database's owner cannot rewrite.
 */
export async function chainAudit(
  db: Database,
  signer: CheckpointSigner,
  { checkpoint = 'due' }: { checkpoint?: 'due' | 'now' } = {},
): Promise<Checkpoint[]> {
  const now = checkpoint === 'now';
  // Asked before the lease is taken: an idle node writes nothing.
  if ((await organizationsToVisit(db, now)).length === 0) return [];
  const checkpoints = await withLease(db, 'audit-chain', { ttlMs: leaseTtlMs, waitMs: 0 }, async (_lease, lost) => {
    const signed: Checkpoint[] = [];
    for (const organization of await organizationsToVisit(db, now)) {
      while (!lost.aborted && (await chainBatch(db, organization))) {}
      if (lost.aborted) break;
      const made = await signHead(db, organization, signer, now);
      if (made) signed.push(made);
    }
    return signed;
  });
  return checkpoints ?? [];
}

async function organizationsToVisit(db: Database, checkpointNow: boolean): Promise<string[]> {
  const em = db.fork('system');
  const unchained = await em.countBy(AuditEvent, 'organizationId', { where: { chained: false } });
  const heads = await em.find(AuditHead, { signed: false });
  const now = await db.now();
  const due = heads.filter(head => checkpointNow || isDue(head, now)).map(head => head.organization);
  return [...new Set([...Object.keys(unchained), ...due])];
}

/** The first at once, then one a minute. */
const isDue = (head: AuditHead, now: Date): boolean =>
  head.checkpointSequence === 0 || now.getTime() - head.checkpointAt.getTime() >= checkpointEveryMs;

/** True while there may be more. The head's compare-and-set fences out a node that lost its lease without noticing. */
async function chainBatch(db: Database, organization: string): Promise<boolean> {
  const now = await db.now();
  return transaction(db, 'system', async em => {
    const where = { organizationId: organization, chained: false };
    const events = await em.find(AuditEvent, where, { orderBy: { id: 'asc' }, limit: batch });
    if (events.length === 0) return false;
    const from = await headOf(em, organization, now);
    const links = link(from, events);
    const to = links.at(-1)!;
    const moved = await em.nativeUpdate(
      AuditHead,
      { organization, sequence: from.sequence },
      { sequence: to.sequence, hash: to.hash, signed: false },
    );
    if (moved !== 1) throw new Error(`the audit chain of ${organization} was moved by another node`);
    await em.insertMany(AuditLink, links);
    await em.nativeUpdate(
      AuditEvent,
      { id: { $in: events.map(event => event.id) }, organizationId: organization },
      { chained: true },
    );
    return events.length === batch;
  });
}

async function headOf(em: EntityManager, organization: string, now: Date): Promise<{ sequence: number; hash: string }> {
  const head = await em.findOne(AuditHead, { organization });
  if (head) return head;
  await em.insert(AuditHead, { organization, ...emptyChain, checkpointSequence: 0, checkpointAt: now, signed: true });
  return emptyChain;
}

function link(from: { sequence: number; hash: string }, events: readonly AuditEvent[]) {
  let previous = from;
  return events.map(event => {
    const sequence = previous.sequence + 1;
    const next = {
      id: event.id,
      organizationId: event.organizationId,
      sequence,
      hash: chainHash(previous.hash, sequence, event),
    };
    previous = next;
    return next;
  });
}

/** SHA-256 over previous hash, place and every column of the row. */
export function chainHash(previous: string, sequence: number, event: AuditEvent): string {
  const { chained: _, occurredAt, ...content } = event;
  const text = canonicalJson({ previous, sequence, event: { ...content, occurredAt: occurredAt.toISOString() } });
  return createHash('sha256').update(text).digest('hex');
}

async function signHead(
  db: Database,
  organization: string,
  signer: CheckpointSigner,
  now: boolean,
): Promise<Checkpoint | undefined> {
  const signedAt = await db.now();
  return transaction(db, 'system', async em => {
    const head = await em.findOne(AuditHead, { organization });
    if (!head || head.signed) return undefined;
    if (!now && !isDue(head, signedAt)) return undefined;
    const { sequence, hash: headHash } = head;
    const statement = canonicalJson({
      type: 'bastion.audit.checkpoint',
      organization_id: organization,
      sequence,
      hash: headHash,
      signed_at: signedAt.toISOString(),
      signed_by: signer.thumbprint,
    });
    const made = { statement, signature: signer.sign(statement) };
    await em.insert(AuditCheckpoint, {
      id: newId('acp'),
      organizationId: organization,
      sequence,
      hash: headHash,
      signedAt,
      ...made,
    });
    await em.nativeUpdate(
      AuditHead,
      { organization },
      { checkpointSequence: sequence, checkpointAt: signedAt, signed: true },
    );
    emit(em, 'audit.checkpoint', made, organization);
    await em.flush();
    return made;
  });
}
