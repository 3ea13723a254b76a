import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { verifyDetached } from '../../core/detached-signature.ts';
import { invalid } from '../../core/errors.ts';
import type { ReadingContext } from '../../core/operation.ts';
import { checkUrl } from '../../core/outbound.ts';
import { approvalKeys, learnApprovers } from '../access/approvers.ts';
import { ApprovalSettings } from './entities.ts';
import { postSigned } from './webhook.ts';

const answer = z.object({ challenge: z.string(), signature: z.string() });
const deadlineMs = 10_000;

/**
 * Proves that whoever answers at the URL holds an approval certificate of the organisation: a fresh text goes out, its
 * signature must come back. Throws 422 with what to change.
 */
export async function challenge(context: ReadingContext, url: string): Promise<void> {
  const { services } = context;
  const text = `BASTION-APPROVAL-WEBHOOK\n${context.organization.id}\n${randomBytes(24).toString('base64url')}`;
  const payload = { type: 'approval_webhook.challenge', challenge: text };
  const allowPrivate = await privateCidrs(context);
  const reply = await postSigned(services, url, payload, { deadlineMs, allowPrivate });
  if (reply.kind === 'unreachable') throw invalid('url', `did not answer the challenge: ${reply.reason}`, 'challenge');
  const parsed = answer.safeParse(parseJson(reply.body));
  if (!parsed.success || parsed.data.challenge !== text) {
    throw invalid('url', 'must answer the challenge with { challenge, signature }', 'challenge');
  }
  const keys = await context.inherited(async em => {
    await learnApprovers(em, services.trust, context.now);
    return approvalKeys(em, services.trust, context.now);
  });
  if (!keys.some(({ publicKey }) => verifyDetached(publicKey, text, parsed.data.signature))) {
    throw invalid('url', 'must sign the challenge with a certificate that is registered for approval', 'challenge');
  }
}

/** No webhook can stand there, whoever approves it. Throws 422. */
export async function refuseForbiddenAddress(context: ReadingContext, url: string): Promise<void> {
  const reason = checkUrl(url, await privateCidrs(context));
  if (reason) throw invalid('url', reason, 'forbidden_address');
}

const privateCidrs = (context: ReadingContext): Promise<string[]> =>
  context.read(async em => (await em.findOne(ApprovalSettings, {}))?.privateCidrs ?? []);

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
