import 'reflect-metadata';
import { createHash, type X509Certificate } from 'node:crypto';
import { X509Certificate as ParsedCertificate, SubjectKeyIdentifierExtension } from '@peculiar/x509';

/** How a signed message names its signer's certificate; the forms of WS-Security's X.509 token profile 1.1. */
export type CertificateReference =
  | { readonly kind: 'certificate'; readonly certificate: X509Certificate }
  | { readonly kind: 'thumbprint'; readonly hash: 'sha1' | 'sha256'; readonly value: Buffer }
  | { readonly kind: 'subjectKeyIdentifier'; readonly value: Buffer }
  /** Issuer as RFC 2253 writes it, or nearly; the serial number in decimal. */
  | { readonly kind: 'issuerSerial'; readonly issuer: string; readonly serial: string };

/**
 * Whether the reference means this certificate. It only selects among certificates that are trusted anyway, and the
 * signature is checked with what it selects: names are compared loosely, since every stack spells them in its own way.
 */
export function isNamedBy(certificate: X509Certificate, reference: CertificateReference): boolean {
  switch (reference.kind) {
    case 'certificate':
      return certificate.raw.equals(reference.certificate.raw);
    case 'thumbprint':
      return createHash(reference.hash).update(certificate.raw).digest().equals(reference.value);
    case 'subjectKeyIdentifier':
      return keyIdentifierOf(certificate)?.equals(reference.value) ?? false;
    case 'issuerSerial':
      return (
        BigInt(`0x${certificate.serialNumber}`) === BigInt(reference.serial) &&
        spelling(certificate.issuer) === spelling(reference.issuer)
      );
  }
}

function keyIdentifierOf(certificate: X509Certificate): Buffer | undefined {
  const extension = new ParsedCertificate(certificate.raw).getExtension(SubjectKeyIdentifierExtension);
  return extension ? Buffer.from(extension.keyId, 'hex') : undefined;
}

/** The attributes of a name without their order, spacing and quoting. */
function spelling(name: string): string {
  return name
    .split(/(?<!\\)[,+;\n]/)
    .map(attribute =>
      attribute
        .replace(/["\\]/g, '')
        .trim()
        .split(/\s*=\s*/),
    )
    .map(([type = '', ...value]) => `${attributeType(type)}=${value.join('=').replace(/\s+/g, ' ').toLowerCase()}`)
    .sort()
    .join('\n');
}

function attributeType(type: string): string {
  const upper = type.toUpperCase().replace(/^OID\./, '');
  return upper === 'E' || upper === '1.2.840.113549.1.9.1' ? 'EMAILADDRESS' : upper === 'S' ? 'ST' : upper;
}
