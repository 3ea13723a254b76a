import type { KeyObject, X509Certificate } from 'node:crypto';
import { distrustOf, effectiveScopes, isKeyInForce, secretHash } from '../areas/access/credentials.ts';
import type { CertificatePolicy } from '../areas/access/entities.ts';
import { learnRevocations } from '../areas/access/revocations.ts';
import { AddressSet } from '../core/addresses.ts';
import { storedCertificate, thumbprintOf } from '../core/certificates.ts';
import { Refusal } from '../core/errors.ts';
import type { Services } from '../core/services.ts';
import type { Database } from '../db/orm.ts';
import { isWithinPath } from '../db/tenancy.ts';
import { type Arrival, clientCertificate } from './arrival.ts';
import {
  type CertificateRecord,
  findAddresses,
  findKey,
  findOrganizations,
  findRegistrations,
  type KeyRecord,
  type OrganizationRecord,
} from './records.ts';

/** A registered certificate that may sign requests now. */
export interface RequestCertificate {
  readonly id: string;
  readonly organizationId: string;
  readonly thumbprint: string;
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
  readonly policy: CertificatePolicy;
}

/** A request whose address, certificate and key belong together. That its sender made it is not proven yet. */
export interface Identified {
  readonly arrival: Arrival;
  readonly address: string;
  readonly certificate: RequestCertificate;
  readonly key: KeyRecord;
  readonly scopes: ReadonlySet<string>;
  /** Ids of the organisations whose certificates and addresses count for the key: its own and all above. */
  readonly line: readonly string[];
  /** What it acts on, the root first; undefined when it may not act on what it names, or there is no such thing. */
  readonly acting: readonly OrganizationRecord[] | undefined;
}

export interface Claimed {
  readonly apiKey: string;
  readonly orgId: string | undefined;
  /** As a header says it; it must be the TLS certificate's. */
  readonly thumbprint?: string;
}

interface Parts {
  readonly db: Database;
  readonly services: Services;
}

/**
 * Step 2. The order of refusals: certificate (401), address (403), key (401). Throws the first that fails, without a word
 * about which part of it was close.
 */
export async function identify(parts: Parts, arrival: Arrival, claimed: Claimed): Promise<Identified> {
  const { db } = parts;
  const presented = presentedThumbprint(arrival);
  if (claimed.thumbprint !== undefined && claimed.thumbprint !== presented) {
    throw new Refusal('certificate_invalid', 'Bastion-Cert-Thumbprint is not that of the TLS client certificate.');
  }
  const [registered, key] = await Promise.all([
    findRegistrations(db, presented),
    findKey(db, secretHash(claimed.apiKey), arrival.receivedAt),
  ]);
  const trusted = await inForce(parts, arrival, registered);
  const registration = key && registrationFor(key, trusted, arrival.receivedAt);
  if (!key || !registration) {
    await requireAddress(db, arrival, organizationsOf(trusted));
    throw new Refusal('key_invalid');
  }
  const line = lineOf(key).split('/');
  const [organizations, address] = await Promise.all([
    findOrganizations(db, [...new Set([...line, claimed.orgId ?? line.at(-1)!])]),
    requireAddress(db, arrival, line, key.ipAllowlist),
  ]);
  if (!key.doors.includes(arrival.door)) throw new Refusal('door_closed');
  return {
    arrival,
    address,
    certificate: requestCertificate(registration),
    key,
    scopes: key.memberId === null ? new Set(key.scopes) : await effectiveScopes(db.fork('system'), key),
    line,
    acting: await actingLine(db, key, claimed.orgId, organizations),
  };
}

/** For whoever shows no key: a certificate registered by anybody, from an address allowed for it. */
export async function identifyCertificate(
  parts: Parts,
  arrival: Arrival,
): Promise<Pick<RequestCertificate, 'thumbprint'>> {
  const thumbprint = presentedThumbprint(arrival);
  const registered = await findRegistrations(parts.db, thumbprint);
  await requireAddress(parts.db, arrival, organizationsOf(await inForce(parts, arrival, registered)));
  return { thumbprint };
}

