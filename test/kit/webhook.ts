import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { signDetached } from '../../src/core/detached-signature.ts';
import type { CertificateSet, Pair } from './certificates.ts';

/** An authorization request as a webhook receives it. */
export interface Question {
  authorization_request_id: string;
  requesting_ip: string;
  received_request: { method: string; path: string; digest: string };
  requested_at: string;
  expires_at: string;
  operation: string;
  request_digest: string;
  authorization: string;
}

export type Reply = { status?: number; body: unknown } | 'silence';

/** An approval webhook that says whatever a test makes it say. */
export class ScriptedWebhook {
  readonly questions: Question[] = [];
  say: (question: Question) => Reply | Promise<Reply>;
  readonly #server: Server;

  private constructor(set: CertificateSet, approver: Pair, say: ScriptedWebhook['say']) {
    this.say = say;
    this.#server = createServer({ cert: set.server.certificate, key: set.server.key }, async (request, response) => {
      const message = (await json(request)) as Question & { challenge?: string };
      if (message.challenge !== undefined) {
        const signature = signDetached(approver.privateKey, message.challenge);
        return void response.end(JSON.stringify({ challenge: message.challenge, signature }));
      }
      this.questions.push(message);
      const reply = await this.say(message);
      if (reply === 'silence') return;
      response.statusCode = reply.status ?? 200;
      response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body));
    });
  }

  static async start(set: CertificateSet, approver: Pair, say: ScriptedWebhook['say']): Promise<ScriptedWebhook> {
    const webhook = new ScriptedWebhook(set, approver, say);
    await new Promise<void>(resolve => webhook.#server.listen(0, '127.0.0.1', resolve));
    return webhook;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}/approve`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A proper approval, with members replaced by a test. */
export function approval(question: Question, signer: Pair, changes: Record<string, unknown> = {}): Reply {
  const digest = question.received_request.digest;
  const customer_approval_id = 'CHG-2026-000481';
  const signature = signDetached(signer.privateKey, digest + customer_approval_id);
  const { authorization_request_id } = question;
  return {
    body: { authorization_request_id, decision: 'approved', customer_approval_id, digest, signature, ...changes },
  };
}
