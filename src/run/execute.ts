import type { EnqueueOptions, HandleContext, ReadingContext, TenantEntityManager } from '../core/operation.ts';
import { writeAudit } from '../db/audit.ts';
import type { EntityManager } from '../db/orm.ts';
import { emit } from '../db/outbox.ts';
import { restrict } from '../db/restrict.ts';
import { ancestorPaths, bindTenant } from '../db/tenancy.ts';
import { read, transaction } from '../db/transaction.ts';
import { withStoredFiles } from './files.ts';
import { type Claim, finish } from './idempotency.ts';
import type { Organization, Output, Parts, Request } from './request.ts';
import { stillAllowed } from './standing.ts';
import { entryOf } from './trail.ts';

/** What else commits with the handler. */
export interface Companions {
  readonly claim?: Claim;
  /** First statement of the transaction; throws when another node was faster. */
  before?(system: EntityManager): Promise<void>;
  /** Last statements, with the answer. */
  after?(system: EntityManager, output: Output): Promise<void>;
  readonly customerApprovalIds?: string[];
}

const prepareDeadlineMs = 10_000;

/** check -> prepare -> files -> transaction -> handle -> audit row -> checked output -> commit. */
export async function execute(parts: Parts, request: Request, companions: Companions = {}): Promise<Output> {
  await check(parts, request);
  const prepared = await prepare(parts, request);
  const { db } = parts;
  const tenant = { ...request.organization, reach: request.caller.organization.path };
  if (request.op.readOnly) return read(db, tenant, em => handle(parts, request, prepared, em));
  return withStoredFiles(parts, request, stored =>
    transaction(db, tenant, async em => {
      const system = beside(em);
      await companions.before?.(system);
      await stillAllowed(parts, system, request);
      const output = await handle(parts, stored, prepared, em);
      await em.flush();
      await writeAudit(em, entryOf(request, 'done', { output, customerApprovalIds: companions.customerApprovalIds }));
      if (companions.claim) await finish(system, parts.services.keyring, request.op, companions.claim, { output });
      await companions.after?.(system, output);
      return output;
    }),
  );
}

/** The same transaction, seen without the tenant filter: for the rows that this path itself keeps. */
export function beside(em: EntityManager): EntityManager {
  const system = em.fork({ keepTransactionContext: true }) as EntityManager;
  bindTenant(system, 'system');
  return system;
}

/** Throws what speaks against the request whoever approves it. */
export async function check(parts: Parts, { op, organization, input }: Request): Promise<void> {
  await op.check?.(readingContext(parts, organization), input);
}

async function prepare(parts: Parts, { op, caller, organization, input }: Request): Promise<unknown> {
  if (!op.prepare) return undefined;
  const signal = AbortSignal.timeout(prepareDeadlineMs);
  return op.prepare({ ...readingContext(parts, organization), caller, signal }, input);
}

/** Reads before and without a transaction, within the organisation and what it inherits. */
export function readingContext(parts: Parts, organization: Organization): ReadingContext {
  const readAs = <T>(id: string, path: string, query: (em: TenantEntityManager) => Promise<T>) =>
    read(parts.db, { id, path }, em => query(restrict(em, id)));
  return {
    organization,
    now: parts.services.clock.now(),
    services: parts.services,
    read: query => readAs(organization.id, organization.path, query),
    async inherited(query) {
      const line = [organization.path, ...ancestorPaths(organization.path).reverse()];
      const rows = await Promise.all(line.map(path => readAs(path.slice(path.lastIndexOf('/') + 1), path, query)));
      return rows.flat();
    },
  };
}

async function handle(
  parts: Parts,
  { op, caller, organization, input }: Request,
  prepared: unknown,
  em: EntityManager,
) {
  const context: HandleContext = { ...contextOf(parts, organization, em), caller, operations: parts.operations };
  const answer = await op.handle(context, input, prepared);
  // A wrong answer is our mistake: it must surface as an internal error, never as the caller's 422.
  const checked = op.output.safeParse(answer);
  if (!checked.success) throw new Error(`${op.soap} answered what its contract forbids`, { cause: checked.error });
  return checked.data as Output;
}

/** What handlers, jobs and arriving mail work with, bound to one organisation and one transaction. */
export function contextOf(parts: Parts, organization: Organization, em: EntityManager) {
  return {
    em: restrict(em, organization.id),
    organization,
    now: parts.services.clock.now(),
    emit: (type: string, payload: Record<string, unknown>) => emit(em, type, payload),
    enqueue: (job: string, data: Record<string, unknown>, options?: EnqueueOptions) =>
      parts.enqueue(em, job, data, options),
    services: parts.services,
  };
}
