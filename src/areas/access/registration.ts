import { randomBytes, type X509Certificate } from 'node:crypto';
import { LockMode } from '@mikro-orm/core';
import { nameOf } from '../../core/authority.ts';
import { parseCertificates, storedCertificate, thumbprintOf } from '../../core/certificates.ts';
import { possessionText, signingKind, verifyDetached } from '../../core/detached-signature.ts';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import type { HandleContext, PrepareContext, TenantEntityManager } from '../../core/operation.ts';
import { timestamp } from '../../core/schema.ts';
import type { Services } from '../../core/services.ts';
import { policyView } from './certificate-policy.ts';
import { isCertificateInForce } from './credentials.ts';
import { type CertificateUse, ClientCertificate } from './entities.ts';

/** Longer than an approval takes: the proof is looked at when the request is carried out. */
const challengeMs = 60 * 60 * 1000;
const purpose = 'possession';

type Place = { readonly organization: { readonly id: string }; readonly now: Date; readonly services: Services };

/**
 * A text for the certificate's key to sign. It carries its own expiry and MAC instead of a row. It serves one registration:
 * an organisation registers a certificate once, so the same proof a second time is a conflict.
 */
export function newChallenge({ organization, now, services }: Place) {
  const expiresAt = new Date(now.getTime() + challengeMs);
  const body = `${expiresAt.getTime()}.${randomBytes(16).toString('base64url')}`;
  const challenge = `${body}.${services.keyring.mac(purpose, organization.id, body).toString('base64url')}`;
  return { challenge, text: possessionText(organization.id, challenge), expires_at: timestamp(expiresAt) };
}

function isOpenChallenge({ organization, now, services }: Place, challenge: string): boolean {
  const [expiry = '', nonce = '', mac = ''] = challenge.split('.');
  const genuine = services.keyring.verify(
    purpose,
    organization.id,
    `${expiry}.${nonce}`,
    Buffer.from(mac, 'base64url'),
  );
  return genuine && now.getTime() < Number(expiry);
}

export interface Candidate {
  readonly certificate: X509Certificate;
  readonly intermediates: readonly X509Certificate[];
}

interface Offer {
  readonly certificate_pem: string;
  readonly challenge: string;
  readonly proof: string;
}

/** The certificate, if it is acceptable and its key signed the challenge; else 422 with what to change. */
export function readOffer(place: Place, { certificate_pem, challenge, proof }: Offer): Candidate {
  const [certificate, ...intermediates] = parseCertificates(certificate_pem) ?? [];
  if (!certificate) throw invalid('certificate_pem', 'holds no readable certificate');
  if (!signingKind(certificate.publicKey)) {
    throw invalid('certificate_pem', 'needs an RSA key of 2048 to 8192 bits, P-256 or P-384', 'weak_key');
  }
  const verdict = place.services.trust.check(certificate, intermediates, place.now);
  if (!verdict.ok) throw invalid('certificate_pem', `is not acceptable: ${verdict.reason}`, verdict.reason);
  if (!isOpenChallenge(place, challenge)) {
    throw invalid('challenge', 'is not an open challenge of this organisation', 'challenge');
  }
  const text = possessionText(place.organization.id, challenge);
  if (!verifyDetached(certificate.publicKey, text, proof)) {
    throw invalid('proof', 'is not a signature of the challenge text by the key of the certificate', 'proof');
  }
  return { certificate, intermediates };
}

const renewedForMs = 397 * 86_400_000;

/** A certificate of Bastion's own authority over the key of a request, with the name of the old one. */
export async function certify(
  { services, now }: Pick<HandleContext, 'services' | 'now'>,
  old: ClientCertificate,
  request: string,
): Promise<Candidate> {
  const { clientAuthority, trust } = services;
  if (!clientAuthority) {
    throw new Refusal('conflict', 'Bastion issues no certificates here; rotate with one of your own authority.');
  }
  const terms = { name: nameOf(old.pem), notAfter: new Date(now.getTime() + renewedForMs) };
  const pem = await clientAuthority.signRequest(request, terms).catch((error: Error) => {
    throw invalid('certificate_request', error.message);
  });
  const candidate = { certificate: storedCertificate(pem), intermediates: clientAuthority.chain };
  const verdict = trust.check(candidate.certificate, candidate.intermediates, now);
  if (!verdict.ok) throw invalid('certificate_request', `is not acceptable: ${verdict.reason}`, verdict.reason);
  return candidate;
}

/** The organisation's registrations and those it inherits. */
export type Inherited = readonly ClientCertificate[];

export const inheritedCertificates = ({ inherited, organization }: PrepareContext): Promise<Inherited> =>
  inherited(em => em.find(ClientCertificate, { status: 'active', organizationId: { $ne: organization.id } }));

/** What judging an offered certificate needs, learned before the transaction. */
export async function prepareOffer(context: PrepareContext, { certificate_pem }: Pick<Offer, 'certificate_pem'>) {
  const [certificate, ...intermediates] = parseCertificates(certificate_pem) ?? [];
  if (certificate) await context.services.trust.learn(certificate, intermediates, context.now);
  return inheritedCertificates(context);
}

