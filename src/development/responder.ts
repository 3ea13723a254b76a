import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { signDetached, verifyDetached } from '../core/detached-signature.ts';
import { canonicalString, sha256Hex } from '../core/request-signature.ts';

/**
 * DEVELOPMENT ONLY: an approval webhook of the kind that a customer runs, which approves whatever Bastion proves to have
 * asked. It shows what a real one has to do; a real one also shows the request to somebody who decides.
 */
export type Verdict = 'approve' | 'deny' | 'ignore';

/** One authorization request as it arrived, and what was made of it. */
export interface ReceivedAuthorization {
  readonly id: string;
  readonly operation: string;
  /** The exact text that an approval is bound to. */
  readonly authorization: string;
  readonly digest: string;
  /** Signed by Bastion's certificate, over this body and address. */
  readonly verified: boolean;
  /** The digest is that of the text. */
  readonly digestHolds: boolean;
  readonly customerApprovalId: string;
}

export interface ResponderOptions {
  /** PEM texts of the HTTPS listener. */
  readonly tls: { readonly certificate: string; readonly key: string };
  /** PEM of the key whose certificate is registered for `approval`. */
  readonly approval: { readonly key: string };
  /** PEM of the certificate that Bastion signs its requests with. */
  readonly bastionCertificate: string;
  readonly host?: string;
  readonly port?: number;
  /** Its clock; the system's when absent. */
  readonly now?: () => Date;
}

export class ApprovalResponder {
  readonly requests: ReceivedAuthorization[] = [];
  /** What to answer; `ignore` keeps the connection open and says nothing. */
  decide: (request: ReceivedAuthorization) => Verdict | Promise<Verdict> = () => 'approve';
  readonly #server: Server;
  readonly #options: ResponderOptions;
  readonly #bastion: X509Certificate;
  readonly #approvalKey: KeyObject;
  readonly #seen = new Set<string>();

  private constructor(options: ResponderOptions) {
    this.#options = options;
    this.#bastion = new X509Certificate(options.bastionCertificate);
    this.#approvalKey = createPrivateKey(options.approval.key);
    this.#server = createServer({ cert: options.tls.certificate, key: options.tls.key }, (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(options: ResponderOptions): Promise<ApprovalResponder> {
    const responder = new ApprovalResponder(options);
    await new Promise<void>((resolve, reject) => {
      responder.#server.once('error', reject);
      responder.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => resolve());
    });
    return responder;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `https://${this.#options.host ?? '127.0.0.1'}:${port}/approvals`;
  }

  async close(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const message = JSON.parse(body) as Record<string, unknown>;
    const verified = this.#isBastion(request, body);
    if (message.type === 'approval_webhook.challenge')
      return this.#prove(response, String(message.challenge), verified);
    const received = receive(message, verified);
    this.requests.push(received);
    const verdict = received.verified && received.digestHolds ? await this.decide(received) : 'deny';
    if (verdict !== 'ignore') reply(response, this.#decision(received, verdict));
  }

  /** Signs nothing but a challenge of Bastion's: whoever could choose the text would have an approval signed. */
  #prove(response: ServerResponse, challenge: string, verified: boolean): void {
    if (!verified || !challenge.startsWith('BASTION-APPROVAL-WEBHOOK\n')) response.writeHead(403).end();
    else reply(response, { challenge, signature: this.#sign(challenge) });
  }

  #decision({ id, digest, customerApprovalId }: ReceivedAuthorization, verdict: 'approve' | 'deny') {
    const decision = { authorization_request_id: id, customer_approval_id: customerApprovalId, digest };
    if (verdict === 'deny') return { ...decision, decision: 'denied' };
    return { ...decision, decision: 'approved', signature: this.#sign(digest + customerApprovalId) };
  }

  /** Signature version 2, by the certificate that we were told is Bastion's, fresh and not seen before. */
  #isBastion({ method, url, headers }: IncomingMessage, body: string): boolean {
    const header = (name: string): string => String(headers[name] ?? '');
    const timestamp = header('bastion-timestamp');
    const nonce = header('bastion-nonce');
    const signed = canonicalString(2, {
      method: method ?? '',
      target: url ?? '',
      timestamp,
      nonce,
      bodyHash: sha256Hex(body),
      host: header('host'),
      contentType: header('content-type'),
    });
    const now = this.#options.now?.() ?? new Date();
    const fresh = Math.abs(now.getTime() / 1000 - Number(timestamp)) <= 60 && !this.#seen.has(nonce);
    this.#seen.add(nonce);
    return fresh && verifyDetached(this.#bastion.publicKey, signed, header('bastion-signature'));
  }

  #sign(content: string): string {
    return signDetached(this.#approvalKey, content);
  }
}

function receive(message: Record<string, unknown>, verified: boolean): ReceivedAuthorization {
  const { authorization_request_id, operation, received_request, authorization } = message as {
    authorization_request_id: string;
    operation: string;
    received_request: { digest: string };
    authorization: string;
  };
  return {
    id: authorization_request_id,
    operation,
    authorization,
    digest: received_request.digest,
    verified,
    digestHolds: received_request.digest === `sha256:${sha256Hex(authorization)}`,
    customerApprovalId: `DEV-${authorization_request_id}`,
  };
}

function reply(response: ServerResponse, answer: object): void {
  const body = JSON.stringify(answer);
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }).end(body);
}
