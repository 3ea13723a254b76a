import { certificateInForce, effectiveScopes, isStanding, keyInForce } from '../areas/access/credentials.ts';
import { ClientCertificate } from '../areas/access/entities.ts';
import { learnRevocations } from '../areas/access/revocations.ts';
import { Organization } from '../areas/organizations/entities.ts';
import type { Caller } from '../core/caller.ts';
import { Refusal } from '../core/errors.ts';
import { holdsScope } from '../core/scopes.ts';
import type { EntityManager } from '../db/orm.ts';
import { read } from '../db/transaction.ts';
import type { Parts, Request } from './request.ts';

/**
 * Looks again, in the transaction that commits, at what the gate saw before: what was revoked in between commits nothing.
 * `em` is in system mode.
 */
export async function stillAllowed(
  { services }: Parts,
  em: EntityManager,
  { op, caller, organization }: Request,
): Promise<void> {
  const now = services.clock.now();
  const key = await keyInForce(em, caller.key.id, now);
  if (!key) throw new Refusal('key_invalid');
  for (const { id } of [caller.certificate, ...(caller.signer ? [caller.signer] : [])]) {
    if (!(await certificateInForce(em, id, 'request', services, now))) throw new Refusal('certificate_invalid');
  }
  await refuseMoved(em, caller, organization);
  if (!(await isStanding(em, caller.organization.path))) throw new Refusal('organization_suspended');
  if (!holdsScope(await effectiveScopes(em, key), op.scope)) throw new Refusal('scope_missing');
}

/** Asks what responders say of the caller's certificates, where no gate has just done so. */
export async function learnStanding({ db, services }: Parts, { certificate, signer }: Caller): Promise<void> {
  const ids = [certificate, ...(signer ? [signer] : [])].map(({ id }) => id);
  const rows = await read(db, 'system', em => em.find(ClientCertificate, { id: { $in: ids } }));
  await learnRevocations(rows, services, services.clock.now());
}

/**
 * Certificates are inherited along the paths, keys reach along them, and what handlers may see is bounded by them: an
 * organisation that stands elsewhere now would be judged by the place that it was taken from.
 */
async function refuseMoved(
  em: EntityManager,
  { organization: acting, key }: Caller,
  organization: Request['organization'],
): Promise<void> {
  const seen = new Map([
    [key.organizationId, key.organizationPath],
    [acting.id, acting.path],
    [organization.id, organization.path],
  ]);
  const rows = await em.find(Organization, { id: { $in: [...seen.keys()] } }, { fields: ['path'] });
  if (rows.length < seen.size || rows.some(({ id, path }) => path !== seen.get(id))) {
    throw new Refusal('conflict', 'The organisation was moved while the request was on its way. Send it again.');
  }
}
