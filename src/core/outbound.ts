import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect, createSecureContext, getCACertificates, type SecureContext, type TLSSocket } from 'node:tls';
import { Client, errors } from 'undici';
import { mayConnectTo } from './public-address.ts';

/**
 * HTTPS to addresses that others gave us. The guard stands where the connection is made, so that no spelling of an
 * address, no answer of a name server and no redirect leads into our own network.
 */
export interface Outbound {
  /** Answers whatever status came, redirects included, which are not followed. Throws OutboundError. */
  request(request: OutboundRequest): Promise<OutboundAnswer>;
}

export interface OutboundRequest {
  /** An https URL without credentials; with `plainHttp` an http one as well. */
  url: string;
  /** Only where what comes back proves itself. */
  plainHttp?: true;
  method: 'GET' | 'POST' | 'PUT';
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** For everything together: looking up, connecting, sending, and reading the answer to its end. */
  deadlineMs: number;
  /** Of the answer's body. */
  maxBytes: number;
  /** CIDRs of private networks that the operator opened for this organisation. */
  allowPrivate: readonly string[];
}

export interface OutboundAnswer {
  status: number;
  /** By lowercase name. */
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** The words a caller may read: they tell nothing of what a name resolved to. */
const reasons = {
  forbidden_url: 'the URL is not accepted',
  forbidden_address: 'the host is not at a public address',
  unresolvable: 'the host name cannot be resolved',
  unreachable: 'the connection failed',
  untrusted: 'the TLS certificate of the host is not accepted',
  timeout: 'no complete answer in time',
  too_large: 'the answer is too large',
  protocol: 'the answer is not HTTP',
} as const;

export class OutboundError extends Error {
  readonly code: keyof typeof reasons;

  constructor(code: keyof typeof reasons, message: string = reasons[code], cause?: unknown) {
    super(message, { cause });
    this.name = 'OutboundError';
    this.code = code;
  }

  /** The destination itself was refused: trying again is never right. */
  get refused(): boolean {
    return this.code === 'forbidden_url' || this.code === 'forbidden_address';
  }
}

export interface OutboundSettings {
  /** Every address of a host name. Default: the system's resolver. */
  resolve?: (hostname: string) => Promise<string[]>;
  /** PEM of a certificate authority that is accepted beside the system's. */
  ca?: string | undefined;
  /** PEM, shown to hosts that ask for a client certificate. */
  certificate?: string | undefined;
  key?: string | undefined;
}

const systemResolve = async (hostname: string): Promise<string[]> =>
  (await lookup(hostname, { all: true })).map(each => each.address);

export function createOutbound({ resolve = systemResolve, ca, certificate, key }: OutboundSettings = {}): Outbound {
  const authorities = ca === undefined ? undefined : [...getCACertificates('default'), ca];
  const context = createSecureContext({ ca: authorities, cert: certificate, key, minVersion: 'TLSv1.2' });
  return { request: request => send(request, { resolve, context }) };
}

/**
 * Why a URL will be refused, in words for whoever wrote it; undefined if nothing speaks against it yet. What its name
 * resolves to counts only at each connection.
 */
export function checkUrl(url: string, allowPrivate: readonly string[], plainHttp?: true): string | undefined {
  if (url.length > 2048 || !URL.canParse(url)) return 'must be a URL of at most 2048 characters';
  const { protocol, username, password, hostname } = new URL(url);
  if (protocol !== 'https:' && !(plainHttp && protocol === 'http:')) return 'must begin with https://';
  if (username !== '' || password !== '') return 'must hold no user name or password';
  const address = literalAddress(hostname);
  if (address !== undefined && !mayConnectTo(address, allowPrivate)) return 'must name a host at a public address';
  return undefined;
}

/** The URL parser has turned decimal, octal, hexadecimal and short forms into four numbers already. */
function literalAddress(hostname: string): string | undefined {
  if (/(?:^|\.)localhost\.?$/.test(hostname)) return '127.0.0.1';
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(bare) > 0 ? bare : undefined;
}

interface Means {
  readonly resolve: (hostname: string) => Promise<string[]>;
  readonly context: SecureContext;
}

async function send(request: OutboundRequest, means: Means): Promise<OutboundAnswer> {
  const objection = checkUrl(request.url, request.allowPrivate, request.plainHttp);
  if (objection !== undefined) throw new OutboundError('forbidden_url', `the URL ${objection}`);
  const url = new URL(request.url);
  const signal = AbortSignal.timeout(request.deadlineMs);
  // A connection per request: a pooled one would carry an organisation's opened network to another organisation.
  let socket: Socket | undefined;
  try {
    socket = await connectGuarded(url, request.allowPrivate, means, signal);
    return await exchange(request, url, socket, signal);
  } catch (error) {
    throw signal.aborted ? new OutboundError('timeout') : asOutboundError(error);
  } finally {
    socket?.destroy();
  }
}

async function exchange(
  request: OutboundRequest,
  url: URL,
  socket: Socket,
  signal: AbortSignal,
): Promise<OutboundAnswer> {
  const client = new Client(url.origin, {
    // Later, not at once: the client does not look at a socket that it is given while it asks.
    connect: (_options, callback) => queueMicrotask(() => callback(null, socket)),
    // The deadline is the only clock: the library's own would add up to a longer one.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const answer = await client.request({
      method: request.method,
      path: url.pathname + url.search,
      headers: { 'User-Agent': 'Bastion', ...request.headers },
      body: request.body ?? null,
      signal,
      reset: true,
    });
    return {
      status: answer.statusCode,
      headers: answer.headers,
      body: await readLimited(answer.body, request.maxBytes),
    };
  } finally {
    client.destroy().catch(() => undefined);
  }
}

