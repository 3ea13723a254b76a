import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { normalizeAddress } from '../core/addresses.ts';
import type { Door } from '../core/caller.ts';
import { parseCertificate, thumbprintOf } from '../core/certificates.ts';
import { Refusal } from '../core/errors.ts';

/** A request whose headers have arrived, and where it comes from. Nothing of it is proven. */
export interface Arrival {
  readonly door: Door;
  readonly requestId: string;
  readonly receivedAt: Date;
  readonly request: IncomingMessage;
  /** Normalised; undefined when it cannot be known, which no allowlist holds. */
  readonly address: string | undefined;
  /** The TLS peer is one of the operator's proxies: certificate and address are those that it names. */
  readonly viaProxy: boolean;
}

/** Who sent it, before its headers are believed: a header that names the sender counts from an authenticated proxy only. */
export function arrivalOf(
  request: IncomingMessage,
  facts: Pick<Arrival, 'door' | 'requestId' | 'receivedAt'>,
  proxies: ReadonlySet<string>,
): Arrival {
  const viaProxy = isProxy(request.socket, proxies);
  const source = viaProxy ? lastForwardedFor(request.rawHeaders) : request.socket.remoteAddress;
  return { ...facts, request, viaProxy, address: source === undefined ? undefined : normalizeAddress(source) };
}

/** Its certificate, which the handshake proved, is one of the operator's proxies'. */
export function isProxy(socket: Socket, proxies: ReadonlySet<string>): boolean {
  const peer = proxies.size === 0 ? undefined : peerCertificate(socket);
  return peer !== undefined && proxies.has(thumbprintOf(peer));
}

/**
 * The client's certificate: of the TLS connection, or as an authenticated proxy passes it on (RFC 9440). Throws 400 when
 * anybody else sends those headers: some proxy between would let its clients choose who they are.
 */
export function clientCertificate({ request, viaProxy }: Arrival): X509Certificate | undefined {
  const forwarded = valuesOf(request.rawHeaders, 'client-cert');
  const chain = valuesOf(request.rawHeaders, 'client-cert-chain');
  if (!viaProxy) {
    if (forwarded.length + chain.length > 0)
      throw new Refusal('malformed', 'Client-Cert is accepted from proxies only.');
    return peerCertificate(request.socket);
  }
  if (forwarded.length > 1) throw new Refusal('malformed', 'Client-Cert is there more than once.');
  return forwarded[0] === undefined ? undefined : readClientCert(forwarded[0]);
}

const peers = new WeakMap<object, X509Certificate>();

/** The handshake proves that the peer holds the key of this certificate, whoever issued it. */
function peerCertificate(socket: Socket): X509Certificate | undefined {
  const known = peers.get(socket);
  if (known) return known;
  const certificate = (socket as TLSSocket).getPeerX509Certificate?.();
  if (certificate) peers.set(socket, certificate);
  return certificate;
}

const forwardedCertificates = new Map<string, X509Certificate>();
const mostForwarded = 1000;

/** A Byte Sequence (RFC 8941 section 3.3.5): base64 of the DER between colons. */
function readClientCert(value: string): X509Certificate {
  const known = forwardedCertificates.get(value);
  if (known) return known;
  const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(value.trim())?.[1];
  const certificate = base64 && parseCertificate(Buffer.from(base64, 'base64'));
  if (!certificate) throw new Refusal('malformed', 'Client-Cert holds no certificate.');
  if (forwardedCertificates.size >= mostForwarded) forwardedCertificates.clear();
  forwardedCertificates.set(value, certificate);
  return certificate;
}

/** The proxy appends the address it sees; what stands before was written by the client. */
function lastForwardedFor(rawHeaders: readonly string[]): string | undefined {
  return valuesOf(rawHeaders, 'x-forwarded-for').at(-1)?.split(',').at(-1)?.trim();
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const found: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === name) found.push(rawHeaders[i + 1]!);
  }
  return found;
}
