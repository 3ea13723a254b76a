import { type BinaryToTextEncoding, constants, hash, type KeyObject, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import type { CertificatePolicy } from '../../areas/access/entities.ts';

/** The algorithms that are accepted, and no others: a name that is not a row here is refused. */

export const exclusiveCanonicalization = 'http://www.w3.org/2001/10/xml-exc-c14n#';
/** SwA profile 1.1, 5.3: the content of an attachment without its headers, and with them. */
export const attachmentContentTransform =
  'http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform';
export const attachmentCompleteTransform =
  'http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Complete-Signature-Transform';
/** WS-Security 1.1, 8.3: stands for the token that a SecurityTokenReference leads to. */
export const tokenTransform =
  'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform';

type PolicyName = NonNullable<CertificatePolicy['answer_algorithm']>;

export type HashName = 'sha256' | 'sha384' | 'sha512';

export const digestAlgorithms: ReadonlyMap<string, HashName> = new Map([
  ['http://www.w3.org/2001/04/xmlenc#sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
]);

export const rsaPssNamespace = 'http://www.w3.org/2007/05/xmldsig-more#';

export interface SignatureAlgorithm {
  readonly uri: string;
  readonly hash: HashName;
  readonly kind: 'rsa' | 'rsa-pss' | 'ecdsa';
  /** As partners' policies call it. */
  readonly name: PolicyName;
}

const row = (uri: string, kind: SignatureAlgorithm['kind'], hash: HashName): SignatureAlgorithm => ({
  uri,
  kind,
  hash,
  name: `${kind}-${hash}` as PolicyName,
});

/** RFC 4051, RFC 6931. ECDSA values are r and s side by side (IEEE P1363), as XML Signature 1.1 section 6.4.3 says. */
export const signatureAlgorithms = {
  rsaSha256: row('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'rsa', 'sha256'),
  rsaSha384: row('http://www.w3.org/2001/04/xmldsig-more#rsa-sha384', 'rsa', 'sha384'),
  rsaSha512: row('http://www.w3.org/2001/04/xmldsig-more#rsa-sha512', 'rsa', 'sha512'),
  rsaPssSha256: row('http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1', 'rsa-pss', 'sha256'),
  rsaPssSha384: row('http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1', 'rsa-pss', 'sha384'),
  rsaPssSha512: row('http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1', 'rsa-pss', 'sha512'),
  ecdsaSha256: row('http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256', 'ecdsa', 'sha256'),
  ecdsaSha384: row('http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384', 'ecdsa', 'sha384'),
} as const satisfies Record<string, SignatureAlgorithm>;

export type SignatureName = keyof typeof signatureAlgorithms;

/** RFC 9231 section 2.3.9: RSASSA-PSS whose hash stands in a parameter. */
export const parameterisedPss = `${rsaPssNamespace}rsa-pss`;

export const pssOf = (hash: HashName): SignatureAlgorithm => row(parameterisedPss, 'rsa-pss', hash);

const byUri = new Map<string, SignatureAlgorithm>(Object.values(signatureAlgorithms).map(each => [each.uri, each]));

export function signatureAlgorithm(uri: string): SignatureAlgorithm | undefined {
  return byUri.get(uri);
}

const signAside = promisify(sign);

export function digest(name: HashName, content: string | Buffer, encoding: BinaryToTextEncoding = 'base64'): string {
  return hash(name, content, encoding);
}

/**
 * Whether a key may be used with the algorithm: RSA of 2048 bits or more (8192 at most, since the cost of checking is
 * chosen by the sender), ECDSA on P-256 or P-384.
 */
export function keyFits(algorithm: SignatureAlgorithm, key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails;
  if (algorithm.kind === 'ecdsa') {
    return key.asymmetricKeyType === 'ec' && ['prime256v1', 'secp384r1'].includes(details?.namedCurve ?? '');
  }
  const bits = details?.modulusLength ?? 0;
  return key.asymmetricKeyType === 'rsa' && bits >= 2048 && bits <= 8192;
}

export function verifyOctets(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  octets: Buffer,
  signature: Buffer,
): boolean {
  return keyFits(algorithm, key) && verify(algorithm.hash, octets, keyInput(algorithm, key), signature);
}

/** An RSA signature takes ten times as long as its verification: it is made beside the event loop. */
export function signOctets(algorithm: SignatureAlgorithm, key: KeyObject, octets: Buffer): Promise<Buffer> {
  return signAside(algorithm.hash, octets, keyInput(algorithm, key));
}

/** The key with its padding or encoding, as node:crypto takes it. */
export function keyInput(algorithm: SignatureAlgorithm, key: KeyObject) {
  switch (algorithm.kind) {
    case 'rsa':
      // PKCS#1 v1.5 is the default for a bare key, and a bare key is checked in two thirds of the time.
      return key;
    case 'rsa-pss':
      return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    case 'ecdsa':
      return { key, dsaEncoding: 'ieee-p1363' as const };
  }
}
