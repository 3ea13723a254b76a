import { X509Certificate } from 'node:crypto';
import { digest } from './algorithms.ts';
import { contentIdOfUrl } from './multipart.ts';
import { ns, tokenType } from './namespaces.ts';
import { base64Octets, refuse } from './refuse.ts';
import { attributeOf, childElements, isNamed, textOf, type XmlElement } from './tree.ts';

/**
 * How a message names its signer (WS-Security X.509 token profile 1.1). A certificate that comes with the message is a
 * claim like any other; whether it is believed is decided by whoever is asked to resolve the reference.
 */
export type TokenReference =
  | { readonly kind: 'certificate'; readonly certificate: X509Certificate; readonly path: readonly X509Certificate[] }
  | { readonly kind: 'thumbprint'; readonly hash: 'sha1' | 'sha256'; readonly value: Buffer }
  | { readonly kind: 'subjectKeyIdentifier'; readonly value: Buffer }
  /** Issuer as written (RFC 2253 or a relative of it); the serial number in decimal without leading zeros. */
  | { readonly kind: 'issuerSerial'; readonly issuer: string; readonly serial: string };

/** KeyInfo as read: the reference, or the Content-ID of the part that holds the certificate. */
export type SignerToken = { readonly reference: TokenReference } | { readonly contentId: string };

/** More than a certificate of any real size; a part that is read before the signature must be small. */
export const certificatePartLimit = 16 * 1024;

/**
 * @param token the BinarySecurityToken of the Security header, if there is one
 */
export function readSignerToken(keyInfo: XmlElement, token: XmlElement | undefined): SignerToken {
  const reference = onlyChild(onlyChild(keyInfo, ns.wsse, 'SecurityTokenReference'));
  if (isNamed(reference, ns.wsse, 'Reference')) return readDirect(reference, token);
  if (token !== undefined) refuse('the BinarySecurityToken is not the one that is referenced');
  if (isNamed(reference, ns.wsse, 'KeyIdentifier')) return { reference: readKeyIdentifier(reference) };
  if (isNamed(reference, ns.ds, 'X509Data')) return { reference: readIssuerSerial(reference) };
  return refuse('this kind of token reference is not accepted');
}

function readDirect(reference: XmlElement, token: XmlElement | undefined): SignerToken {
  const uri = attributeOf(reference, '', 'URI') ?? '';
  const contentId = contentIdOfUrl(uri);
  if (contentId !== undefined) {
    if (token !== undefined) refuse('the BinarySecurityToken is not the one that is referenced');
    return { contentId };
  }
  if (token === undefined || uri !== `#${attributeOf(token, ns.wsu, 'Id')}`) {
    return refuse('the token reference does not lead to the BinarySecurityToken');
  }
  return { reference: readBinaryToken(token) };
}

function readBinaryToken(token: XmlElement): TokenReference {
  const encoding = attributeOf(token, '', 'EncodingType') ?? tokenType.base64;
  const text = textOf(token);
  if (encoding !== tokenType.base64 || text === undefined) refuse('the token is not base64');
  switch (attributeOf(token, '', 'ValueType')) {
    case tokenType.certificate:
      return certificateToken(text);
    case tokenType.path:
      return pathToken(text);
    default:
      return refuse('this type of token is not accepted');
  }
}

/** Parsing costs more than checking a signature, and a partner sends the same token each time. */
const parsed = new Map<string, TokenReference>();
const parsedLimit = 500;

function certificateToken(base64: string): TokenReference {
  return remembered('certificate', base64, octets => ({
    kind: 'certificate',
    certificate: certificateOf(octets),
    path: [],
  }));
}

function pathToken(base64: string): TokenReference {
  return remembered('path', base64, octets => {
    const path = derSequence(octets).map(certificateOf);
    const certificate = path.pop();
    if (certificate === undefined) return refuse('the certificate path is empty');
    return { kind: 'certificate', certificate, path: path.reverse() };
  });
}

