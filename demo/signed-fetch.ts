import { createHash, createSign, randomUUID, X509Certificate } from 'node:crypto';
import { Agent, fetch as fetchThrough } from 'undici';

/** PEM texts: `ca` of the server, `cert` and `key` of yours. */
export interface Credentials {
  readonly apiKey: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * A fetch that presents the certificate and signs every request, for clients that a generator makes from /openapi.json:
 * openapi-fetch takes it as `fetch`, the typescript-fetch of OpenAPI Generator as `fetchApi`. Needs undici.
 */
export function signedFetch({ apiKey, ca, cert, key }: Credentials): typeof fetch {
  const dispatcher = new Agent({ connect: { ca, cert, key } });
  const thumbprint = new X509Certificate(cert).fingerprint256;
  return async (input, init) => {
    const { method, url, headers, ...request } = await readRequest(new Request(input, init));
    const { pathname, search } = new URL(url);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const nonce = randomUUID();
    const bodyHash = createHash('sha256')
      .update(request.body ?? '')
      .digest('hex');
    const lines = [method, pathname + search, timestamp, nonce, bodyHash];
    headers.set('Authorization', `Bearer ${apiKey}`);
    headers.set('Bastion-Cert-Thumbprint', thumbprint);
    headers.set('Bastion-Timestamp', timestamp);
    headers.set('Bastion-Nonce', nonce);
    headers.set('Bastion-Signature', createSign('sha256').update(lines.join('\n')).sign(key, 'base64'));
    // A redirected request would not be the one that was signed.
    const sent = { ...request, method, headers: [...headers], dispatcher };
    return (await fetchThrough(url, { ...sent, redirect: 'error' })) as unknown as Response;
  };
}

/** The body whole, since its hash goes before it. */
async function readRequest(request: Request) {
  const octets = new Uint8Array(await request.arrayBuffer());
  const { method, url, headers, signal } = request;
  return { method, url, headers: new Headers(headers), signal, body: octets.length > 0 ? octets : null };
}
