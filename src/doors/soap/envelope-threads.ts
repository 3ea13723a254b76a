import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Refusal } from '../../core/errors.ts';
import type { Decoded } from './decode.ts';
import type { RootPart } from './multipart.ts';
import type { Order, Report, Summary, Told, Wrapped } from './thread-orders.ts';
import type { Signer, VerifierSettings } from './verify.ts';

/** Time without an answer after which a thread is given up, with all that it has in hand. */
const patienceMs = 5000;
/** An unused thread ends after this time. */
const idleMs = 10_000;
/** Messages that one thread may have in hand. */
const mostAtOnce = 16;

/** A message that is verified in a thread, where its tree stays. */
export interface Elsewhere<S extends Signer> {
  readonly summary: Summary;
  readonly signer: S;
  decode(operation: Wrapped): Promise<Decoded>;
  /** Lets go of the tree. */
  forget(): void;
}

/** Few, started when they are needed; each takes several messages in turn. */
const threads: EnvelopeThread[] = [];
const mostThreads = Math.max(1, Math.min(4, availableParallelism() - 1));

/**
 * Verifies an envelope away from the event loop.
 *
 * @throws Refusal `unavailable` when too many are in hand, or it takes too long
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
  const [best] = threads.toSorted((a, b) => a.inHand - b.inHand);
  if (best !== undefined && (best.inHand === 0 || threads.length >= mostThreads)) return best;
  const fresh = new EnvelopeThread(() => threads.splice(threads.indexOf(fresh), 1));
  threads.push(fresh);
  return fresh;
}

class EnvelopeThread {
  readonly #worker = new Worker(new URL('envelope-thread.ts', import.meta.url));
  readonly #messages = new Map<number, ThreadMessage>();
  readonly #ended: () => void;
  #numbers = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(ended: () => void) {
    this.#ended = ended;
    // Nobody waits for it: a process that has nothing else to do may end.
    this.#worker.unref();
    this.#worker.on('message', (report: Report) => this.#messages.get(report.id)?.hear(report));
    this.#worker.on('error', () => this.#end());
    this.#worker.on('exit', () => this.#end());
  }

  get inHand(): number {
    return this.#messages.size;
  }

  take(settings: VerifierSettings): ThreadMessage {
    if (this.inHand >= mostAtOnce) throw busy();
    clearTimeout(this.#idle);
    const post = (order: Order) => this.#worker.postMessage(order);
    const message = new ThreadMessage(this.#numbers++, settings, post, () => this.#end());
    this.#messages.set(message.id, message);
    return message;
  }

  forget(message: ThreadMessage): void {
    if (!this.#messages.delete(message.id)) return;
    this.#worker.postMessage({ kind: 'forget', id: message.id } satisfies Order);
    if (this.inHand === 0) this.#idle = setTimeout(() => this.#end(), idleMs).unref();
  }

  /** The messages in hand are refused: their trees are gone. */
  #end(): void {
    this.#ended();
    clearTimeout(this.#idle);
    void this.#worker.terminate();
    for (const message of this.#messages.values()) message.abandon();
    this.#messages.clear();
  }
}

const busy = (): Refusal =>
  new Refusal('unavailable', 'Too many large messages are being read; try again.', { retryAfter: 1 });

const refusalOf = ({ code, message, cause, errors }: Told): Refusal =>
  new Refusal(code, message, { cause: cause === undefined ? undefined : new Error(cause), errors: [...errors] });

/** One message in a thread: its orders one after the other, and its questions. */
class ThreadMessage {
  readonly id: number;
  signer: Signer | undefined;
  readonly #settings: VerifierSettings;
  readonly #post: (order: Order) => void;
  readonly #overrun: () => void;
  #waiting: PromiseWithResolvers<unknown> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(id: number, settings: VerifierSettings, post: (order: Order) => void, overrun: () => void) {
    this.id = id;
    this.#settings = settings;
    this.#post = post;
    this.#overrun = overrun;
  }

  order(order: Order & { kind: 'verify' | 'decode' }): Promise<unknown> {
    this.#waiting = Promise.withResolvers();
    this.#send(order);
    return this.#waiting.promise;
  }

  hear(report: Report): void {
    clearTimeout(this.#timer);
    if (report.kind === 'done') this.#waiting?.resolve(report.value);
    else if (report.kind === 'failed') this.#waiting?.reject(refusalOf(report.refusal));
    // What the outside refuses ends the message; the thread never learns of it.
    else {
      this.#answer(report).then(
        value => this.#send({ kind: 'answer', id: this.id, value }),
        error => this.#waiting?.reject(error),
      );
    }
  }

  abandon(): void {
    clearTimeout(this.#timer);
    this.#waiting?.reject(busy());
  }

  async #answer(question: Report & { kind: 'resolve' | 'early' }): Promise<unknown> {
    if (question.kind === 'early') return this.#settings.early?.(question.contentId, question.limit);
    this.signer = await this.#settings.resolve(question.reference);
    return this.signer && { certificate: this.signer.certificate, publicKey: this.signer.publicKey };
  }

  #send(order: Order): void {
    this.#timer = setTimeout(this.#overrun, patienceMs).unref();
    this.#post(order);
  }
}
