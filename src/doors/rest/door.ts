import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import type { Caller } from '../../core/caller.ts';
import { asRefusal, Refusal } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Area, Operation } from '../../core/operation.ts';
import { hasBinaries, timestamp } from '../../core/schema.ts';
import type { Services } from '../../core/services.ts';
import type { BodyLease } from '../../gate/body-room.ts';
import type { Gate } from '../../gate/gate.ts';
import { securityHeaders, sendJson, sendRefusal } from './answer.ts';
import { authenticate } from './authenticate.ts';
import { inputReader } from './input.ts';
import { reference } from './reference.ts';

type Outcome = { kind: 'done'; output: object } | { kind: 'held'; authorizationRequestId: string; expiresAt: Date };

export interface RestParts {
  readonly gate: Gate;
  readonly run: { run(operation: Operation, caller: Caller, read: () => unknown): Promise<Outcome> };
  readonly areas: readonly Area[];
  readonly services: Services;
}

const mebi = 1024 * 1024;
/** Octets of a request body; with attachments 25 MB of them in base64, and what stands around them. */
const bodyLimits = { plain: mebi, withBinaries: 36 * mebi };

/**
 * The internet: JSON over mutual TLS. Every path but the reference asks for all four controls before it says even whether
 * it exists.
 */
export function restDoor({ gate, run, areas, services }: RestParts): Express {
  const limitOf = bodyLimiter(areas);
  const app = express().disable('x-powered-by').disable('etag').set('query parser', false);
  app.use(arrive(gate, services));
  app.use(reference(areas, services));
  app.use(async (request, response, next) => {
    await authenticate(gate, request, response, limitOf(request));
    next();
  });
  app.use(routes(areas, run, services));
  app.use(() => {
    throw new Refusal('not_found');
  });
  app.use(refuse(gate, services));
  return app;
}

/** Known before the body is read, from method and path: only what takes attachments may be large. */
function bodyLimiter(areas: readonly Area[]): (request: Request) => number {
  const large = areas
    .flatMap(area => area.operations)
    .filter(op => hasBinaries(op.input))
    .map(op => ({ method: op.method, path: new RegExp(`^${op.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }));
  return ({ method, path }) =>
    large.some(op => op.method === method && op.path.test(path)) ? bodyLimits.withBinaries : bodyLimits.plain;
}

/** Step 1 of the gate; what every answer carries is set before anything can go wrong. */
function arrive(gate: Gate, { clock, metrics }: Services) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const stop = metrics.requestSeconds.startTimer({ door: 'rest' });
    response.once('close', () => stop());
    const requestId = newId('req');
    response.setHeaders(
      new Map(Object.entries({ ...securityHeaders, 'Bastion-Request-Id': requestId, 'X-Request-Id': requestId })),
    );
    response.locals.requestId = requestId;
    response.locals.arrival = gate.admit(request, { door: 'rest', requestId, receivedAt: clock.now() });
    next();
  };
}

function routes(areas: readonly Area[], run: RestParts['run'], services: Services): express.Router {
  const router = express.Router({ caseSensitive: true, strict: true });
  const operations = areas.flatMap(area => area.operations);
  const byPath = [...Map.groupBy(operations, op => op.path)].sort(([a], [b]) =>
    literalFirst(a) < literalFirst(b) ? -1 : 1,
  );
  for (const [path, sharing] of byPath) {
    const route = router.route(path.replace(/\{(\w+)\}/g, ':$1'));
    const notAllowed = refuseMethod(sharing.map(op => op.method));
    // Express would answer HEAD with what GET says.
    route.head(notAllowed);
    for (const op of sharing) route[methodName(op)](perform(op, run, services));
    route.all(notAllowed);
  }
  return router;
}

/** Sorts `/a/me` before `/a/{id}`, so that the word is not taken for an id. */
const literalFirst = (path: string): string => path.replaceAll('{', '\uffff');

const methodName = (op: Operation) => op.method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';

function refuseMethod(methods: readonly string[]) {
  return (_request: Request, response: Response): void => {
    response.setHeader('Allow', methods.join(', '));
    throw new Refusal('method_not_allowed');
  };
}

function perform(op: Operation, run: RestParts['run'], { metrics }: Services) {
  const readInput = inputReader(op);
  const count = (outcome: string) => metrics.requests.inc({ operation: op.soap, door: 'rest', outcome });
  return async (request: Request, response: Response): Promise<void> => {
    const { caller, octets, lease } = response.locals as { caller: Caller; octets: Buffer; lease: BodyLease };
    try {
      // Until the operation is done with it: whoever leaves meanwhile has not freed our memory.
      using _body = lease;
      const outcome = await run.run(op, caller, () => readInput(request, octets));
      count(outcome.kind);
      if (outcome.kind === 'done') await sendJson(request, response, 200, outcome.output);
      else await sendHeld(request, response, outcome);
    } catch (error) {
      count(asRefusal(error).code);
      throw error;
    }
  };
}

function sendHeld(request: Request, response: Response, held: Extract<Outcome, { kind: 'held' }>): Promise<void> {
  const { authorizationRequestId, expiresAt } = held;
  response.setHeader('Location', `/v3/authorization-requests/${authorizationRequestId}`);
  return sendJson(request, response, 202, {
    status: 'pending',
    authorization_request_id: authorizationRequestId,
    expires_at: timestamp(expiresAt),
  });
}

/** Everything thrown on the way; what is not a Refusal is logged in full and answered in fixed words. */
function refuse(gate: Gate, { log }: Services) {
  return async (error: unknown, request: Request, response: Response, _next: NextFunction): Promise<void> => {
    const refusal = asRefusal(error);
    const { requestId, caller, arrival, lease } = response.locals;
    lease?.[Symbol.dispose]();
    if (refusal.code === 'internal') log.error({ err: error, requestId }, 'REST request failed');
    if (caller === undefined) {
      const address = arrival?.address ?? request.socket.remoteAddress;
      gate.refused({ door: 'rest', requestId, address }, refusal);
    }
    if (response.headersSent) response.destroy();
    else await sendRefusal(request, response, refusal);
  };
}
