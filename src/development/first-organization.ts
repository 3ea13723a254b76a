import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Core, developmentPlan } from '../app.ts';
import { ApprovalWebhook } from '../areas/approvals/entities.ts';
import { Domain, Organization } from '../areas/organizations/entities.ts';
import { read } from '../db/transaction.ts';
import {
  allowAddress,
  createKey,
  createOrganization,
  registerApprovalWebhook,
  registerCertificate,
} from '../operator.ts';
import type { DevelopmentFiles } from './files.ts';

export const developmentDomain = 'partner.test';

export interface FirstOrganization {
  readonly id: string;
  /** Set when it was made just now: shown once. */
  readonly apiKey?: string;
}

/**
 * DEVELOPMENT ONLY: an organisation that can call at once: certificate, addresses, key, verified domain, and the
 * responder as its approval webhook. Made once; a later start finds it, and points the webhook at the responder's port.
 */
export async function firstOrganization(
  core: Core,
  files: DevelopmentFiles,
  webhookUrl: string,
): Promise<FirstOrganization> {
  const known = await read(core.db, 'system', em => em.findOne(Organization, { plan: developmentPlan }));
  if (known) {
    await moveWebhook(core, known.id, webhookUrl);
    return { id: known.id };
  }
  const { id } = await createOrganization(core, { name: 'First organisation (development)', plan: developmentPlan });
  await registerCertificate(core, id, { pem: files.partner.certificate, uses: ['request'] });
  await registerCertificate(core, id, { pem: files.approver.certificate, uses: ['approval'] });
  for (const block of ['127.0.0.1', '::1']) await allowAddress(core, id, { block, label: 'this machine' });
  await registerApprovalWebhook(core, id, { url: webhookUrl, allowPrivate: ['127.0.0.1/32'] });
  await verifiedDomain(core, id);
  const { secret } = await createKey(core, id, { name: 'First key (development)' });
  writeFileSync(join(files.folder, 'api-key'), secret, { mode: 0o600 });
  return { id, apiKey: secret };
}

/** A domain under .test (RFC 6761), which no name server could verify. */
async function verifiedDomain(core: Core, organizationId: string): Promise<void> {
  await core.run.act(organizationId, { kind: 'cli', name: 'development.verify_domain' }, async ({ em, now }) => {
    em.create(Domain, {
      domain: developmentDomain,
      verifiedDomain: developmentDomain,
      status: 'verified',
      verificationToken: 'development',
      verifiedAt: now,
      createdAt: now,
    });
  });
}

async function moveWebhook(core: Core, organizationId: string, url: string): Promise<void> {
  await core.run.act(organizationId, { kind: 'cli', name: 'development.move_webhook' }, async ({ em }) => {
    const webhook = await em.findOne(ApprovalWebhook, {}, { orderBy: { id: 'asc' } });
    if (webhook && webhook.url !== url) webhook.url = url;
  });
}
