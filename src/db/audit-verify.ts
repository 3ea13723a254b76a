import { z } from 'zod';
import { AuditEvent } from './audit.ts';
import { AuditCheckpoint, AuditHead, AuditLink, type Checkpoint, chainHash, emptyChain } from './audit-chain.ts';
import { withLease } from './leases.ts';
import type { Database, EntityManager } from './orm.ts';

export interface AuditReport {
  /** Whether nothing was changed, removed, inserted or cut off, as far as the anchors and checkpoints reach. */
  readonly intact: boolean;
  readonly organizations: readonly { readonly id: string; readonly events: number; readonly unchained: number }[];
  /** Plain sentences; the first of an organisation is where its chain breaks. */
  readonly problems: readonly string[];
}

const statementForm = z.strictObject({
  type: z.literal('bastion.audit.checkpoint'),
  organization_id: z.string(),
  sequence: z.int().min(1),
  hash: z.string(),
  signed_at: z.string(),
  signed_by: z.string(),
});
type Statement = z.infer<typeof statementForm>;

/**
 * Whose signatures count, by the thumbprint of the certificate: whether it is one over the statement. They come from whoever
 * verifies, never from the database, where an intruder could add a certificate of their own.
 */
export type CheckpointVerifiers = ReadonlyMap<string, (statement: string, signature: string) => boolean>;

const batch = 500;

/**
 * Recomputes every chain and holds it against the signed checkpoints: those in the database, and the `anchors` that were kept
 * elsewhere. Only the latter show a tail that was cut off together with its checkpoints.
 */
export async function verifyAudit(
  db: Database,
  verifiers: CheckpointVerifiers,
  anchors: readonly Checkpoint[] = [],
): Promise<AuditReport> {
  // While it holds the chaining lease no row gains a link, so that events, links and heads are of one moment.
  const report = await withLease(db, 'audit-chain', { ttlMs: 15_000, waitMs: 30_000 }, () =>
    inspect(db.fork('system'), verifiers, anchors),
  );
  if (!report) throw new Error('the audit trail is being chained by another node; try again');
  return report;
}

async function inspect(
  em: EntityManager,
  verifiers: CheckpointVerifiers,
  anchors: readonly Checkpoint[],
): Promise<AuditReport> {
  const problems: string[] = [];
  const stored = await em.find(AuditCheckpoint, {}, { disableIdentityMap: true });
  const statements = [...stored, ...anchors].flatMap(checkpoint => read(checkpoint, verifiers, problems));
  const organizations = [];
  for (const id of await everyOrganization(em, statements)) {
    const expected = statements.filter(statement => statement.organization_id === id);
    organizations.push(await verifyChain(em, id, expected, problems));
  }
  return { intact: problems.length === 0, organizations, problems };
}

function read(checkpoint: Checkpoint, verifiers: CheckpointVerifiers, problems: string[]): Statement[] {
  const statement = parse(checkpoint.statement);
  const verify = statement && verifiers.get(statement.signed_by);
  if (verify?.(checkpoint.statement, checkpoint.signature)) return [statement!];
  problems.push(
    statement && !verify
      ? `${statement.organization_id}: the checkpoint at ${statement.sequence} says it was signed by certificate ${statement.signed_by}, which is not at hand`
      : `a checkpoint is not signed by this Bastion: ${checkpoint.statement.slice(0, 200)}`,
  );
  return [];
}

function parse(statement: string): Statement | undefined {
  try {
    return statementForm.parse(JSON.parse(statement));
  } catch {
    return undefined;
  }
}

async function everyOrganization(em: EntityManager, statements: readonly Statement[]): Promise<Set<string>> {
  const inEvents = Object.keys(await em.countBy(AuditEvent, 'organizationId'));
  const inLinks = Object.keys(await em.countBy(AuditLink, 'organizationId'));
  return new Set([...inEvents, ...inLinks, ...statements.map(statement => statement.organization_id)].sort());
}

async function verifyChain(
  em: EntityManager,
  organization: string,
  expected: readonly Statement[],
  problems: string[],
) {
  const known = Map.groupBy(expected, statement => statement.sequence);
  const chainEnd = await walk(
    em,
    organization,
    (sequence, hash) => {
      for (const statement of known.get(sequence) ?? []) {
        if (statement.hash !== hash)
          problems.push(`${organization}: the chain at ${sequence} is not the one that was signed`);
      }
    },
    problems,
  );
  const signed = Math.max(0, ...known.keys());
  if (signed > chainEnd.sequence) {
    problems.push(`${organization}: signed up to ${signed}, but the chain ends at ${chainEnd.sequence}`);
  }
  await compareHead(em, organization, chainEnd, problems);
  const where = { organizationId: organization };
  const chained = await em.count(AuditEvent, { ...where, chained: true });
  const unchained = await em.count(AuditEvent, { ...where, chained: false });
  if (chained !== chainEnd.links)
    problems.push(`${organization}: ${chained} chained events, but ${chainEnd.links} links`);
  return { id: organization, events: chained, unchained };
}

interface ChainEnd {
  sequence: number;
  hash: string;
  links: number;
}

/** From 1 to the end, or to the first break. */
async function walk(
  em: EntityManager,
  organization: string,
  visit: (sequence: number, hash: string) => void,
  problems: string[],
): Promise<ChainEnd> {
  const end: ChainEnd = { ...emptyChain, links: await em.count(AuditLink, { organizationId: organization }) };
  for (;;) {
    const links = await em.find(
      AuditLink,
      { organizationId: organization, sequence: { $gt: end.sequence } },
      { orderBy: { sequence: 'asc' }, limit: batch, disableIdentityMap: true },
    );
    const ids = links.map(link => link.id);
    const events = await em.find(AuditEvent, { id: { $in: ids } }, { disableIdentityMap: true });
    const byId = new Map(events.map(event => [event.id, event]));
    for (const link of links) {
      const problem = breakAt(end, link, byId.get(link.id));
      if (problem) {
        problems.push(`${organization}: ${problem}`);
        return end;
      }
      end.sequence = link.sequence;
      end.hash = link.hash;
      visit(link.sequence, link.hash);
    }
    if (links.length < batch) return end;
  }
}

function breakAt(before: ChainEnd, link: AuditLink, event: AuditEvent | undefined): string | undefined {
  if (link.sequence !== before.sequence + 1) return `number ${before.sequence + 1} is missing`;
  if (!event) return `event ${link.id}, number ${link.sequence}, was removed`;
  if (!event.chained) return `event ${link.id}, number ${link.sequence}, was marked as unchained`;
  if (chainHash(before.hash, link.sequence, event) !== link.hash) {
    return `event ${link.id}, number ${link.sequence}, or its hash was changed`;
  }
  return undefined;
}

async function compareHead(em: EntityManager, organization: string, end: ChainEnd, problems: string[]): Promise<void> {
  const head = (await em.findOne(AuditHead, { organization })) ?? emptyChain;
  if (head.sequence !== end.sequence || head.hash !== end.hash) {
    problems.push(`${organization}: the head says ${head.sequence}, but the chain ends at ${end.sequence}`);
  }
}
