import type { Core } from './app.ts';
import { secretHash } from './areas/access/credentials.ts';
import { AllowedAddress, ApiKey, type CertificateUse } from './areas/access/entities.ts';
import { newSecret } from './areas/access/keys.ts';
import { type Candidate, register } from './areas/access/registration.ts';
import { challenge } from './areas/approvals/challenge.ts';
import { ApprovalSettings, ApprovalWebhook } from './areas/approvals/entities.ts';
import { createDefaultPolicy } from './areas/dlp/policy.ts';
import { Organization } from './areas/organizations/entities.ts';
import { normalizeBlock } from './core/addresses.ts';
import { doors } from './core/caller.ts';
import { isStrongKey, parseCertificates } from './core/certificates.ts';
import { newId } from './core/ids.ts';
import type { TenantEntityManager } from './core/operation.ts';
import { grantableScopes } from './core/scopes.ts';
import { writeAudit } from './db/audit.ts';
import { transaction } from './db/transaction.ts';
import { organizationOf } from './run/act.ts';
import { readingContext } from './run/execute.ts';

/**
 * What the operator does with the server's own files in hand: the first organisation, certificate, address, key and
 * approval webhook, and what the API refuses on purpose. Everything leaves an audit row.
 */

const actor = (name: string) => ({ kind: 'cli' as const, name });

/** The root of a tree, or, with `parentId`, an organisation beneath another. */
export async function createOrganization(
  { db, services }: Core,
  { name, parentId, plan }: { name: string; parentId?: string; plan?: string },
): Promise<Organization> {
  const now = services.clock.now();
  return transaction(db, 'system', async em => {
    const parent = parentId === undefined ? undefined : await em.findOneOrFail(Organization, { id: parentId });
    const id = newId('org', now.getTime());
    const path = parent ? `${parent.path}/${id}` : id;
    const row = {
      id,
      parentId: parent?.id,
      path,
      name,
      status: 'active',
      plan,
      settings: {},
      createdAt: now,
      updatedAt: now,
    } as const;
    const organization = em.create(Organization, row);
    createDefaultPolicy(em, organization, now);
    await em.flush();
    await writeAudit(em, {
      organizationId: id,
      occurredAt: now,
      operation: 'organization.create',
      door: 'cli',
      outcome: 'done',
      actor: { kind: 'cli', id: 'organization.create' },
      target: id,
    });
    return organization;
  });
}

/** A key that opens every door; all scopes when none are named. The secret is shown by this answer only. */
export async function createKey(
  core: Core,
  organizationId: string,
  { name, scopes }: { name: string; scopes?: readonly string[] },
): Promise<{ id: string; secret: string }> {
  const known = grantableScopes(core.parts.operations);
  const unknown = scopes?.filter(scope => !known.has(scope)) ?? [];
  if (unknown.length > 0) throw new Error(`no such scope: ${unknown.join(', ')}`);
  const secret = newSecret();
  const id = await core.run.act(organizationId, actor('key.create'), async ({ em, now }) => {
    const key = em.create(ApiKey, {
      name,
      scopes: [...(scopes ?? known)],
      doors: [...doors],
      ipAllowlist: [],
      secretHash: secretHash(secret),
      status: 'active',
      createdAt: now,
    });
    return key.id;
  });
  return { id, secret };
}

/** Here only may one certificate serve requests and approvals. */
export async function registerCertificate(
  core: Core,
  organizationId: string,
  { pem, uses }: { pem: string; uses: readonly CertificateUse[] },
): Promise<{ id: string; thumbprint: string }> {
  const candidate = await readCandidate(core, pem);
  return core.run.act(organizationId, actor('certificate.register'), async context => {
    const { id, thumbprint } = await register(context, candidate, { uses: [...uses], policy: {} });
    return { id, thumbprint };
  });
}

/** `pem`: the certificate, then any intermediates. Throws what is wrong with it. */
export async function readCandidate({ services }: Core, pem: string): Promise<Candidate> {
  const [certificate, ...intermediates] = parseCertificates(pem) ?? [];
  if (!certificate) throw new Error('the file holds no readable certificate');
  if (!isStrongKey(certificate)) {
    throw new Error('the key is too weak: RSA of 2048 bits or more, P-256 or P-384 is needed');
  }
  const now = services.clock.now();
  await services.trust.learn(certificate, intermediates, now);
  const verdict = services.trust.check(certificate, intermediates, now);
  if (!verdict.ok) throw new Error(`the certificate is not acceptable: ${verdict.reason}`);
  return { certificate, intermediates };
}

export async function allowAddress(
  core: Core,
  organizationId: string,
  { block, label }: { block: string; label?: string },
): Promise<string> {
  const cidr = requireBlock(block);
  return core.run.act(organizationId, actor('address.allow'), async ({ em, now }) => {
    em.create(AllowedAddress, { cidr, label, createdAt: now });
    return cidr;
  });
}

/** Challenged like over the API; `allowPrivate` opens private blocks to this organisation's webhooks, which the API never does. */
export async function registerApprovalWebhook(
  core: Core,
  organizationId: string,
  { url, allowPrivate = [] }: { url: string; allowPrivate?: readonly string[] },
): Promise<string> {
  const blocks = allowPrivate.map(requireBlock);
  if (blocks.length > 0) {
    await core.run.act(organizationId, actor('approval_settings.allow_private'), async ({ em }) => {
      const settings = await settingsOf(em);
      settings.privateCidrs = [...new Set([...settings.privateCidrs, ...blocks])];
    });
  }
  await challenge(readingContext(core.parts, await organizationOf(core.parts, organizationId)), url);
  return core.run.act(organizationId, actor('approval_webhook.register'), async ({ em, now }) => {
    return em.create(ApprovalWebhook, { url, createdAt: now }).id;
  });
}

function requireBlock(block: string): string {
  const cidr = normalizeBlock(block);
  if (cidr === undefined) throw new Error(`${block} is no IP address or CIDR block`);
  return cidr;
}

async function settingsOf(em: TenantEntityManager): Promise<ApprovalSettings> {
  const fresh = { sensitiveOperations: [], quorum: 1, privateCidrs: [] };
  return (await em.findOne(ApprovalSettings, {})) ?? em.create(ApprovalSettings, fresh);
}
