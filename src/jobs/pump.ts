import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import type {
  JobId,
  JobNotification,
  NotificationChannel,
  NotificationChannelState,
  NotificationHandler,
} from 'agenda';

export interface PumpSource {
  /** Names of the jobs that could start now. */
  dueNames(): Promise<string[]>;
}

/** Ticks to leave out after a query that failed: a database that is down needs no crowd at its door. */
const backOff = 10;

/**
 * The wake-up channel: asks the database once per tick which jobs are due, whatever the number of their names, and at once
 * when it is kicked. Scans never overlap; a kick during one is answered by the next.
 */
export class Pump extends EventEmitter implements NotificationChannel {
  readonly #source: PumpSource;
  readonly #tick: number;
  readonly #handlers = new Set<NotificationHandler>();
  /**
   * Work starts from here and not from the caller of `kick`, or a job would run inside the transaction, and with the request
   * context, of whoever enqueued it.
   */
  readonly #outside = AsyncLocalStorage.snapshot();
  #state: NotificationChannelState = 'disconnected';
  #timer: NodeJS.Timeout | undefined;
  #scan: Promise<void> | undefined;
  #kicked = false;

  constructor(source: PumpSource, tick: number) {
    super();
    this.#source = source;
    this.#tick = tick;
  }

  get state(): NotificationChannelState {
    return this.#state;
  }

  async connect(): Promise<void> {
    if (this.#state !== 'disconnected') return;
    this.#become('connected');
    this.kick();
  }

  /** Resolves when no scan is under way and none will follow. */
  async disconnect(): Promise<void> {
    this.#become('disconnected');
    clearTimeout(this.#timer);
    await this.#scan;
  }

  subscribe(handler: NotificationHandler): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  async publish(_notification: JobNotification): Promise<void> {
    this.kick();
  }

  /** Looks for due jobs now. */
  kick(): void {
    if (this.#state === 'disconnected') return;
    this.#kicked = true;
    this.#scan ??= this.#outside(() => this.#scanWhileKicked());
  }

  async #scanWhileKicked(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#kicked && this.#state !== 'disconnected') {
      this.#kicked = false;
      await this.#notifyDue();
    }
    this.#scan = undefined;
    if (this.#state === 'disconnected') return;
    const wait = this.#state === 'connected' ? this.#tick : this.#tick * backOff;
    this.#timer = setTimeout(() => this.kick(), wait);
  }

  async #notifyDue(): Promise<void> {
    try {
      const names = await this.#source.dueNames();
      if (this.#state === 'disconnected') return;
      this.#become('connected');
      for (const name of names) this.#notify(name);
    } catch (error) {
      this.#become('reconnecting');
      if (this.listenerCount('error') > 0) this.emit('error', error);
    }
  }

  #notify(jobName: string): void {
    const notification = { jobId: '' as JobId, jobName, nextRunAt: null, priority: 0, timestamp: new Date() };
    for (const handler of this.#handlers) void handler(notification);
  }

  #become(state: NotificationChannelState): void {
    if (this.#state === state || (this.#state === 'disconnected' && state === 'reconnecting')) return;
    this.#state = state;
    this.emit('stateChange', state);
  }
}
