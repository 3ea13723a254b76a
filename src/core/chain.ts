import type { KeyObject, X509Certificate } from 'node:crypto';
import { type Profile, purposes, readProfile, usages } from './certificate-profile.ts';
import { signingKind } from './detached-signature.ts';

/** Why a certificate is not trusted. */
export type TrustFailure =
  | 'malformed'
  | 'untrusted'
  | 'not_yet_valid'
  | 'expired'
  | 'weak_key'
  | 'weak_signature'
  | 'unknown_extension'
  | 'not_an_authority'
  | 'is_an_authority'
  | 'key_usage'
  | 'extended_key_usage'
  | 'path_length'
  | 'revoked'
  | 'revocation_unknown';

/** A certificate with all that is asked of it on a path. */
export interface Link {
  readonly certificate: X509Certificate;
  readonly thumbprint: string;
  readonly publicKey: KeyObject;
  readonly profile: Profile;
}

const known = new WeakMap<X509Certificate, Link>();

/** Throws an Error on a certificate that cannot be read in full. */
export function linkOf(certificate: X509Certificate): Link {
  const earlier = known.get(certificate);
  if (earlier !== undefined) return earlier;
  const link: Link = {
    certificate,
    thumbprint: thumbprintOf(certificate),
    publicKey: certificate.publicKey,
    profile: readProfile(certificate),
  };
  known.set(certificate, link);
  return link;
}

/** SHA-256 of the DER, 64 lowercase hex digits. */
export function thumbprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/** Leaf, up to 5 intermediates, anchor. */
const longestPath = 7;
/** Signatures checked for one certificate: who sends crossing intermediates cannot make us search for long. */
const mostVerifications = 24;

/**
 * Every path of signatures from the leaf to an anchor, anchors first. A path is followed by public key: a certificate
 * with an authority's name but another key issues nothing.
 */
export function* paths(
  leaf: Link,
  intermediates: readonly Link[],
  anchors: ReadonlyMap<string, readonly Link[]>,
): Generator<Link[]> {
  let verifications = 0;
  // The key's kind comes first: a sender's intermediate may hold one that is costly to verify with.
  const issued = (issuer: Link, subject: Link): boolean =>
    issuer.profile.subject === subject.profile.issuer &&
    isAuthorityKey(issuer.publicKey) &&
    verifications++ < mostVerifications &&
    subject.certificate.verify(issuer.publicKey);

  function* extend(path: Link[]): Generator<Link[]> {
    const last = path.at(-1)!;
    for (const anchor of anchors.get(last.profile.issuer) ?? []) {
      if (issued(anchor, last)) yield [...path, anchor];
    }
    if (path.length >= longestPath - 1) return;
    for (const next of intermediates) {
      const seen = path.some(each => each.thumbprint === next.thumbprint);
      if (!seen && issued(next, last)) yield* extend([...path, next]);
    }
  }
  yield* extend([leaf]);
}

/** RFC 5280 section 6.1 for the certificates of one path, whose signatures are checked already; undefined: it holds. */
export function pathFailure(path: readonly Link[], now: Date, withoutClientAuth: boolean): TrustFailure | undefined {
  return (
    first(path, link => timeFailure(link.profile, now)) ??
    first(path, link => (link.profile.notUnderstood === undefined ? undefined : 'unknown_extension')) ??
    // An anchor's own signature proves nothing: it is trusted because an operator named it.
    first(path.slice(0, -1), link => (link.profile.soundSignature ? undefined : 'weak_signature')) ??
    leafFailure(path[0]!) ??
    first(path.slice(1), (link, index) => authorityFailure(link, path.slice(1, index + 1))) ??
    first(path, link => purposeFailure(link.profile, withoutClientAuth))
  );
}

function first(
  path: readonly Link[],
  check: (link: Link, index: number) => TrustFailure | undefined,
): TrustFailure | undefined {
  for (const [index, link] of path.entries()) {
    const failure = check(link, index);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function timeFailure(profile: Profile, now: Date): TrustFailure | undefined {
  if (now.getTime() < profile.notBefore) return 'not_yet_valid';
  return now.getTime() > profile.notAfter ? 'expired' : undefined;
}

function leafFailure({ publicKey, profile }: Link): TrustFailure | undefined {
  if (signingKind(publicKey) === undefined) return 'weak_key';
  if (profile.isCa) return 'is_an_authority';
  return allows(profile.keyUsage, usages.digitalSignature) ? undefined : 'key_usage';
}

function authorityFailure({ profile }: Link, below: readonly Link[]): TrustFailure | undefined {
  if (!profile.isCa) return 'not_an_authority';
  if (!allows(profile.keyUsage, usages.keyCertSign)) return 'key_usage';
  // Section 4.2.1.9: self-issued certificates, as in key rollovers, do not count.
  const counted = below.filter(each => each.profile.subject !== each.profile.issuer).length;
  return counted > (profile.pathLength ?? Number.POSITIVE_INFINITY) ? 'path_length' : undefined;
}

/**
 * An extended key usage on an authority bounds what it may issue (as OpenSSL and the CA/Browser Forum read it). Where
 * the operator accepts certificates without clientAuth, one for servers serves.
 */
function purposeFailure(profile: Profile, withoutClientAuth: boolean): TrustFailure | undefined {
  const { extendedKeyUsage: named } = profile;
  if (named === undefined || named.includes(purposes.client) || named.includes(purposes.any)) return undefined;
  return withoutClientAuth && named.includes(purposes.server) ? undefined : 'extended_key_usage';
}

/** Section 4.2.1.3: an absent key usage restricts nothing. */
export function allows(keyUsage: number | undefined, flag: number): boolean {
  return keyUsage === undefined || (keyUsage & flag) !== 0;
}

function isAuthorityKey(key: KeyObject): boolean {
  if (signingKind(key) !== undefined || key.asymmetricKeyType === 'ed25519') return true;
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'secp521r1';
}
