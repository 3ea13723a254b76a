import 'reflect-metadata';
import type { X509Certificate } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as ParsedCertificate,
} from '@peculiar/x509';

/** What RFC 5280 asks us to know of a certificate beside its names, dates and key, which node:crypto reads. */
export interface Profile {
  /** As `comparableName` writes them. */
  readonly subject: string;
  readonly issuer: string;
  readonly serialNumber: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
  readonly keyUsage: number | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** The signature on the certificate uses SHA-256 or better. */
  readonly soundSignature: boolean;
  /** A critical extension that we do not enforce, or name constraints in any form: the certificate cannot be judged. */
  readonly notUnderstood: string | undefined;
}

export const usages = {
  digitalSignature: KeyUsageFlags.digitalSignature,
  keyCertSign: KeyUsageFlags.keyCertSign,
  crlSign: KeyUsageFlags.cRLSign,
} as const;

export const purposes = {
  client: ExtendedKeyUsage.clientAuth as string,
  server: ExtendedKeyUsage.serverAuth as string,
  any: '2.5.29.37.0',
} as const;

const oid = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
};

/**
 * Extensions whose critical mark we honour. Certificate policies are understood as far as they bind a path that asks for
 * no policy: not at all (RFC 5280 section 6.1.1 (c), any-policy).
 */
const understood = new Set(Object.values(oid).filter(each => each !== oid.nameConstraints));

/** Throws an Error on anything that is not one well-formed certificate. */
export function readProfile(certificate: X509Certificate): Profile {
  const parsed = new ParsedCertificate(certificate.raw);
  const extensions = parsed.extensions;
  if (new Set(extensions.map(each => each.type)).size < extensions.length) throw new Error('an extension is repeated');
  const constraints = parsed.getExtension(BasicConstraintsExtension);
  return {
    subject: comparableName(parsed.subject),
    issuer: comparableName(parsed.issuer),
    serialNumber: serialNumber(parsed.serialNumber),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    isCa: constraints?.ca ?? false,
    pathLength: constraints?.pathLength,
    keyUsage: parsed.getExtension(KeyUsagesExtension)?.usages,
    extendedKeyUsage: parsed.getExtension(ExtendedKeyUsageExtension)?.usages.map(String),
    soundSignature: isSound(readAlgorithm(parsed.signatureAlgorithm)),
    notUnderstood: extensions.find(notEnforced)?.type,
  };
}

function notEnforced(extension: Extension): boolean {
  return extension.type === oid.nameConstraints || (extension.critical && !understood.has(extension.type));
}

/** One spelling: hex without leading zeros, as certificates and revocation lists may pad differently. */
export function serialNumber(hexDigits: string): string {
  return hexDigits.toLowerCase().replace(/^0+(?=.)/, '');
}

/**
 * Names are equal whatever their case, white space and kind of string (RFC 5280 section 7.1). They only select: what
 * counts is the signature that follows.
 */
export function comparableName(name: string): string {
  return name.toLowerCase().replace(/\s+/g, ' ');
}

export interface Algorithm {
  readonly name: string;
  /** `sha256` and the like, as node:crypto says it; undefined when the algorithm names none. */
  readonly hash: string | undefined;
}

/** The library's WebCrypto description of a signature algorithm, whose type needs the DOM's declarations. */
export function readAlgorithm(signatureAlgorithm: unknown): Algorithm {
  const { name, hash } = signatureAlgorithm as { name: string; hash?: { name?: string } };
  return { name, hash: hash?.name?.toLowerCase().replace('-', '') };
}

/** SHA-256 or better. Ed25519 has its hash built in and names none. */
export function isSound({ name, hash }: Algorithm): boolean {
  return name === 'Ed25519' || /^sha(?:256|384|512)$/.test(hash ?? '');
}
