import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { thumbprintOf } from '../../core/certificates.ts';
import { operation } from '../../core/operation.ts';
import { dateTime, named, nullable, timestamp } from '../../core/schema.ts';

const signingCertificate = named('SigningCertificate', {
  thumbprint: z.string().describe('SHA-256 of the DER, 64 hex digits.'),
  subject: z.string(),
  not_before: dateTime(),
  not_after: dateTime(),
  certificate_pem: z.string(),
});

export const getSigningCertificates = operation({
  rest: 'GET /v3/signing-certificates',
  soap: 'GetSigningCertificates',
  scope: 'certificates:read',
  summary: "Read Bastion's own signing certificate, and the one that will follow it.",
  description:
    'They sign SOAP answers and authorization requests. Trust both as soon as there are two: the change is made without ' +
    'another word.',
  input: z.strictObject({}),
  output: named('SigningCertificates', {
    current: signingCertificate,
    next: nullable(signingCertificate),
    elliptic: nullable(signingCertificate).describe('Signs SOAP answers to partners whose policy asks for ECDSA.'),
  }),
  async handle({ services: { identity, ellipticIdentity } }) {
    const { certificatePem, nextCertificatePem } = identity;
    return {
      current: viewOf(certificatePem),
      next: nextCertificatePem ? viewOf(nextCertificatePem) : null,
      elliptic: ellipticIdentity ? viewOf(ellipticIdentity.certificatePem) : null,
    };
  },
});

function viewOf(certificate_pem: string) {
  const certificate = new X509Certificate(certificate_pem);
  return {
    thumbprint: thumbprintOf(certificate),
    subject: certificate.subject.replaceAll('\n', ', '),
    not_before: timestamp(certificate.validFromDate),
    not_after: timestamp(certificate.validToDate),
    certificate_pem,
  };
}