/** `as`: the same octets must not be read in one way because somebody sent them in another before. */
function remembered(
  as: 'certificate' | 'path',
  base64: string,
  read: (octets: Buffer) => TokenReference,
): TokenReference {
  // The text itself would be a slice that keeps the whole envelope in memory.
  const key = `${as} ${digest('sha256', base64)}`;
  const known = parsed.get(key);
  if (known) return known;
  const octets = base64.length <= 2 * certificatePartLimit ? base64Octets(base64) : undefined;
  const token = octets === undefined ? refuse('the token is not base64') : read(octets);
  if (parsed.size >= parsedLimit) parsed.delete(parsed.keys().next().value!);
  parsed.set(key, token);
  return token;
}

/** The signer's certificate sent as a part of its own: DER or PEM. */
export function certificatePart(octets: Buffer): TokenReference {
  return { kind: 'certificate', certificate: certificateOf(octets), path: [] };
}

function certificateOf(octets: Buffer): X509Certificate {
  try {
    return new X509Certificate(octets);
  } catch {
    return refuse('the token holds no certificate');
  }
}

/** PkiPath (X.509 section 7): a SEQUENCE of certificates, the signer's last. */
function derSequence(octets: Buffer): Buffer[] {
  const outer = derValue(octets, 0);
  if (outer.end !== octets.length) refuse('the certificate path is not DER');
  const items: Buffer[] = [];
  for (let at = outer.start; at < outer.end; ) {
    const item = derValue(octets, at);
    items.push(octets.subarray(at, item.end));
    if (items.length > 10) refuse('the certificate path is too long');
    at = item.end;
  }
  return items;
}

function derValue(octets: Buffer, at: number): { start: number; end: number } {
  const first = octets[at + 1] ?? 0;
  const extra = first < 0x80 ? 0 : first & 0x7f;
  if (octets[at] !== 0x30 || first === 0x80 || extra > 3 || at + 2 + extra > octets.length) {
    return refuse('the certificate path is not DER');
  }
  const length = extra === 0 ? first : octets.readUIntBE(at + 2, extra);
  const start = at + 2 + extra;
  if (start + length > octets.length) refuse('the certificate path is not DER');
  return { start, end: start + length };
}

function readKeyIdentifier(element: XmlElement): TokenReference {
  const text = textOf(element) ?? '';
  const encoding = attributeOf(element, '', 'EncodingType') ?? tokenType.base64;
  const value =
    encoding === tokenType.base64 && text.length <= 2 * certificatePartLimit ? base64Octets(text) : undefined;
  if (value === undefined) return refuse('the key identifier is not base64');
  switch (attributeOf(element, '', 'ValueType')) {
    case tokenType.certificate:
      return certificateToken(text);
    case tokenType.subjectKeyIdentifier:
      return { kind: 'subjectKeyIdentifier', value };
    case tokenType.thumbprintSha1:
      return { kind: 'thumbprint', hash: 'sha1', value };
    case tokenType.thumbprintSha256:
      return { kind: 'thumbprint', hash: 'sha256', value };
    default:
      return refuse('this kind of key identifier is not accepted');
  }
}

function readIssuerSerial(data: XmlElement): TokenReference {
  const [issuer, serial, surplus] = childElements(onlyChild(data, ns.ds, 'X509IssuerSerial')) ?? [];
  if (issuer === undefined || serial === undefined || surplus !== undefined) refuse('X509IssuerSerial is not complete');
  const named = isNamed(issuer, ns.ds, 'X509IssuerName') && isNamed(serial, ns.ds, 'X509SerialNumber');
  const name = (textOf(issuer) ?? '').trim();
  const number = (textOf(serial) ?? '').trim();
  if (!named || !/^\d{1,60}$/.test(number) || name.length > 2000) refuse('X509IssuerSerial cannot be read');
  return { kind: 'issuerSerial', issuer: name, serial: BigInt(number).toString() };
}

function onlyChild(element: XmlElement, namespace?: string, local?: string): XmlElement {
  const [child, second] = childElements(element) ?? [];
  if (child === undefined || second !== undefined) return refuse(`${element.local} must have one child element`);
  if (local !== undefined && !isNamed(child, namespace!, local)) refuse(`${element.local} must hold ${local}`);
  return child;
}
