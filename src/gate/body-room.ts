import { Refusal } from '../core/errors.ts';
import { Room } from './room.ts';

/** What a piece costs beside its octets, so that a body in single octets is no way around the limit. */
const pieceOverhead = 256;

/**
 * Octets of request bodies in hand, of all doors, by certificate: they are not proven to be anybody's until they have all
 * come, and one sender must not fill the memory of all.
 */
export class BodyRoom {
  readonly #room: Room;

  constructor(capacity: number) {
    this.#room = new Room(capacity);
  }

  /** For one body; to be closed when nobody needs the body any more. */
  open(sender: string): BodyLease {
    return new BodyLease(this.#room, sender);
  }
}

/** Of one body: what is in memory, and what lies on the disk. */
export interface BodyLeases {
  readonly room: BodyLease;
  readonly disk: BodyLease;
}

export class BodyLease implements Disposable {
  readonly #room: Room;
  readonly #sender: string;
  #own = 0;

  constructor(room: Room, sender: string) {
    this.#room = room;
    this.#sender = sender;
  }

  /** Throws 413 for what no room would hold, 429 when the sender's other bodies take the room, 503 when those of others do. */
  take(octets: number): void {
    const amount = octets + pieceOverhead;
    if (this.#own + amount > this.#room.most) throw new Refusal('too_large');
    if (this.#room.take(this.#sender, amount)) this.#own += amount;
    else if (this.#room.held(this.#sender) > this.#own) {
      throw new Refusal('rate_limited', 'Too many large requests at once.', { retryAfter: 1 });
    } else {
      throw new Refusal('unavailable', 'Too many large requests are being received; try again.', { retryAfter: 1 });
    }
  }

  [Symbol.dispose](): void {
    this.#room.give(this.#sender, this.#own);
    this.#own = 0;
  }
}
