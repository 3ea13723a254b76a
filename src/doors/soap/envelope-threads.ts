import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Refusal } from '../../core/errors.ts';
import type { Decoded } from './decode.ts';
import type { RootPart } from './multipart.ts';
import type { Order, Report, Summary, Told, Wrapped } from './thread-orders.ts';
import type { Signer, VerifierSettings } from './verify.ts';

/** Time for which a thread may owe an answer; then it is given up, with all that it has in hand. */
const patienceMs = 5000;
/** An unused thread ends after this time. */
const idleMs = 10_000;

/** A message that is verified in a thread, where its tree stays. */
export interface Elsewhere<S extends Signer> {
  readonly summary: Summary;
  readonly signer: S;
  decode(operation: Wrapped): Promise<Decoded>;
  /** Lets go of the tree. */
  forget(): void;
}

/** Few, started when they are needed; each takes the messages in turn. How many there can be follows from the room of bodies. */
const threads = new Set<EnvelopeThread>();
const mostThreads = Math.max(1, Math.min(4, availableParallelism() - 1));

/**
 * Verifies an envelope away from the event loop.
 *
 * @throws Refusal `unavailable` when the thread does not live to the end of it
 */
export async function verifyElsewhere<S extends Signer>(
  root: Pick<RootPart, 'octets' | 'charset'>,
  settings: VerifierSettings<S>,
): Promise<Elsewhere<S>> {
  const thread = leastBusy();
  const message = thread.take(settings as unknown as VerifierSettings);
  try {
    const { receivedAt, contextNamespace } = settings;
    const summary = (await message.order({
      kind: 'verify',
      id: message.id,
      root,
      receivedAt,
      contextNamespace,
    })) as Summary;
    return {
      summary,
      signer: message.signer as S,
      decode: operation => message.order({ kind: 'decode', id: message.id, operation }) as Promise<Decoded>,
      forget: () => thread.forget(message),
    };
  } catch (error) {
    thread.forget(message);
    throw error;
  }
}

function leastBusy(): EnvelopeThread {
  const [best] = [...threads].toSorted((a, b) => a.owed - b.owed);
  if (best !== undefined && (best.owed === 0 || threads.size >= mostThreads)) return best;
  const fresh = new EnvelopeThread();
  threads.add(fresh);
  return fresh;
}

class EnvelopeThread {
  readonly #worker = new Worker(new URL('envelope-thread.ts', import.meta.url));
  readonly #messages = new Map<number, ThreadMessage>();
  #numbers = 0;
  #owed = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor() {
    // Nobody waits for it: a process that has nothing else to do may end.
    this.#worker.unref();
    this.#worker.on('message', (report: Report) => this.#hear(report));
    this.#worker.on('error', () => this.#end());
    this.#worker.on('exit', () => this.#end());
  }

  /** Orders without an answer. A message whose sender or approver lets us wait takes memory only. */
  get owed(): number {
    return this.#owed;
  }

  take(settings: VerifierSettings): ThreadMessage {
    const message = new ThreadMessage(this.#numbers++, settings, order => this.#post(order));
    this.#messages.set(message.id, message);
    return message;
  }

  forget(message: ThreadMessage): void {
    if (!this.#messages.delete(message.id)) return;
    this.#worker.postMessage({ kind: 'forget', id: message.id } satisfies Order);
    this.#wait();
  }

  #post(order: Order): void {
    if (this.#isOver) throw lost();
    this.#worker.postMessage(order);
    this.#owed += 1;
    if (this.#owed === 1) this.#wait();
  }

  #hear(report: Report): void {
    this.#owed -= 1;
    this.#wait();
    this.#messages.get(report.id)?.hear(report);
  }

  /** For the answer that is owed next, or for something to do. */
  #wait(): void {
    clearTimeout(this.#timer);
    const isIdle = this.#messages.size === 0;
    if (this.#owed > 0 || isIdle) {
      this.#timer = setTimeout(() => this.#end(), this.#owed > 0 ? patienceMs : idleMs).unref();
    }
  }

  /** The messages in hand are refused: their trees are gone. */
  #end(): void {
    this.#isOver = true;
    threads.delete(this);
    clearTimeout(this.#timer);
    void this.#worker.terminate();
    for (const message of this.#messages.values()) message.abandon();
    this.#messages.clear();
  }
}

const lost = (): Refusal =>
  new Refusal('unavailable', 'The message could not be read to its end; try again.', { retryAfter: 1 });

const refusalOf = ({ code, message, cause, errors }: Told): Refusal =>
  new Refusal(code, message, { cause: cause === undefined ? undefined : new Error(cause), errors: [...errors] });

/** One message in a thread: its orders one after the other, and its questions. */
class ThreadMessage {
  readonly id: number;
  signer: Signer | undefined;
  readonly #settings: VerifierSettings;
  readonly #post: (order: Order) => void;
  #waiting: PromiseWithResolvers<unknown> | undefined;

  constructor(id: number, settings: VerifierSettings, post: (order: Order) => void) {
    this.id = id;
    this.#settings = settings;
    this.#post = post;
  }

  async order(order: Order & { kind: 'verify' | 'decode' }): Promise<unknown> {
    this.#waiting = Promise.withResolvers();
    this.#post(order);
    return this.#waiting.promise;
  }

  hear(report: Report): void {
    if (report.kind === 'done') this.#waiting?.resolve(report.value);
    else if (report.kind === 'failed') this.#waiting?.reject(refusalOf(report.refusal));
    // What the outside refuses ends the message; the thread never learns of it.
    else {
      this.#answer(report)
        .then(value => this.#post({ kind: 'answer', id: this.id, value }))
        .catch(error => this.#waiting?.reject(error));
    }
  }

  abandon(): void {
    this.#waiting?.reject(lost());
  }

  async #answer(question: Report & { kind: 'resolve' | 'early' }): Promise<unknown> {
    if (question.kind === 'early') return this.#settings.early?.(question.contentId, question.limit);
    this.signer = await this.#settings.resolve(question.reference);
    return this.signer && { certificate: this.signer.certificate, publicKey: this.signer.publicKey };
  }
}
