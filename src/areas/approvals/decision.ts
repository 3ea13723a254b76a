import { z } from 'zod';
import { line } from '../../core/schema.ts';

/** What an approval webhook may answer (at most 16 KiB). Unknown members are ignored: the signature is what binds. */
const answer = z.object({
  authorization_request_id: z.string(),
  decision: z.string(),
  customer_approval_id: z.string().optional(),
  digest: z.string().optional(),
  signature: z.string().optional(),
});

export type Decision =
  | { kind: 'approved'; customerApprovalId: string; signature: string }
  | { kind: 'denied'; reason: string; customerApprovalId?: string };

const approvalId = line(128).regex(/^[\x20-\x7e]+$/);

/**
 * Reads the body of a webhook's 200 answer. Undefined when it is no decision at all (not JSON, other members): such a
 * webhook is asked again. Everything well-formed that does not approve this very request denies it.
 */
export function readDecision(body: Buffer, request: { id: string; digest: string }): Decision | undefined {
  const parsed = answer.safeParse(parseJson(body));
  if (!parsed.success) return undefined;
  const { authorization_request_id, decision, customer_approval_id, digest, signature } = parsed.data;
  const id = approvalId.safeParse(customer_approval_id);
  const denied = (reason: string): Decision => ({
    kind: 'denied',
    reason,
    ...(id.success ? { customerApprovalId: id.data } : {}),
  });
  if (authorization_request_id !== request.id) return denied('the answer names another authorization request');
  if (decision !== 'approved') return denied('the webhook did not approve');
  if (digest !== request.digest) return denied('the approval is bound to another digest');
  // Trimming would change the signed text, so an id with outer white space is no id.
  if (!id.success || id.data !== customer_approval_id) return denied('the approval carries no customer_approval_id');
  if (signature === undefined) return denied('the approval is not signed');
  return { kind: 'approved', customerApprovalId: id.data, signature };
}

/** Exactly the text that an approval certificate signs. */
export const approvalText = (digest: string, customerApprovalId: string): string => digest + customerApprovalId;

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
