import { connect, type TLSSocket } from 'node:tls';

export interface Target {
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** HTTP status -> how often. */
  readonly statuses: Record<string, number>;
}

/**
 * Sends prepared requests over kept-alive connections, shared out among the targets, each waiting for its answer before the next. Bytes are written and
 * answers measured off by Content-Length, so that the client's own cost is small beside the server's.
 */
export async function load(
  targets: readonly Target[],
  requests: readonly Buffer[],
  connections: number,
): Promise<Figures> {
  const sockets = await Promise.all(
    Array.from({ length: connections }, (_, index) => open(targets[index % targets.length]!)),
  );
  const times: number[] = [];
  const statuses: Record<string, number> = {};
  let next = 0;
  const started = performance.now();
  await Promise.all(
    sockets.map(async socket => {
      for (let index = next++; index < requests.length; index = next++) {
        const sent = performance.now();
        const status = await exchange(socket, requests[index]!);
        times.push(performance.now() - sent);
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  for (const socket of sockets) socket.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  return { perSecond: requests.length / seconds, p50: at(0.5), p99: at(0.99), statuses };
}

function open({ port, ca, cert, key }: Target): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ca, cert, key }, () => resolve(socket));
    socket.setNoDelay(true);
    socket.once('error', reject);
  });
}

function exchange(socket: TLSSocket, request: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    let whole = Number.POSITIVE_INFINITY;
    const onData = (piece: Buffer) => {
      received = received.length === 0 ? piece : Buffer.concat([received, piece]);
      if (whole === Number.POSITIVE_INFINITY) whole = wholeLength(received);
      if (received.length < whole) return;
      settle();
      resolve(received.toString('latin1', 9, 12));
    };
    const onEnd = () => {
      settle();
      reject(new Error('the server closed the connection'));
    };
    const settle = () => {
      socket.off('data', onData);
      socket.off('close', onEnd);
    };
    socket.on('data', onData);
    socket.on('close', onEnd);
    socket.write(request);
  });
}

/** Bytes of the answer, once its headers are there. */
function wholeLength(received: Buffer): number {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return Number.POSITIVE_INFINITY;
  const length = /content-length: *(\d+)/i.exec(received.toString('latin1', 0, end))?.[1];
  if (length === undefined) throw new Error('an answer without Content-Length');
  return end + 4 + Number(length);
}

export function httpRequest(method: string, target: string, headers: Record<string, string>, body = ''): Buffer {
  const lines = Object.entries({ Host: 'localhost', 'Content-Length': String(Buffer.byteLength(body)), ...headers });
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n${body}`);
}
