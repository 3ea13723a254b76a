import { finished } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import type { Request, Response } from 'express';
import type { Refusal } from '../../core/errors.ts';

/** On every answer: nothing of it may be kept, framed, guessed at or run. */
export const securityHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Strict-Transport-Security': 'max-age=31536000',
  'X-Content-Type-Options': 'nosniff',
} as const;

/** `{ ...content, request_id }`; the id is in a header as well. */
export async function sendJson(request: Request, response: Response, status: number, content: object): Promise<void> {
  const { requestId } = response.locals;
  const text = JSON.stringify({ ...content, request_id: requestId });
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...(request.complete ? {} : { Connection: 'close' }),
  });
  if (request.complete) response.end(text);
  else await sendEarly(request, response, text);
}

export function sendRefusal(request: Request, response: Response, refusal: Refusal): Promise<void> {
  if (refusal.retryAfter !== undefined) response.setHeader('Retry-After', refusal.retryAfter);
  return sendJson(request, response, refusal.status, {
    error: refusal.code,
    message: refusal.message,
    authorization_request_id: refusal.authorizationRequestId,
    errors: refusal.errors,
  });
}

/**
 * An answer to a request that was not read to its end. Closing at once would reset the connection, and the sender, who
 * is still writing, would never see why: it gets a second to finish.
 */
async function sendEarly(request: Request, response: Response, text: string): Promise<void> {
  response.write(text);
  const patience = new AbortController();
  request.resume();
  await Promise.race([finished(request).catch(() => {}), setTimeout(1000, undefined, { signal: patience.signal })]);
  patience.abort();
  response.end();
}
