import type { Request, Response } from 'express';
import { Refusal } from '../../core/errors.ts';
import type { Arrival } from '../../gate/arrival.ts';
import type { Gate } from '../../gate/gate.ts';
import {
  checkFraming,
  checkTarget,
  checkTimestamp,
  readSecurityHeaders,
  singleHeaders,
  verifyRequestSignature,
} from '../../gate/signature.ts';
import { readBody } from './body.ts';

/**
 * Steps 2 to 6 of the gate; afterwards `response.locals` holds `caller` and the body's `octets`, and their `lease`, which
 * whoever answers gives back.
 */
export async function authenticate(gate: Gate, request: Request, response: Response, bodyLimit: number): Promise<void> {
  const { arrival } = response.locals as { arrival: Arrival };
  const method = request.method;
  const target = request.url;
  checkTarget(target);
  checkFraming(method, singleHeaders(request.rawHeaders));
  const headers = readSecurityHeaders(request.rawHeaders);

  const identified = await gate.identify(arrival, headers);
  const { publicKey, policy } = identified.certificate;
  checkTimestamp(headers.timestamp, arrival.receivedAt);
  if (policy.signature_version_2 && headers.version !== 2) {
    throw new Refusal('signature_invalid', 'This certificate must sign with Bastion-Signature-Version 2.');
  }
  const { room: lease } = gate.admitBody(identified.certificate);
  response.locals.lease = lease;

  if (request.headers.expect !== undefined) response.writeContinue();
  const body = await readBody(request, bodyLimit, lease);
  const digest = verifyRequestSignature({ method, target, headers, bodyHash: body.hash, publicKey });
  await gate.spendNonce(identified, headers.nonce);

  const allowance = await gate.count(identified);
  response.setHeaders(new Map(Object.entries(allowance.headers)));
  const { idempotencyKey, prefer } = headers;
  response.locals.caller = gate.caller(identified, allowance, { digest, idempotencyKey, prefer });
  response.locals.octets = body.octets;
}
