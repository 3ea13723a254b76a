import type { Content } from '../../core/content.ts';
import { Refusal } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { TenantEntityManager } from '../../core/operation.ts';
import { DlpPolicy } from './entities.ts';

export type DlpAction = 'allow' | 'encrypt' | 'quarantine' | 'block';

/** What was found in content: where, never what. */
export interface Finding {
  readonly detector: string;
  readonly offset: number;
  readonly length: number;
}

export interface Scanned {
  readonly subject: string;
  readonly html: string;
  readonly attachments: readonly { readonly filename: string; readonly content: Content }[];
}

export interface Verdict {
  readonly action: DlpAction;
  readonly findings: readonly Finding[];
}

/**
 * The one place where content meets a policy. A policy without a scan profile matches everything, so its action is the
 * verdict and there are no findings. Scanning by a profile belongs to the DLP engine; until a server has one, content
 * under such a policy is refused, because passing it on unscanned would be a false promise.
 */
export function applyPolicy(policy: Pick<DlpPolicy, 'onMatch' | 'profileId'>, _content: Scanned): Verdict {
  if (policy.profileId !== null) {
    throw new Refusal('unavailable', 'The policy scans content by a profile, and this server has no scan engine.');
  }
  return { action: policy.onMatch, findings: [] };
}

/** What of an organisation decides here; its area knows policies, so that they know nothing of it. */
interface Settled {
  readonly id: string;
  settings: Record<string, string | number | boolean>;
}

/**
 * The organisation's own policy, for requests that name none; null when its setting names a policy that is not there.
 * It is made on first use, within the organisation: a parent that creates an organisation cannot write rows in it.
 */
export async function defaultPolicy(
  em: TenantEntityManager,
  organization: Settled,
  now: Date,
): Promise<DlpPolicy | null> {
  const id = organization.settings.default_dlp_policy;
  return id === undefined ? createDefaultPolicy(em, organization, now) : em.findOne(DlpPolicy, { id: String(id) });
}

/** What every organisation starts with: mail through the secure door leaves encrypted. `em` is bound to it. */
export function createDefaultPolicy(
  em: Pick<TenantEntityManager, 'create'>,
  organization: Settled,
  now: Date,
): DlpPolicy {
  const policy = em.create(DlpPolicy, {
    id: newId('pol', now.getTime()),
    organizationId: organization.id,
    name: 'Default',
    onMatch: 'encrypt',
    profileId: null,
    createdAt: now,
  });
  organization.settings = { ...organization.settings, default_dlp_policy: policy.id };
  return policy;
}
