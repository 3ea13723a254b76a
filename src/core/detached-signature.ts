import { constants, type KeyObject, sign, verify } from 'node:crypto';

/**
 * Signatures over a text, as `openssl dgst -sha256 -sign key.pem` makes them, in base64 (RFC 4648 section 4, padded).
 * Accepted: RSA of 2048 to 8192 bits, PKCS1-v1_5 or PSS, with SHA-256; ECDSA on P-256 with SHA-256 and on P-384 with
 * SHA-256 or SHA-384, as DER or as r and s side by side (IEEE P1363).
 */

type KeyKind = 'rsa' | 'rsa-pss' | 'P-256' | 'P-384';

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Base64 of an 8192-bit RSA signature; nothing that we accept is longer. */
const longest = 1368;

/** What the key can sign with, or undefined for a key that is too weak, too costly to check, or of another kind. */
export function signingKind(key: KeyObject): KeyKind | undefined {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'rsa-pss') {
    // The sender chooses the size and we pay for the check, so there is an upper bound too.
    return modulusLength >= 2048 && modulusLength <= 8192 ? key.asymmetricKeyType : undefined;
  }
  if (key.asymmetricKeyType !== 'ec') return undefined;
  return namedCurve === 'prime256v1' ? 'P-256' : namedCurve === 'secp384r1' ? 'P-384' : undefined;
}

/** Base64 signature: RSA as PKCS1-v1_5 (PSS for a key restricted to it), ECDSA as DER with the hash of its curve. */
export function signDetached(key: KeyObject, text: string | Buffer): string {
  const kind = signingKind(key);
  if (kind === undefined) throw new Error('the key cannot be used: RSA of 2048 bits or more, P-256 or P-384 is needed');
  return sign(kind === 'P-384' ? 'sha384' : 'sha256', octets(text), key).toString('base64');
}

/** Whether `signature` is one of the accepted forms over exactly `text`. Never throws on what a caller sent. */
export function verifyDetached(key: KeyObject, text: string | Buffer, signature: string): boolean {
  const kind = signingKind(key);
  const value = decode(signature);
  if (kind === undefined || value === undefined) return false;
  const content = octets(text);
  switch (kind) {
    case 'rsa':
      return verify('sha256', content, key, value) || verifyPss(key, content, value);
    case 'rsa-pss':
      return verifyPss(key, content, value);
    case 'P-256':
      return verifyEcdsa('sha256', key, content, value, 64);
    case 'P-384':
      return verifyEcdsa('sha384', key, content, value, 96) || verifyEcdsa('sha256', key, content, value, 96);
  }
}

function verifyPss(key: KeyObject, content: Buffer, value: Buffer): boolean {
  const saltLength = constants.RSA_PSS_SALTLEN_AUTO;
  return verify('sha256', content, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, value);
}

function verifyEcdsa(hash: string, key: KeyObject, content: Buffer, value: Buffer, plainLength: number): boolean {
  // A DER signature may by chance have the length of a plain one, so the length alone decides nothing.
  const plain = value.length === plainLength && verify(hash, content, { key, dsaEncoding: 'ieee-p1363' }, value);
  return plain || (value[0] === 0x30 && verify(hash, content, { key, dsaEncoding: 'der' }, value));
}

function decode(signature: string): Buffer | undefined {
  if (signature === '' || signature.length > longest || !base64.test(signature)) return undefined;
  return Buffer.from(signature, 'base64');
}

function octets(text: string | Buffer): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
}

/**
 * The text whose signature proves possession of a certificate's key when it is registered. Its first line belongs to no
 * other text that such a key signs, so a proof is never a request or an approval, nor they a proof.
 */
export function possessionText(organizationId: string, challenge: string): string {
  return `BASTION-POSSESSION\n${organizationId}\n${challenge}`;
}
