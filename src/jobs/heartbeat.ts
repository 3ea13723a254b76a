import { type Claims, LockLost } from './claims.ts';
import type { Claim } from './row.ts';

/** Renews a claim three times in its lifetime until stopped; aborts `signal` once the claim is not certain any more. */
export class Heartbeat {
  readonly #claims: Claims;
  readonly #claim: Claim;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #renewedAt = performance.now();
  #renewing = false;
  #lost = false;

  constructor(claims: Claims, claim: Claim) {
    this.#claims = claims;
    this.#claim = claim;
    this.#timer = setInterval(() => this.#beat(), claim.lifetime / 3);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether no other node can have taken the job over yet. */
  get holds(): boolean {
    return !this.#lost && performance.now() - this.#renewedAt < this.#claim.lifetime;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    if (!this.holds) this.#lose();
    else if (!this.#renewing) void this.#renew();
  }

  async #renew(): Promise<void> {
    this.#renewing = true;
    const askedAt = performance.now();
    try {
      await this.#claims.renew(this.#claim);
      this.#renewedAt = askedAt;
    } catch (error) {
      // Anything else is the database's trouble, which may pass before the claim does.
      if (error instanceof LockLost) this.#lose();
    } finally {
      this.#renewing = false;
    }
  }

  #lose(): void {
    this.#lost = true;
    this.stop();
    this.abort(new LockLost(this.#claim.id));
  }
}
