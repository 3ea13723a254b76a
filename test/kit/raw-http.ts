import { createHash, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import type { Kit, Tenant } from './app.ts';

/** Octets over TLS, as no HTTP client would send them. */
export interface RawConnection {
  write(text: string | Buffer): void;
  /** All that came, once `ended` holds of it, the server has closed, or `ms` have passed. */
  until(ended: (text: string) => boolean, ms?: number): Promise<string>;
  readonly closed: Promise<void>;
  destroy(): void;
}

export async function rawConnection(kit: Kit, url: string, tenant: Tenant | undefined): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const identity = tenant && { cert: tenant.certificate.certificate, key: tenant.certificate.key };
  const socket: TLSSocket = connect({
    host: hostname,
    servername: hostname,
    port: Number(port),
    ca: kit.set.ca,
    ...identity,
  });
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', () => resolve());
    socket.once('error', reject);
  });
  // A connection that the server resets is an outcome, not a mistake of the test.
  socket.on('error', () => undefined);
  return {
    write: octets => void socket.write(octets),
    async until(ended, ms = 3000) {
      const deadline = performance.now() + ms;
      while (!ended(text) && !socket.destroyed && performance.now() < deadline) {
        await new Promise(resolve => setTimeout(resolve, 5));
      }
      return text;
    },
    closed,
    destroy: () => void socket.destroy(),
  };
}

export interface RawRequest {
  readonly method?: string;
  readonly target: string;
  /** Signed; sent by whoever calls. */
  readonly body?: string;
  /** Whole header lines. */
  readonly headers?: readonly string[];
}

/** The head of a properly signed request, with lines of the test's own after it; no Content-Length unless it brings one. */
export function signedHead(kit: Kit, tenant: Tenant, { method = 'GET', target, body = '', headers = [] }: RawRequest) {
  const timestamp = String(Math.floor(kit.clock.now().getTime() / 1000));
  const nonce = randomBytes(12).toString('hex');
  const hash = createHash('sha256').update(body).digest('hex');
  const canonical = [method, target, timestamp, nonce, hash].join('\n');
  const signature = sign('sha256', Buffer.from(canonical), createPrivateKey(tenant.certificate.key)).toString('base64');
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    `Authorization: Bearer ${tenant.apiKey}`,
    `Bastion-Cert-Thumbprint: ${new X509Certificate(tenant.certificate.certificate).fingerprint256}`,
    `Bastion-Timestamp: ${timestamp}`,
    `Bastion-Nonce: ${nonce}`,
    `Bastion-Signature: ${signature}`,
    ...headers,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

export const statusesOf = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
