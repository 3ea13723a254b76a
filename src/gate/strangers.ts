import type { Door } from '../core/caller.ts';
import type { Refusal } from '../core/errors.ts';
import type { Services } from '../core/services.ts';

/** A request whose sender is not known, as the log names it. */
export interface Stranger {
  readonly door: Door;
  readonly requestId: string;
  readonly address: string | undefined;
}

const linesPerSecond = 10;

/**
 * Refusals before the caller is known. All are counted, a few are written one by one and the others summed up once a
 * second, each at level debug only: being refused costs a sender nothing, so it must not cost us a disk.
 */
export class Strangers {
  readonly #services: Pick<Services, 'log' | 'metrics'>;
  #written = 0;
  #further = new Map<string, number>();
  #second: NodeJS.Timeout | undefined;

  constructor(services: Pick<Services, 'log' | 'metrics'>) {
    this.#services = services;
  }

  refused({ door, requestId, address }: Stranger, { code, reason }: Refusal): void {
    const { log, metrics } = this.#services;
    metrics.strangers.inc({ door, code });
    this.#second ??= setTimeout(() => this.sumUp(), 1000).unref();
    const level = this.#written++ < linesPerSecond ? 'info' : 'debug';
    log[level]({ door, requestId, address, code, cause: reason }, 'stranger refused');
    if (level === 'debug') this.#further.set(code, (this.#further.get(code) ?? 0) + 1);
  }

  /** Begins the next second; at the end, the last word. */
  sumUp(): void {
    clearTimeout(this.#second);
    this.#second = undefined;
    this.#written = 0;
    if (this.#further.size === 0) return;
    this.#services.log.info({ further: Object.fromEntries(this.#further) }, 'strangers refused');
    this.#further = new Map();
  }
}
