import type { KeyObject } from 'node:crypto';
import { normalizeThumbprint } from '../core/certificates.ts';
import { verifyDetached } from '../core/detached-signature.ts';
import { Refusal } from '../core/errors.ts';
import { canonicalString, type SignatureVersion, type SignedParts, sha256Hex } from '../core/request-signature.ts';

/** The headers that carry the access controls, read and checked for form. None of it is proven yet. */
export interface SecurityHeaders {
  /** The bearer token; a secret: never logged. */
  readonly apiKey: string;
  /** 64 lowercase hex digits. */
  readonly thumbprint: string;
  /** Unix seconds, 10 digits. */
  readonly timestamp: string;
  readonly nonce: string;
  /** Base64, not decoded. */
  readonly signature: string;
  readonly version: SignatureVersion;
  readonly orgId: string | undefined;
  readonly host: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly contentType: string | undefined;
  readonly prefer: string | undefined;
}

/** Headers that decide something: a second one could be read by one party and not by another. */
const single = [
  'host',
  'authorization',
  'bastion-org-id',
  'bastion-cert-thumbprint',
  'bastion-timestamp',
  'bastion-nonce',
  'bastion-signature',
  'bastion-signature-version',
  'idempotency-key',
  'prefer',
  'content-type',
  'content-length',
  'content-encoding',
  'transfer-encoding',
];

/**
 * Reads the access controls from `rawHeaders` (name, value, name, value: as they came, since Node joins or drops
 * duplicates elsewhere). Throws 400 for duplicates and an unknown version, 401 for a control missing or misformed.
 */
export function readSecurityHeaders(rawHeaders: readonly string[]): SecurityHeaders {
  const headers = singleHeaders(rawHeaders);
  return {
    apiKey: bearerToken(headers.get('authorization')),
    thumbprint: readThumbprint(headers.get('bastion-cert-thumbprint')),
    timestamp: readTimestamp(headers.get('bastion-timestamp')),
    nonce: readNonce(headers.get('bastion-nonce')),
    signature: headers.get('bastion-signature') || refuse('signature_invalid', 'Bastion-Signature is missing.'),
    version: readVersion(headers.get('bastion-signature-version')),
    orgId: headers.get('bastion-org-id'),
    host: headers.get('host'),
    idempotencyKey: headers.get('idempotency-key'),
    contentType: headers.get('content-type'),
    prefer: headers.get('prefer'),
  };
}

/** The deciding headers by lowercase name. Throws 400 when one of them is there twice. */
export function singleHeaders(rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!single.includes(name)) continue;
    if (found.has(name)) refuse('malformed', `The header ${name} is there more than once.`);
    found.set(name, rawHeaders[i + 1]!.trim());
  }
  return found;
}

/** The API key of an Authorization header (RFC 6750 section 2.1). Throws 401. */
export function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer +([A-Za-z0-9._~+/-]{8,512}=*)$/i.exec(authorization ?? '')?.[1];
  return token ?? refuse('key_invalid', 'The Authorization header must be: Bearer, a space, and the API key.');
}

function readThumbprint(value: string | undefined): string {
  if (!value) return refuse('certificate_required', 'Bastion-Cert-Thumbprint is missing.');
  const thumbprint = normalizeThumbprint(value);
  return thumbprint ?? refuse('certificate_invalid', 'Bastion-Cert-Thumbprint must be a SHA-256 in 64 hex digits.');
}

function readTimestamp(value: string | undefined): string {
  if (value !== undefined && /^\d{10}$/.test(value)) return value;
  return refuse('timestamp_invalid', 'Bastion-Timestamp must be the Unix time in seconds, 10 digits.');
}

function readNonce(value: string | undefined): string {
  if (value !== undefined && /^[A-Za-z0-9_-]{8,128}$/.test(value)) return value;
  return refuse('signature_invalid', 'Bastion-Nonce must be 8 to 128 letters, digits, - or _.');
}

function readVersion(value: string | undefined): SignatureVersion {
  if (value === undefined || value === '1') return 1;
  return value === '2' ? 2 : refuse('malformed', 'Bastion-Signature-Version must be 1 or 2.');
}

const skewSeconds = 60;

/** `receivedAt` is when the headers arrived, so that a slow body does not make its own request stale. Throws 401. */
export function checkTimestamp(timestamp: string, receivedAt: Date): void {
  if (Math.abs(receivedAt.getTime() / 1000 - Number(timestamp)) > skewSeconds) {
    refuse('timestamp_invalid', `Bastion-Timestamp is more than ${skewSeconds} seconds off the server's clock.`);
  }
}

/**
 * What is signed must be what is routed, for every proxy and parser in between: a request target (RFC 9112 section
 * 3.2.1, origin-form) that two of them could read differently is refused with 400.
 */
