import { z } from 'zod';
import type { Core } from './app.ts';
import { policyInput, policyView, requireAnswerable } from './areas/access/certificate-policy.ts';
import { type CertificateUse, ClientCertificate } from './areas/access/entities.ts';
import { requireReplaceable, revoke, rotate, stateOf } from './areas/access/registration.ts';
import { Organization } from './areas/organizations/entities.ts';
import { timestamp } from './core/schema.ts';
import { read } from './db/transaction.ts';
import { readCandidate } from './operator.ts';

/** What the operator sees of partners' certificates, over all organisations, and does with them. */
export interface Registration {
  readonly certificate_id: string;
  readonly organization_id: string;
  readonly organization: string;
  readonly subject: string;
  readonly thumbprint: string;
  readonly uses: readonly CertificateUse[];
  readonly status: string;
  readonly not_after: string;
  readonly retires_at: string | null;
  readonly last_used_at: string | null;
  readonly policy: ReturnType<typeof policyView>;
}

/** Soonest to end first; of one organisation, or of all. */
export async function listRegistrations(
  { db, services }: Core,
  { organizationId, endingBefore }: { organizationId?: string; endingBefore?: Date } = {},
): Promise<Registration[]> {
  return read(db, 'system', async em => {
    const rows = await em.find(
      ClientCertificate,
      {
        ...(organizationId && { organizationId }),
        ...(endingBefore && { status: 'active' as const, notAfter: { $lt: endingBefore } }),
      },
      { orderBy: { notAfter: 'asc', id: 'asc' } },
    );
    const organizations = await em.find(Organization, { id: { $in: rows.map(row => row.organizationId) } });
    const names = new Map(organizations.map(({ id, name }) => [id, name]));
    return rows.map(row => registrationOf(row, names.get(row.organizationId)!, services.clock.now()));
  });
}

function registrationOf(row: ClientCertificate, organization: string, now: Date): Registration {
  return {
    certificate_id: row.id,
    organization_id: row.organizationId,
    organization,
    subject: row.subject,
    thumbprint: row.thumbprint,
    uses: row.uses,
    status: stateOf(row, now),
    not_after: timestamp(row.notAfter),
    retires_at: row.retiresAt ? timestamp(row.retiresAt) : null,
    last_used_at: row.lastUsedAt ? timestamp(row.lastUsedAt) : null,
    policy: policyView(row.policy),
  };
}

/** The new certificate beside the old one, which retires after the overlap. */
export async function rotateRegistration(
  core: Core,
  certificateId: string,
  { pem, overlapSeconds }: { pem: string; overlapSeconds?: number },
): Promise<{ id: string; thumbprint: string }> {
  const candidate = await readCandidate(core, pem);
  return change(core, certificateId, 'certificate.rotate', async (context, old) => {
    requireReplaceable(old);
    const { id, thumbprint } = await rotate(context, old, candidate, overlapSeconds);
    return { id, thumbprint };
  });
}

/** Also the last one of an organisation: what the API refuses, an operator may have to do at once. */
export function revokeRegistration(core: Core, certificateId: string): Promise<void> {
  return change(core, certificateId, 'certificate.revoke', async (context, row) => revoke(context, row));
}

/** `policy` as the API takes it, in place of the one before; answers what holds now. */
export function setRegistrationPolicy(
  core: Core,
  certificateId: string,
  policy: unknown,
): Promise<Registration['policy']> {
  const parsed = z.strictObject(policyInput).parse(policy);
  requireAnswerable(parsed, core.services);
  return change(core, certificateId, 'certificate.policy', async (_, row) => {
    row.policy = parsed;
    return policyView(parsed);
  });
}

type Context = Parameters<Parameters<Core['run']['act']>[2]>[0];

async function change<T>(
  { db, run }: Core,
  id: string,
  name: string,
  work: (context: Context, row: ClientCertificate) => Promise<T>,
): Promise<T> {
  const found = await read(db, 'system', em => em.findOne(ClientCertificate, { id }));
  if (!found) throw new Error(`there is no certificate ${id}; bastion certs list shows those there are`);
  return run.act(found.organizationId, { kind: 'cli', name }, async context =>
    work(context, await context.em.findOneOrFail(ClientCertificate, { id })),
  );
}
