import { z } from 'zod';
import { invalid } from '../../core/errors.ts';
import { list, named, nullable } from '../../core/schema.ts';
import type { Services } from '../../core/services.ts';
import { type CertificatePolicy, signatureAlgorithms, signedHeaders } from './entities.ts';

/** What one certificate's partner must keep to, and how it wants to be answered, as callers say it. */

const algorithm = z.enum(signatureAlgorithms).meta({ id: 'SignatureAlgorithm' });
const header = z.enum(signedHeaders).meta({ id: 'SignedHeader', description: 'A WS-Addressing header.' });

const described = {
  signature_version_2: 'REST requests must carry Bastion-Signature-Version: 2.',
  signature_algorithms: 'What SOAP messages may be signed with; everything that Bastion accepts when empty.',
  signed_headers: 'WS-Addressing headers that every SOAP message must have, and sign.',
  answer_algorithm: "What SOAP answers are signed with; RSA-SHA256, or what Bastion's key can do, when absent.",
  signature_confirmation: "SOAP answers repeat the request's signature value (WS-Security 1.1, 8.5).",
  faults_as_500: 'Every SOAP fault is HTTP 500, for stacks that read no other.',
};

export const policyInput = {
  signature_version_2: z.boolean().optional().describe(described.signature_version_2),
  signature_algorithms: list(algorithm, signatureAlgorithms.length).optional().describe(described.signature_algorithms),
  signed_headers: list(header, signedHeaders.length).optional().describe(described.signed_headers),
  answer_algorithm: algorithm.optional().describe(described.answer_algorithm),
  signature_confirmation: z.boolean().optional().describe(described.signature_confirmation),
  faults_as_500: z.boolean().optional().describe(described.faults_as_500),
};

export const PolicyView = named('CertificatePolicy', {
  signature_version_2: z.boolean().describe(described.signature_version_2),
  signature_algorithms: list(algorithm).describe(described.signature_algorithms),
  signed_headers: list(header).describe(described.signed_headers),
  answer_algorithm: nullable(algorithm).describe(described.answer_algorithm),
  signature_confirmation: z.boolean().describe(described.signature_confirmation),
  faults_as_500: z.boolean().describe(described.faults_as_500),
});

export const policyView = (policy: CertificatePolicy): z.output<typeof PolicyView> => ({
  signature_version_2: policy.signature_version_2 ?? false,
  signature_algorithms: policy.signature_algorithms ?? [],
  signed_headers: policy.signed_headers ?? [],
  answer_algorithm: policy.answer_algorithm ?? null,
  signature_confirmation: policy.signature_confirmation ?? false,
  faults_as_500: policy.faults_as_500 ?? false,
});

/** An answer can only be signed with a key that Bastion has; found out now, and not by the partner's first call. */
export function requireAnswerable(policy: CertificatePolicy, { identity, ellipticIdentity }: Services): void {
  if (policy.answer_algorithm === undefined) return;
  const wanted = policy.answer_algorithm.startsWith('ecdsa') ? 'ec' : 'rsa';
  const keys = [identity, ellipticIdentity].map(each => each?.privateKey.asymmetricKeyType);
  if (!keys.includes(wanted)) throw invalid('answer_algorithm', `needs a key of kind ${wanted}, which Bastion lacks`);
}
