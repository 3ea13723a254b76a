import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { normalizeAddress, subscriberOf } from '../core/addresses.ts';
import { capacities, Room } from './room.ts';

interface Known {
  /** Stands in some allowlist. */
  isListed(address: string): boolean;
  /** Has proven with its certificate that it is one of the operator's proxies. */
  isProxy(socket: TLSSocket): boolean;
  onRefused(): void;
}

/**
 * Stands before a listener's handshakes: a connection that is one too many is closed before TLS costs anything. Counted by
 * source, whether it is in its handshake, idle or busy; those from listed addresses apart from all others, so that strangers
 * cannot shut callers out. A proxy brings everybody's connections from one address: once it has shown its certificate, only
 * the listener's own limit holds for them.
 */
export function guardConnections(server: Server, known: Known): void {
  const rooms = { callers: new Room(capacities.callers), strangers: new Room(capacities.strangers) };
  const counted = new Map<string, Place>();
  const [handshake] = server.listeners('connection') as [(socket: Socket) => void];
  server.maxConnections = capacities.connections;
  server.on('drop', known.onRefused);
  server.removeListener('connection', handshake);
  server.on('connection', (socket: Socket) => {
    const address = normalizeAddress(socket.remoteAddress ?? '');
    if (address === undefined) return void socket.destroy();
    const room = known.isListed(address) ? rooms.callers : rooms.strangers;
    const source = subscriberOf(address);
    if (!room.take(source, 1)) {
      known.onRefused();
      return void socket.destroy();
    }
    const place = new Place(room, source);
    const name = nameOf(socket);
    counted.set(name, place);
    socket.once('close', () => {
      place.give();
      // A connection that is gone may still be busy here when the next one from its port is accepted.
      if (counted.get(name) === place) counted.delete(name);
    });
    handshake.call(server, socket);
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    if (known.isProxy(socket)) counted.get(nameOf(socket))?.give();
  });
}

/** Given back once, by whoever is first. */
class Place {
  #room: Room | undefined;
  readonly #source: string;

  constructor(room: Room, source: string) {
    this.#room = room;
    this.#source = source;
  }

  give(): void {
    this.#room?.give(this.#source, 1);
    this.#room = undefined;
  }
}

const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
