import type { CertificatePolicy } from '../../areas/access/entities.ts';
import { ns } from './namespaces.ts';
import { refuse } from './refuse.ts';
import type { SignedBody, Signer } from './verify.ts';

/** A signer, and what was agreed with its partner. */
export interface Partner extends Signer {
  readonly policy: Omit<CertificatePolicy, 'signature_version_2'>;
}

/** Holds a message to what its partner must keep to, beyond what everybody must. */
export function checkPolicy({ algorithm, signedHeaders }: SignedBody, { policy }: Partner): void {
  const { signature_algorithms: accepted = [], signed_headers: required = [] } = policy;
  if (accepted.length > 0 && !accepted.includes(algorithm)) {
    refuse(`the partner's policy does not accept the algorithm ${algorithm}`);
  }
  const missing = required.find(local => !signedHeaders.has(`{${ns.wsa}}${local}`));
  if (missing !== undefined) refuse(`the partner's policy demands a signed wsa:${missing}`);
}
