import { hash, type KeyObject, randomBytes } from 'node:crypto';
import { signDetached } from './detached-signature.ts';

/** The canonical strings of request signatures, and the signing side; docs/SIGNING.md is their specification. */

export type SignatureVersion = 1 | 2;

/** What a signature covers. Absent headers are empty strings in the canonical string. */
export interface SignedParts {
  method: string;
  /** The request target exactly as sent: path and query. */
  target: string;
  /** Unix seconds, 10 digits. */
  timestamp: string;
  nonce: string;
  /** SHA-256 of the raw body, lowercase hex; of zero octets when there is none. */
  bodyHash: string;
  /** Covered by version 2 only, from here on. */
  host?: string | undefined;
  orgId?: string | undefined;
  apiKey?: string | undefined;
  idempotencyKey?: string | undefined;
  contentType?: string | undefined;
  prefer?: string | undefined;
}

export function sha256Hex(content: string | Buffer): string {
  return hash('sha256', content, 'hex');
}

export function canonicalString(version: SignatureVersion, parts: SignedParts): string {
  const lines = [parts.method, parts.target, parts.timestamp, parts.nonce, parts.bodyHash];
  if (version === 1) return lines.join('\n');
  return [
    'BASTION2',
    (parts.host ?? '').toLowerCase(),
    ...lines,
    parts.orgId ?? '',
    parts.apiKey === undefined ? '' : sha256Hex(parts.apiKey),
    parts.idempotencyKey ?? '',
    parts.contentType ?? '',
    parts.prefer ?? '',
  ].join('\n');
}

export interface RequestToSign {
  method: string;
  target: string;
  /** `host[:port]` as the Host header will say it. */
  host: string;
  body?: string | Buffer | undefined;
  apiKey?: string | undefined;
  orgId?: string | undefined;
  idempotencyKey?: string | undefined;
  contentType?: string | undefined;
  prefer?: string | undefined;
  /** Version 1 unless said otherwise. */
  version?: SignatureVersion | undefined;
  privateKey: KeyObject;
  /** SHA-256 thumbprint of the certificate that holds the public key. */
  thumbprint: string;
  now?: Date | undefined;
  nonce?: string | undefined;
}

/** Every header that the request needs to carry, Host excepted: the controls and the headers that were signed. */
export function signRequest(request: RequestToSign): Record<string, string> {
  const version = request.version ?? 1;
  const timestamp = Math.floor((request.now ?? new Date()).getTime() / 1000).toString();
  const nonce = request.nonce ?? randomBytes(18).toString('base64url');
  const bodyHash = sha256Hex(request.body ?? '');
  const signature = signDetached(
    request.privateKey,
    canonicalString(version, { ...request, timestamp, nonce, bodyHash }),
  );
  return present({
    Authorization: request.apiKey === undefined ? undefined : `Bearer ${request.apiKey}`,
    'Bastion-Org-Id': request.orgId,
    'Bastion-Cert-Thumbprint': request.thumbprint,
    'Bastion-Timestamp': timestamp,
    'Bastion-Nonce': nonce,
    'Bastion-Signature': signature,
    'Bastion-Signature-Version': version === 1 ? undefined : String(version),
    'Idempotency-Key': request.idempotencyKey,
    'Content-Type': request.contentType,
    Prefer: request.prefer,
  });
}

function present(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
