import { createHash, createSign, randomBytes, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import type { Stage } from './stage.ts';

/**
 * All that an integrator needs to call Bastion: node:https and node:crypto. Another language does the same four things:
 * present the certificate, send the key, sign the five lines, read JSON.
 */
export interface Call {
  readonly method: string;
  /** Path and query, exactly as sent: it is signed. */
  readonly path: string;
  readonly body?: unknown;
  /** What a story wants to go wrong. */
  readonly apiKey?: string;
  readonly nonce?: string;
  readonly tamper?: (body: string) => string;
  readonly localAddress?: string;
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the demo reads JSON as an integrator's script would
  readonly body: any;
}

export function sign(privateKey: string, lines: readonly string[]): string {
  return createSign('sha256').update(lines.join('\n')).sign(privateKey, 'base64');
}

export function call(stage: Stage, { method, path, body, ...wrong }: Call): Promise<Answer> {
  const signed = body === undefined ? '' : JSON.stringify(body);
  const sent = wrong.tamper?.(signed) ?? signed;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = wrong.nonce ?? randomBytes(16).toString('hex');
  const bodyHash = createHash('sha256').update(signed).digest('hex');
  const headers = {
    Authorization: `Bearer ${wrong.apiKey ?? stage.apiKey}`,
    'Bastion-Cert-Thumbprint': new X509Certificate(stage.certificate).fingerprint256,
    'Bastion-Timestamp': timestamp,
    'Bastion-Nonce': nonce,
    'Bastion-Signature': sign(stage.privateKey, [method, path, timestamp, nonce, bodyHash]),
    ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(sent) }),
  };
  return send(stage, { method, path, headers, body: sent, localAddress: wrong.localAddress });
}

interface Wire {
  method: string;
  path: string;
  headers: Record<string, string | number>;
  body: string;
  localAddress: string | undefined;
}

function send(stage: Stage, { method, path, headers, body, localAddress }: Wire): Promise<Answer> {
  const { hostname, port } = new URL(stage.restOrigin);
  const tls = { ca: stage.ca, cert: stage.certificate, key: stage.privateKey };
  return new Promise((resolve, reject) => {
    const options = {
      hostname,
      port,
      method,
      path,
      headers,
      localAddress,
      family: 4,
      agent: false as const,
      timeout: 60_000,
      ...tls,
    };
    const outgoing = request(options, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : JSON.parse(text) });
      });
      response.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within a minute')));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
