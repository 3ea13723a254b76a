const mebi = 1024 * 1024;

/** What this node keeps in hand for others at one time. */
export const capacities = {
  /** Octets of request bodies in memory: two of the largest from one certificate; decoding takes about three times that. */
  bodies: 320 * mebi,
  /** Octets of attachments on the disk: three of the largest messages from one certificate. */
  spooled: 2048 * mebi,
  /** Connections of one listener from addresses that stand in some allowlist, and from all others. */
  callers: 1536,
  strangers: 512,
  /** With those of proxies. */
  connections: 4096,
} as const;

/** Of what is left, what one may hold. A single holder gets a quarter of all; after ten greedy ones a twentieth is free. */
const share = 1 / 3;

/**
 * So much for all together, and nobody may hold more of it than a share of what is left: the less there is, the less each can
 * get, and something is always left for the next one. What is taken stays taken until it is given back.
 */
export class Room {
  /** What one holder gets when nobody else is there. */
  readonly most: number;
  readonly #held = new Map<string, number>();
  #left: number;

  constructor(capacity: number) {
    this.#left = capacity;
    this.most = (capacity * share) / (1 + share);
  }

  /** Whether there was room; takes nothing otherwise. */
  take(holder: string, amount: number): boolean {
    const held = this.held(holder) + amount;
    if (held > (this.#left - amount) * share) return false;
    this.#set(holder, held, amount);
    return true;
  }

  give(holder: string, amount: number): void {
    this.#set(holder, this.held(holder) - amount, -amount);
  }

  held(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  #set(holder: string, held: number, taken: number): void {
    this.#left -= taken;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
  }
}
