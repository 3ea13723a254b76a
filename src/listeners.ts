import { createServer as createHttpServer, type RequestListener, type Server, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ReadyConfig } from './config.ts';
import { Refusal } from './core/errors.ts';
import { newId } from './core/ids.ts';
import type { KeyPair } from './core/key-pair.ts';

export interface Listener {
  readonly server: Server;
  /** `https://localhost:8443`: loopback listeners are named as their certificates name them. */
  readonly url: string;
  readonly port: number;
  /** Takes no new request, waits for those in hand. */
  close(): Promise<void>;
}

/** Requests in hand may wait for an approval, no longer. */
const lastCallMs = 50_000;

/**
 * Mutual TLS. Every client certificate is asked for and none is refused here: the doors refuse, with JSON or a SOAP fault that
 * says which class of control failed.
 */
export function listenTls(
  variable: string,
  config: ReadyConfig,
  port: number,
  handler: RequestListener,
  guard: (server: TlsServer) => void,
): Promise<Listener> {
  const server = createTlsServer({
    ...secureContext(config.tls),
    requestCert: true,
    rejectUnauthorized: false,
    // Until then a stranger has cost memory and shown nothing: Node would wait two minutes.
    handshakeTimeout: 5_000,
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    requestTimeout: 120_000,
    maxHeaderSize: 32 * 1024,
  });
  guard(server);
  const inTurn = oneByOne(handler);
  server.on('request', inTurn);
  // With a listener of our own Node leaves the interim answer to us: the headers must have passed first.
  server.on('checkContinue', inTurn);
  // Longer than any request waits: whoever does not read the answer is let go.
  server.setTimeout(120_000);
  server.on('clientError', refuseUnreadable);
  // Without TLS there is nobody to answer, and an answer would wait for the handshake for ever.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return started(variable, server, config.host, port, 'https');
}

/** Requests that one connection may have waiting behind the one in hand. */
const mostWaiting = 10;

/**
 * The requests of a connection in turn, each when the answer to the one before has left. Node would have them all carried out as
 * they come, and keep the answers for a sender who reads none.
 */
function oneByOne(handler: RequestListener): RequestListener {
  const lines = new WeakMap<Socket, (() => void)[]>();
  return (request, response) => {
    const { socket } = request;
    const carryOut = () => {
      response.once('close', () => {
        const next = lines.get(socket)?.shift();
        if (next && !socket.destroyed) next();
        else lines.delete(socket);
      });
      handler(request, response);
    };
    const line = lines.get(socket);
    if (line && line.length >= mostWaiting) socket.destroy();
    else if (line) line.push(carryOut);
    else {
      lines.set(socket, []);
      carryOut();
    }
  };
}

const secureContext = ({ certificate, key }: KeyPair) =>
  ({
    cert: certificate,
    key,
    minVersion: 'TLSv1.2',
    // A resumed session would carry the verdict on a certificate past its revocation.
    sessionTimeout: 60,
  }) as const;

/** New connections meet this certificate; those that are open stay as they are. */
export function present({ server }: Listener, pair: KeyPair): void {
  (server as TlsServer).setSecureContext(secureContext(pair));
}

export function listen(variable: string, host: string, port: number, handler: RequestListener): Promise<Listener> {
  return started(variable, createHttpServer(handler), host, port, 'http');
}

/** What is no HTTP reaches no door; it gets an answer of the same shape all the same. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  // A failed or unfinished handshake has nobody to answer to. Browsers hold connections in reserve: an answer on one that has
  // asked nothing would be taken for that to its first request.
  const isHttp = /^(?:HPE|ERR_HTTP)_/.test(error.code ?? '');
  const hasAsked = (socket as Socket).bytesRead > 0;
  if (!isHttp || !hasAsked || !socket.writable) return void socket.destroy();
  const refusal = new Refusal(
    error.code === 'HPE_HEADER_OVERFLOW' ? 'too_large' : 'malformed',
    'This is no readable HTTP request.',
  );
  const { code, message, status } = refusal;
  const request_id = newId('req');
  const body = JSON.stringify({ error: code, message, request_id, errors: [] });
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${body.length}`,
    `Bastion-Request-Id: ${request_id}`,
    'Connection: close',
  ];
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
  // Closing at once could take the answer away from a sender who is still writing; not closing would leave it to them.
  setTimeout(() => socket.destroy(), 1000).unref();
}

/** `variable` chooses the port: whoever meets a busy one is told so. */
async function started(
  variable: string,
  server: Server,
  host: string,
  port: number,
  scheme: string,
): Promise<Listener> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw new Error(`${variable}: ${error.message}`, { cause: error });
    throw new Error(`port ${port} on ${host} is taken, perhaps by another Bastion; ${variable} chooses another one`);
  });
  const bound = (server.address() as AddressInfo).port;
  const name = host.startsWith('127.') || host === '0.0.0.0' ? 'localhost' : host;
  return { server, port: bound, url: `${scheme}://${name}:${bound}`, close: () => closed(server) };
}

async function closed(server: Server): Promise<void> {
  const sweep = setInterval(() => server.closeIdleConnections(), 100);
  const lastCall = setTimeout(() => server.closeAllConnections(), lastCallMs);
  await new Promise<void>(resolve => server.close(() => resolve()));
  clearInterval(sweep);
  clearTimeout(lastCall);
}
