import { signRequest } from '../../core/request-signature.ts';
import type { Services } from '../../core/services.ts';

const largestAnswer = 16 * 1024;

export type WebhookAnswer = { kind: 'answered'; body: Buffer } | { kind: 'unreachable'; reason: string };

/**
 * Posts JSON to an approval webhook, signed with Bastion's certificate (signature version 2), through the guarded
 * connector. Only a 200 counts as an answer; redirects are not followed.
 */
export async function postSigned(
  services: Services,
  url: string,
  payload: Record<string, unknown>,
  options: { deadlineMs: number; allowPrivate: readonly string[] },
): Promise<WebhookAnswer> {
  const body = Buffer.from(JSON.stringify(payload), 'utf8');
  const { host, pathname, search } = new URL(url);
  const headers = signRequest({
    method: 'POST',
    target: pathname + search,
    host,
    body,
    contentType: 'application/json',
    now: services.clock.now(),
    privateKey: services.identity.privateKey,
    thumbprint: services.identity.thumbprint,
    version: 2,
  });
  try {
    const answer = await services.outbound.request({
      url,
      method: 'POST',
      headers: { ...headers, Accept: 'application/json' },
      body,
      deadlineMs: options.deadlineMs,
      maxBytes: largestAnswer,
      allowPrivate: [...options.allowPrivate],
    });
    if (answer.status === 200) return { kind: 'answered', body: answer.body };
    return { kind: 'unreachable', reason: `the webhook answered ${answer.status}` };
  } catch (error) {
    return { kind: 'unreachable', reason: error instanceof Error ? error.message : 'the request failed' };
  }
}
