import { certificateInForce, effectiveScopes, isStanding, keyInForce } from '../areas/access/credentials.ts';
import { Refusal } from '../core/errors.ts';
import { holdsScope } from '../core/scopes.ts';
import type { EntityManager } from '../db/orm.ts';
import type { Parts, Request } from './request.ts';

/**
 * Looks again, in the transaction that commits, at what the gate saw before: what was revoked in between commits nothing.
 * `em` is in system mode.
 */
export async function stillAllowed(parts: Parts, em: EntityManager, { op, caller }: Request): Promise<void> {
  const { services } = parts;
  const now = services.clock.now();
  const key = await keyInForce(em, caller.key.id, now);
  if (!key) throw new Refusal('key_invalid');
  if (!(await certificateInForce(em, caller.certificate.id, 'request', services, now))) {
    throw new Refusal('certificate_invalid');
  }
  if (!(await isStanding(em, caller.organization.path))) throw new Refusal('organization_suspended');
  if (!holdsScope(await effectiveScopes(em, key), op.scope)) throw new Refusal('scope_missing');
}
