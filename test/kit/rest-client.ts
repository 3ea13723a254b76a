import { createHash, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { Agent, request } from 'node:https';
import { expect } from 'chai';

/** A signing client made of node:https and node:crypto alone, so that it shares no mistake with the server. */
export interface RestClientOptions {
  readonly origin: string;
  readonly ca: string;
  readonly cert: string;
  /** Private key, PEM. */
  readonly key: string;
  readonly apiKey: string;
  readonly orgId?: string;
  readonly now?: () => Date;
}

/** What a test wants different from a correct request. Headers: undefined leaves one out, an array repeats it. */
export interface Overrides {
  readonly headers?: Record<string, string | string[] | undefined>;
  readonly orgId?: string;
  readonly timestamp?: string;
  readonly nonce?: string;
  readonly version?: 1 | 2;
  readonly idempotencyKey?: string;
  readonly prefer?: string;
  readonly contentType?: string;
  /** Changes the canonical string before it is signed. */
  readonly canonical?: (text: string) => string;
  /** Sent instead of what was signed. */
  readonly sentBody?: string | Buffer;
  readonly sentPath?: string;
  readonly sentMethod?: string;
  /** Signed with this private key instead. */
  readonly signWith?: string;
  /** Another TLS identity; null: none. */
  readonly tls?: { readonly cert: string; readonly key: string } | null;
  readonly localAddress?: string;
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
  readonly body: any;
}

export interface RestClient {
  /** `body`: an object is sent as JSON, text and octets as they are. */
  call(method: string, path: string, body?: unknown, overrides?: Overrides): Promise<RestAnswer>;
  close(): void;
}

export function restClient(options: RestClientOptions): RestClient {
  const agents: Agent[] = [];
  const agentFor = (tls: { cert?: string; key?: string }, localAddress?: string): Agent => {
    const agent = new Agent({
      keepAlive: true,
      ca: options.ca,
      ...tls,
      ...(localAddress && { localAddress, family: 4 }),
    });
    agents.push(agent);
    return agent;
  };
  const own = agentFor({ cert: options.cert, key: options.key });
  return {
    call(method, path, body, overrides = {}) {
      const { tls, localAddress } = overrides;
      const isOwn = tls === undefined && localAddress === undefined;
      const identity = tls === undefined ? { cert: options.cert, key: options.key } : (tls ?? {});
      const agent = isOwn ? own : agentFor(identity, localAddress);
      return send(options, agent, method, path, body, overrides);
    },
    close: () => {
      for (const agent of agents) agent.destroy();
    },
  };
}

function send(
  options: RestClientOptions,
  agent: Agent,
  method: string,
  path: string,
  body: unknown,
  overrides: Overrides,
): Promise<RestAnswer> {
  const { hostname, port } = new URL(options.origin);
  const octets = octetsOf(body);
  const sent = overrides.sentBody === undefined ? octets : octetsOf(overrides.sentBody);
  const headers = {
    ...signedHeaders(options, method, path, octets, overrides),
    ...(sent.length > 0 && { 'Content-Length': String(sent.length) }),
    ...overrides.headers,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request({
      agent,
      hostname,
      // Otherwise node:https would check the certificate against the Host header.
      servername: hostname,
      port,
      method: overrides.sentMethod ?? method,
      path: overrides.sentPath ?? path,
      headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)),
    });
    outgoing.setTimeout(60_000, () => outgoing.destroy(new Error('no answer within a minute')));
    outgoing.on('error', reject);
    outgoing.on('response', response => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = /json/.test(response.headers['content-type'] ?? '');
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: isJson && text ? JSON.parse(text) : text,
        });
      });
    });
    outgoing.end(sent);
  });
}

function signedHeaders(
  options: RestClientOptions,
  method: string,
  path: string,
  octets: Buffer,
  overrides: Overrides,
): Record<string, string | undefined> {
  const now = options.now?.() ?? new Date();
  const timestamp = overrides.timestamp ?? String(Math.floor(now.getTime() / 1000));
  const nonce = overrides.nonce ?? randomBytes(16).toString('hex');
  const orgId = overrides.orgId ?? options.orgId;
  const contentType = overrides.contentType ?? (octets.length > 0 ? 'application/json' : undefined);
  const { idempotencyKey, prefer } = overrides;
  const lines = [method, path, timestamp, nonce, sha256(octets)];
  const more = [orgId, sha256(options.apiKey), idempotencyKey, contentType, prefer].map(value => value ?? '');
  const host = new URL(options.origin).host;
  const canonical = (overrides.version === 2 ? ['BASTION2', host, ...lines, ...more] : lines).join('\n');
  const key = createPrivateKey(overrides.signWith ?? options.key);
  const signature = sign('sha256', Buffer.from(overrides.canonical?.(canonical) ?? canonical), key);
  return {
    Authorization: `Bearer ${options.apiKey}`,
    'Bastion-Org-Id': orgId,
    'Bastion-Cert-Thumbprint': new X509Certificate(options.cert).fingerprint256,
    'Bastion-Timestamp': timestamp,
    'Bastion-Nonce': nonce,
    'Bastion-Signature': signature.toString('base64'),
    'Bastion-Signature-Version': overrides.version === 2 ? '2' : undefined,
    'Idempotency-Key': idempotencyKey,
    'Content-Type': contentType,
    Prefer: prefer,
  };
}

function octetsOf(body: unknown): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body), 'utf8');
}

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

/** In the form that every refusal has. */
export function expectRefusal(answer: RestAnswer, status: number, error: string): void {
  expect([answer.status, answer.body.error]).to.deep.equal([status, error]);
  expect(answer.body.request_id).to.equal(answer.headers['bastion-request-id']);
  expect(answer.body.message).to.be.a('string').that.is.not.empty;
  expect(answer.body.errors).to.be.an('array');
}