async function readLimited(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw new OutboundError('too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function connectGuarded(
  url: URL,
  allowPrivate: readonly string[],
  means: Means,
  signal: AbortSignal,
): Promise<Socket> {
  const addresses = await resolveGuarded(url.hostname, allowPrivate, means, signal);
  let failure: unknown;
  for (const address of addresses.slice(0, mostAttempts)) {
    try {
      const socket = await connectTo(address, url, means.context, signal);
      if (mayConnectTo(socket.remoteAddress ?? '', allowPrivate)) return socket;
      socket.destroy();
      throw new OutboundError('forbidden_address');
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw asOutboundError(failure);
}

const mostAttempts = 3;
const attemptMs = 5000;

/**
 * The addresses to connect to. One private address among public ones refuses the name: which of them is used would be
 * the name server's choice at the next look-up.
 */
async function resolveGuarded(
  hostname: string,
  allowPrivate: readonly string[],
  means: Means,
  signal: AbortSignal,
): Promise<string[]> {
  const literal = hostname.replace(/^\[(.*)\]$/, '$1');
  const addresses = isIP(literal) > 0 ? [literal] : await abortable(means.resolve(hostname), signal);
  if (addresses.length === 0) throw new OutboundError('unresolvable');
  if (!addresses.every(address => mayConnectTo(address, allowPrivate))) throw new OutboundError('forbidden_address');
  return addresses;
}

/** Connects to exactly this address, while SNI and the certificate check keep to the URL's name. */
function connectTo(address: string, url: URL, secureContext: SecureContext, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = url.protocol === 'http:' ? connectPlain(address, url) : connectTls(address, url, secureContext);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(attemptMs)]);
  const abort = () => socket.destroy(new OutboundError('timeout'));
  limit.addEventListener('abort', abort, { once: true });
  socket.once(url.protocol === 'http:' ? 'connect' : 'secureConnect', () => {
    limit.removeEventListener('abort', abort);
    resolve(socket);
  });
  // Stays: an error between here and the exchange must find a listener.
  socket.on('error', reject);
  if (limit.aborted) abort();
  return promise;
}

const connectPlain = (host: string, { port }: URL): Socket => connectTcp({ host, port: Number(port || 80) });

function connectTls(host: string, { hostname, port }: URL, secureContext: SecureContext): TLSSocket {
  const isAddress = isIP(hostname.replace(/^\[(.*)\]$/, '$1')) > 0;
  return connect({
    host,
    port: Number(port || 443),
    servername: isAddress ? '' : hostname.replace(/\.$/, ''),
    secureContext,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
  });
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return Promise.race([work, promise]).catch(error => {
    signal.throwIfAborted();
    throw new OutboundError('unresolvable', undefined, error);
  });
}

function asOutboundError(error: unknown): OutboundError {
  if (error instanceof OutboundError) return error;
  return new OutboundError(codeOf(error), undefined, error);
}

function codeOf(error: unknown): keyof typeof reasons {
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) return 'protocol';
  const { code = '' } = error as { code?: string };
  // The many codes of OpenSSL's certificate checks, and of Node's own.
  return /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|INVALID_CA|INVALID_PURPOSE/.test(code)
    ? 'untrusted'
    : 'unreachable';
}
