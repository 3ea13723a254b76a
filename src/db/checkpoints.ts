import { Worker } from 'node:worker_threads';

/** A checkpoint copies pages and waits for the disk twice: of 256 small commits or one large body that is tens of milliseconds. */
const afterCommits = 256;
const afterBytes = 4 * 1024 * 1024;

/**
 * Checkpoints of SQLite's write-ahead log, made by a thread of their own: left to SQLite, every so-many-th commit makes one and holds up
 * the event loop meanwhile. The thread is started when there is enough to move; a command that writes little never has one.
 */
export class Checkpoints {
  readonly #file: string;
  #worker: Worker | undefined;
  #commits = 0;
  #bytes = 0;
  #running = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** After a commit of about that many bytes. */
  committed(bytes: number): void {
    this.#commits += 1;
    this.#bytes += bytes;
    if (this.#running || (this.#commits < afterCommits && this.#bytes < afterBytes)) return;
    this.#commits = 0;
    this.#bytes = 0;
    this.#running = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage('checkpoint');
  }

  async stop(): Promise<void> {
    this.#running = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('checkpoint-worker.ts', import.meta.url), {
      workerData: this.#file,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 },
    });
    worker.unref();
    worker.on('message', () => {
      this.#running = false;
    });
    // A full disk, or the file is gone: the next commit says so itself, and the log is bounded by SQLite's own checkpoints.
    worker.on('error', () => {
      this.#worker = undefined;
      this.#running = false;
    });
    return worker;
  }
}
