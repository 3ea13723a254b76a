import { createPool, type Pool, type PoolOptions } from 'mysql2';
import { RateLimiterMemory, RateLimiterMySQL, RateLimiterRes } from 'rate-limiter-flexible';
import { RateBucket } from '../areas/access/entities.ts';
import { subscriberOf } from '../core/addresses.ts';
import { Refusal } from '../core/errors.ts';
import type { Database } from '../db/orm.ts';
import { presentable } from '../db/transaction.ts';

/** What is left of a key's requests, as the answer tells it. */
export interface Allowance {
  readonly headers: Readonly<Record<string, string>>;
  /** Seconds to wait; undefined: the request is within the limit. */
  readonly retryAfter: number | undefined;
}

/** Headers of an address cost look-ups, bodies of a certificate signature checks: both are bounded in this node's memory. */
const perAddress = 20;
const perCertificate = 10;

/** Buckets of a minute, in multiples of what one key may send. */
export class Limits {
  readonly #perMinute: number;
  readonly #addresses: Minutes;
  readonly #certificates: Minutes;
  readonly #keys: RateLimiterMemory | RateLimiterMySQL;
  readonly #pool: Pool | undefined;

  constructor(db: Database, perMinute: number) {
    const minute = { points: perMinute, duration: 60 };
    this.#perMinute = perMinute;
    this.#addresses = new Minutes(perMinute * perAddress);
    this.#certificates = new Minutes(perMinute * perCertificate);
    this.#pool = db.kind === 'mysql' ? poolOf(db) : undefined;
    this.#keys = this.#pool
      ? new RateLimiterMySQL({ ...minute, ...sharedStore(db, this.#pool) })
      : new RateLimiterMemory({ ...minute, keyPrefix: 'key' });
  }

  /** Counts a request of this normalised address, or of its IPv6 network; throws 429. */
  admitAddress(address: string): void {
    this.#addresses.take(subscriberOf(address));
  }

  /** Counts a body that is about to be read; throws 429. */
  admitCertificate(thumbprint: string): void {
    this.#certificates.take(thumbprint);
  }

  /** Counts a request of this key, on all nodes together. */
  async count(keyId: string): Promise<Allowance> {
    const { result, exceeded } = await this.#consume(keyId);
    const reset = Math.max(1, Math.ceil(result.msBeforeNext / 1000));
    return {
      headers: {
        'X-RateLimit-Limit': String(this.#perMinute),
        'X-RateLimit-Remaining': String(result.remainingPoints),
        'X-RateLimit-Reset': String(reset),
      },
      retryAfter: exceeded ? reset : undefined,
    };
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    if (pool) await new Promise<void>(resolve => pool.end(() => resolve()));
  }

  async #consume(keyId: string): Promise<{ result: RateLimiterRes; exceeded: boolean }> {
    try {
      return { result: await this.#keys.consume(keyId), exceeded: false };
    } catch (error) {
      if (error instanceof RateLimiterRes) return { result: error, exceeded: true };
      throw presentable(error);
    }
  }
}

/** Counts per name in minutes that begin for all names at once: nothing to expire, and no timer. */
class Minutes {
  readonly #limit: number;
  #counts = new Map<string, number>();
  #end = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(name: string): void {
    const now = performance.now();
    if (now >= this.#end) {
      this.#counts = new Map();
      this.#end = now + 60_000;
    }
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (count <= this.#limit) return;
    throw new Refusal('rate_limited', undefined, { retryAfter: Math.ceil((this.#end - now) / 1000) });
  }
}

/** rate-limiter-flexible speaks to mysql2 itself; a few connections of its own, to the same server. */
function poolOf(db: Database): Pool {
  const { host, port, user, password, database } = db.orm.em
    .getConnection()
    .getConnectionOptions() as ConnectionOptions;
  const tls = db.orm.config.get('driverOptions') as Pick<PoolOptions, 'ssl'>;
  return createPool({ host, port, user, password, database, connectionLimit: 4, ...tls });
}

type ConnectionOptions = Pick<PoolOptions, 'host' | 'port' | 'user' | 'password' | 'database'>;

const sharedStore = (db: Database, pool: Pool) => ({
  storeClient: pool,
  storeType: 'pool',
  dbName: db.orm.config.get('dbName') as string,
  tableName: RateBucket.meta.tableName,
  // By the migrations.
  tableCreated: true,
  keyPrefix: 'key',
});