/**
 * Who asks must not be able to approve: a key that serves one use is refused for another, whatever certificate it comes in.
 */
export function refuseOtherUse(
  { certificate }: Candidate,
  uses: readonly CertificateUse[],
  registered: readonly ClientCertificate[],
): void {
  const holders = registered.filter(row => storedCertificate(row.pem).publicKey.equals(certificate.publicKey));
  if (holders.some(row => row.uses.some(use => !uses.includes(use)))) {
    throw invalid('uses', 'the same key is registered for another use; only an operator can join the two', 'other_use');
  }
}

export async function register(
  { em, now, emit }: Pick<HandleContext, 'em' | 'now' | 'emit'>,
  { certificate, intermediates }: Candidate,
  terms: Pick<ClientCertificate, 'uses' | 'policy'>,
): Promise<ClientCertificate> {
  const thumbprint = thumbprintOf(certificate);
  if (await em.findOne(ClientCertificate, { thumbprint })) {
    throw new Refusal('conflict', 'The certificate has been registered before; a revoked one stays revoked.');
  }
  const row = em.create(ClientCertificate, {
    thumbprint,
    pem: certificate.toString(),
    chainPem: intermediates.length === 0 ? null : intermediates.map(String).join('\n'),
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    serialNumber: certificate.serialNumber.toLowerCase(),
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
    ...terms,
    status: 'active',
    createdAt: now,
  });
  emit('certificate.registered', { certificate_id: row.id, thumbprint, uses: row.uses });
  return row;
}

/** Node writes a name as lines. */
const oneLine = (name: string): string => (name ?? '').replaceAll('\n', ', ').slice(0, 1000);

/** The organisation's registrations, locked: two revocations cannot each rely on the other's certificate. */
export function lockCertificates(em: TenantEntityManager): Promise<ClientCertificate[]> {
  return em.find(
    ClientCertificate,
    { status: 'active' },
    { lockMode: LockMode.PESSIMISTIC_WRITE, orderBy: { id: 'asc' }, refresh: true },
  );
}

export async function findCertificate(em: TenantEntityManager, id: string): Promise<ClientCertificate> {
  const row = await em.findOne(ClientCertificate, { id });
  if (!row) throw notFound();
  return row;
}

/** Without a certificate in force for a use, nothing that needs it could be done again, not even registering one. */
export function refuseLast(row: ClientCertificate, registered: readonly ClientCertificate[], now: Date): void {
  const others = registered.filter(other => other.id !== row.id && other.retiresAt == null);
  const served = row.uses.filter(use => isCertificateInForce(row, use, now));
  const bereft = served.filter(use => !others.some(other => isCertificateInForce(other, use, now)));
  if (bereft.length > 0) {
    throw new Refusal(
      'conflict',
      `This is the last certificate for: ${bereft.join(', ')}. Register another one first.`,
    );
  }
}

/** The new certificate takes over uses and policy; the old one stays in force for the overlap. */
export async function rotate(
  context: Pick<HandleContext, 'em' | 'now' | 'emit'>,
  old: ClientCertificate,
  candidate: Candidate,
  overlapSeconds = 86_400,
): Promise<ClientCertificate> {
  const { uses, policy } = old;
  const row = await register(context, candidate, { uses, policy });
  old.retiresAt = new Date(context.now.getTime() + overlapSeconds * 1000);
  context.emit('certificate.rotated', {
    certificate_id: row.id,
    thumbprint: row.thumbprint,
    previous_certificate_id: old.id,
    previous_valid_until: timestamp(old.retiresAt),
  });
  return row;
}

/** A certificate is followed by one other, not by two. */
export function requireReplaceable({ status, retiresAt }: ClientCertificate): void {
  if (status === 'revoked' || retiresAt) {
    throw new Refusal('conflict', 'The certificate is revoked or has been replaced already.');
  }
}

/** At once and for good, on every node with the next request. Again: nothing happens. */
export function revoke({ emit }: Pick<HandleContext, 'emit'>, row: ClientCertificate): void {
  if (row.status === 'revoked') return;
  row.status = 'revoked';
  emit('certificate.revoked', { certificate_id: row.id, thumbprint: row.thumbprint });
}

export const certificateStates = ['active', 'retired', 'expired', 'revoked'] as const;

export function stateOf(
  { status, retiresAt, notAfter }: ClientCertificate,
  now: Date,
): (typeof certificateStates)[number] {
  if (status === 'revoked') return 'revoked';
  if (retiresAt && retiresAt <= now) return 'retired';
  return notAfter <= now ? 'expired' : 'active';
}

export const certificateView = (row: ClientCertificate, now: Date) => ({
  certificate_id: row.id,
  thumbprint: row.thumbprint,
  subject: row.subject,
  issuer: row.issuer,
  serial_number: row.serialNumber,
  uses: row.uses,
  status: stateOf(row, now),
  not_before: timestamp(row.notBefore),
  not_after: timestamp(row.notAfter),
  retires_at: row.retiresAt ? timestamp(row.retiresAt) : null,
  last_used_at: row.lastUsedAt ? timestamp(row.lastUsedAt) : null,
  policy: policyView(row.policy),
  created_at: timestamp(row.createdAt),
});
