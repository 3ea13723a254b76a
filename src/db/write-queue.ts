import { setTimeout as sleep } from 'node:timers/promises';

const sqliteBusy = 5;

/** The turn-taking of one process's writers on one SQLite file: first come, first served, nobody waits for ever. */
export class WriteQueue {
  readonly #timeoutMs: number;
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  async enter(): Promise<void> {
    if (!this.#taken) {
      this.#taken = true;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(busy());
      }, this.#timeoutMs);
      this.#waiting.push(turn);
    });
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#taken = false;
  }

  /** Tries again while another process holds the file's lock, without blocking the event loop. */
  async persist<T>(attempt: () => T): Promise<T> {
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      try {
        return attempt();
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        await sleep(2 + Math.random() * 10);
      }
    }
  }
}

/** Somebody else held the file's lock for too long. */
export function isBusy(error: unknown): boolean {
  // Extended codes (SQLITE_BUSY_SNAPSHOT, …) keep the primary code in the low byte.
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === sqliteBusy;
}

function busy(): Error {
  return Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY', errcode: sqliteBusy });
}