export function checkTarget(target: string): void {
  if (!target.startsWith('/')) malformedTarget('must be a path and query, beginning with /');
  if (!/^[!-~]*$/.test(target) || /[#\\"<>^`{|}]/.test(target))
    malformedTarget('holds a character that must be escaped');
  const [path, query] = splitOnce(target, '?');
  if (path.includes('//')) malformedTarget('holds an empty path segment');
  if (/%(?:2f|5c|2e)/i.test(path)) malformedTarget('holds an escaped slash, backslash or dot');
  if (path.split('/').some(segment => segment === '.' || segment === '..')) malformedTarget('holds a dot segment');
  if (/%00/.test(target)) malformedTarget('holds an escaped NUL');
  if (!decodes(path) || !decodes(query)) malformedTarget('holds an escape that is not UTF-8');
}

function malformedTarget(why: string): never {
  refuse('malformed', `The request target ${why}.`);
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * What the headers may say about a body, before it is read: none with GET and HEAD (400), never an encoded one (415),
 * since the signature covers the octets as sent and nobody should have to inflate a stranger's.
 */
export function checkFraming(method: string, headers: ReadonlyMap<string, string>): void {
  const encoding = headers.get('content-encoding');
  if (encoding !== undefined) refuse('unsupported_media_type', 'Content-Encoding is not accepted.');
  const length = headers.get('content-length');
  const hasBody = headers.has('transfer-encoding') || (length !== undefined && length !== '0');
  if (hasBody && (method === 'GET' || method === 'HEAD')) refuse('malformed', `A ${method} request must have no body.`);
}

export interface SignedRequest {
  readonly method: string;
  /** As sent: path and query. */
  readonly target: string;
  readonly headers: SecurityHeaders;
  /** SHA-256 of the raw body, lowercase hex. */
  readonly bodyHash: string;
  /** Of the registered certificate that the TLS connection proved. */
  readonly publicKey: KeyObject;
}

/**
 * Checks the signature and answers the request's digest: `sha256:` and the hex SHA-256 of the canonical string. Throws
 * 401, with a hint when the signature covers a known misreading of the specification: call it only after the
 * certificate is proven, so that nobody else learns from the hints.
 */
export function verifyRequestSignature({ method, target, headers, bodyHash, publicKey }: SignedRequest): string {
  const parts = { ...headers, method, target, bodyHash };
  const canonical = canonicalString(headers.version, parts);
  if (!verifyDetached(publicKey, canonical, headers.signature)) {
    const hint = misreadings(headers.version, parts).find(([, text]) =>
      verifyDetached(publicKey, text, headers.signature),
    );
    refuse('signature_invalid', hint && `The request signature does not verify: ${hint[0]}.`);
  }
  return `sha256:${sha256Hex(canonical)}`;
}

/** What integrators sign by mistake, and what to tell them. Each is tried with the certificate's own key only. */
function misreadings(version: SignatureVersion, parts: SignedParts): [string, string | Buffer][] {
  const canonical = canonicalString(version, parts);
  const digest = sha256Hex(canonical);
  const [path, query] = splitOnce(parts.target, '?');
  const variants: [string, string | Buffer][] = [
    ['it covers the hex digest of the canonical string; sign the string itself, SHA-256 is part of signing', digest],
    [
      'it covers the binary digest of the canonical string; sign the string itself, SHA-256 is part of signing',
      Buffer.from(digest, 'hex'),
    ],
    ['the canonical string must not end with a line feed', `${canonical}\n`],
    ['the lines must be joined by line feeds alone', canonical.replaceAll('\n', '\r\n')],
    [
      'the body hash must be lowercase hex',
      canonicalString(version, { ...parts, bodyHash: parts.bodyHash.toUpperCase() }),
    ],
    [
      'the body hash must be hex, not base64',
      canonicalString(version, { ...parts, bodyHash: Buffer.from(parts.bodyHash, 'hex').toString('base64') }),
    ],
    ['the method must be in capitals', canonicalString(version, { ...parts, method: parts.method.toLowerCase() })],
    [
      `it covers the version ${3 - version} string, but the headers say version ${version}`,
      canonicalString(version === 1 ? 2 : 1, parts),
    ],
  ];
  if (query !== '') {
    variants.push(['the request target must include the query', canonicalString(version, { ...parts, target: path })]);
  }
  if (parts.bodyHash === sha256Hex('')) {
    variants.push([
      'an empty body is signed as the SHA-256 of zero octets',
      canonicalString(version, { ...parts, bodyHash: '' }),
    ]);
  }
  return variants;
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}

function refuse(code: ConstructorParameters<typeof Refusal>[0], message?: string): never {
  throw new Refusal(code, message);
}