function presentedThumbprint(arrival: Arrival): string {
  const certificate = clientCertificate(arrival);
  if (!certificate) throw new Refusal('certificate_required');
  return thumbprintOf(certificate);
}

/** Those registrations that count now; throws 401 when none does, and says in the cause why not. */
export async function inForce(
  { services }: Pick<Parts, 'services'>,
  { receivedAt }: Pick<Arrival, 'receivedAt'>,
  registered: readonly CertificateRecord[],
): Promise<readonly CertificateRecord[]> {
  await learnRevocations(registered, services, receivedAt);
  const distrust = registered.map(each => distrustOf(each, 'request', services, receivedAt));
  const trusted = registered.filter((_, index) => distrust[index] === undefined);
  if (trusted.length > 0) return trusted;
  const cause = new Error(distrust.length === 0 ? 'the certificate is not registered' : `it is ${distrust.join(', ')}`);
  throw new Refusal('certificate_invalid', undefined, { cause });
}

/** The registration nearest to the key's organisation, if the key is in force and one of its line registered it. */
function registrationFor(
  key: KeyRecord,
  trusted: readonly CertificateRecord[],
  now: Date,
): CertificateRecord | undefined {
  // A bound organisation that was moved out of reach takes its key with it.
  const reaches = key.boundPath === undefined || isWithinPath(key.boundPath, key.organizationPath);
  if (!isKeyInForce(key, now) || !reaches) return undefined;
  return trusted
    .filter(each => isWithinPath(lineOf(key), each.organizationPath))
    .toSorted((a, b) => b.organizationPath.length - a.organizationPath.length)[0];
}

/** The path whose organisations vouch for the key: that of the one it is bound to, else of its own. */
const lineOf = (key: KeyRecord): string => key.boundPath ?? key.organizationPath;

const organizationsOf = (registrations: readonly CertificateRecord[]): string[] => [
  ...new Set(registrations.flatMap(each => each.organizationPath.split('/'))),
];

/** The address, if these organisations allow it, and the key's own list too. Throws 403. */
async function requireAddress(
  db: Database,
  { address }: Arrival,
  organizations: readonly string[],
  narrowed: readonly string[] = [],
): Promise<string> {
  const blocks = (await findAddresses(db, organizations)).map(({ cidr }) => cidr);
  const allowed = address !== undefined && new AddressSet(blocks).has(address);
  if (!allowed || (narrowed.length > 0 && !new AddressSet(narrowed).has(address))) {
    throw new Refusal('address_not_allowed');
  }
  return address;
}

/**
 * The organisations from the root to the one that the request acts on. A bound key acts on its one organisation; others
 * on their own, or on a descendant that they name.
 */
async function actingLine(
  db: Database,
  key: KeyRecord,
  named: string | undefined,
  known: readonly OrganizationRecord[],
): Promise<OrganizationRecord[] | undefined> {
  const home = lineOf(key);
  const id = named ?? home.slice(home.lastIndexOf('/') + 1);
  const acting = known.find(organization => organization.id === id);
  const isAllowed = key.boundPath === undefined ? acting && isWithinPath(acting.path, home) : acting?.path === home;
  if (!acting || !isAllowed) return undefined;
  const ids = acting.path.split('/');
  const between = ids.filter(each => !known.some(organization => organization.id === each));
  const all = between.length === 0 ? known : [...known, ...(await findOrganizations(db, between))];
  const line = ids.map(each => all.find(organization => organization.id === each));
  return line.every(organization => organization !== undefined) ? line : undefined;
}

const publicKeys = new WeakMap<X509Certificate, KeyObject>();

/** node:crypto imports the key anew at every look, which costs more than a verification. */
export function publicKeyOf(certificate: X509Certificate): KeyObject {
  const known = publicKeys.get(certificate);
  if (known) return known;
  const key = certificate.publicKey;
  publicKeys.set(certificate, key);
  return key;
}

export function requestCertificate({
  id,
  organizationId,
  thumbprint,
  pem,
  policy,
}: CertificateRecord): RequestCertificate {
  const certificate = storedCertificate(pem);
  return { id, organizationId, thumbprint, certificate, publicKey: publicKeyOf(certificate), policy };
}
