import { parentPort } from 'node:worker_threads';
import { asRefusal } from '../../core/errors.ts';
import { type Decoded, decodeMarked } from './decode.ts';
import type { Order, Report, Summary, Told } from './thread-orders.ts';
import type { XmlElement } from './tree.ts';
import { readFacts, type Signer } from './verify.ts';

/**
 * A thread of its own for envelopes that would hold up the event loop. The tree is made, verified and decoded here and never
 * leaves; what goes out is what the signature says, and then the plain value.
 */

const port = parentPort!;
const trees = new Map<number, XmlElement>();
const waiting = new Map<number, (value: unknown) => void>();

port.on('message', (order: Order) => {
  const { id } = order;
  if (order.kind === 'answer') waiting.get(id)?.(order.value);
  else if (order.kind === 'forget') forget(id);
  else {
    carryOut(order).then(
      value => say({ kind: 'done', id, value }),
      error => say({ kind: 'failed', id, refusal: toldOf(error) }),
    );
  }
});

function carryOut(order: Order & { kind: 'verify' | 'decode' }): Promise<Summary | Decoded> {
  return order.kind === 'verify' ? verify(order) : decode(order);
}

async function verify({ id, root, receivedAt, contextNamespace }: Order & { kind: 'verify' }): Promise<Summary> {
  const {
    signer: _,
    operation,
    ...rest
  } = await readFacts<Signer>(root, {
    receivedAt,
    contextNamespace,
    resolve: reference => ask({ kind: 'resolve', id, reference }),
    early: (contentId, limit) => ask({ kind: 'early', id, contentId, limit }),
  });
  trees.set(id, operation);
  return { ...rest, operationName: { namespace: operation.namespace, local: operation.local } };
}

async function decode({ id, operation }: Order & { kind: 'decode' }): Promise<Decoded> {
  return decodeMarked(operation, trees.get(id)!);
}

/** Its sender is gone, or has its answer. */
function forget(id: number): void {
  trees.delete(id);
  waiting.delete(id);
}

/** One question at a time and message. */
function ask<T>(question: Report & { kind: 'resolve' | 'early' }): Promise<T> {
  return new Promise(resolve => {
    waiting.set(question.id, value => resolve(value as T));
    say(question);
  });
}

function toldOf(error: unknown): Told {
  const { code, message, cause, errors } = asRefusal(error);
  return { code, message, cause: cause instanceof Error ? cause.message : undefined, errors };
}

const say = (report: Report): void => port.postMessage(report);
