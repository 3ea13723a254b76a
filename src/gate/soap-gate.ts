import type { IncomingMessage } from 'node:http';
import type { Caller } from '../core/caller.ts';
import { normalizeThumbprint, thumbprintOf } from '../core/certificates.ts';
import { Refusal } from '../core/errors.ts';
import type { Arrival } from './arrival.ts';
import type { BodyLeases } from './body-room.ts';
import { type CertificateReference, isNamedBy } from './certificate-selection.ts';
import type { Gate } from './gate.ts';
import type { Identified, RequestCertificate } from './identity.ts';
import type { Allowance } from './limits.ts';
import { singleHeaders } from './signature.ts';

interface Visit {
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly receivedAt: Date;
}

interface VerifiedBody {
  /** 64 hex digits: the signer and all that was signed. */
  readonly replayKey: string;
}

/** The gate's steps as signed messages need them: the request itself is not signed, what it carries is. */
export function soapGate(gate: Gate) {
  const arrivals = new WeakMap<IncomingMessage, Arrival>();
  const signers = new WeakMap<Identified, RequestCertificate>();
  const arrivalOf = ({ request }: Visit): Arrival => {
    const arrival = arrivals.get(request);
    if (!arrival) throw new Error('the address was not admitted');
    return arrival;
  };
  const leases = new WeakMap<IncomingMessage, BodyLeases>();
  const leasesOf = ({ request }: Visit): BodyLeases => {
    const admitted = leases.get(request);
    if (!admitted) throw new Error('the body was not admitted');
    return admitted;
  };
  /** Once a message: one whose key stands in the envelope is counted before that is read, and identified after. */
  const admitBody = ({ request }: Visit, certificate: Pick<RequestCertificate, 'thumbprint'>): void => {
    if (!leases.has(request)) leases.set(request, gate.admitBody(certificate));
  };
  return {
    admit({ request, requestId, receivedAt }: Visit): void {
      arrivals.set(request, gate.admit(request, { door: 'soap', requestId, receivedAt }));
    },

    refused({ request, requestId }: Visit, refusal: Refusal): void {
      const address = arrivals.get(request)?.address ?? request.socket.remoteAddress;
      gate.refused({ door: 'soap', requestId, address }, refusal);
    },

    async admitCertificate(visit: Visit): Promise<void> {
      admitBody(visit, await gate.identifyCertificate(arrivalOf(visit)));
    },

    async identify(visit: Visit, claimed: { apiKey: string; orgId: string | undefined }): Promise<Identified> {
      const identity = await gate.identify(arrivalOf(visit), { ...claimed, thumbprint: claimedThumbprint(visit) });
      admitBody(visit, identity.certificate);
      return identity;
    },

    room: (visit: Visit) => leasesOf(visit).room,
    disk: (visit: Visit) => leasesOf(visit).disk,

    actsForAnother({ key, acting }: Identified): boolean {
      return acting?.at(-1)?.path !== (key.boundPath ?? key.organizationPath);
    },

    async resolveSigner(
      identity: Identified | undefined,
      reference: CertificateReference,
    ): Promise<RequestCertificate | undefined> {
      if (identity === undefined) return signerOfAny(gate, reference);
      if (isNamedBy(identity.certificate.certificate, reference)) return identity.certificate;
      const signer = await gate.signer(identity, certificate => isNamedBy(certificate, reference));
      signers.set(identity, signer);
      return signer;
    },

    async spend({ arrival }: Identified, { replayKey }: VerifiedBody): Promise<void> {
      await gate.spendReplayKey(arrival, replayKey);
    },

    count: (identity: Identified): Promise<Allowance> => gate.count(identity),

    caller(identity: Identified, allowance: Allowance, { request }: Visit, { replayKey }: VerifiedBody): Caller {
      const headers = singleHeaders(request.rawHeaders);
      return gate.caller(identity, allowance, {
        digest: `sha256:${replayKey}`,
        signer: signers.get(identity),
        idempotencyKey: headers.get('idempotency-key'),
        prefer: headers.get('prefer'),
      });
    },
  };
}

/** Before the key is known a certificate can be looked up by what is unique about it, not by what an issuer gave it. */
async function signerOfAny(gate: Gate, reference: CertificateReference): Promise<RequestCertificate | undefined> {
  if (reference.kind === 'certificate') return gate.anySigner(thumbprintOf(reference.certificate));
  const isSha256 = reference.kind === 'thumbprint' && reference.hash === 'sha256';
  return isSha256 ? gate.anySigner(reference.value.toString('hex')) : undefined;
}

/** Not needed over SOAP; who sends it anyway means it. */
function claimedThumbprint({ request }: Visit): string | undefined {
  const value = singleHeaders(request.rawHeaders).get('bastion-cert-thumbprint');
  if (value === undefined) return undefined;
  const thumbprint = normalizeThumbprint(value);
  if (thumbprint === undefined) throw new Refusal('certificate_invalid');
  return thumbprint;
}
