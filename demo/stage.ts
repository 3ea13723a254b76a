import type { RelaySink, SunkMail } from '../src/development/relay-sink.ts';
import type { ApprovalResponder } from '../src/development/responder.ts';

/** What the players are given: what a customer gets from Bastion, and the customer's own responder and mail server. */
export interface Stage {
  readonly restOrigin: string;
  readonly soapOrigin: string;
  /** PEM of the authority that the server's TLS certificate chains to. */
  readonly ca: string;
  /** PEM of the certificate that Bastion signs SOAP answers and authorization requests with. */
  readonly bastionCertificate: string;
  /** PEM texts of the customer's registered request certificate. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly apiKey: string;
  readonly organizationId: string;
  /** An address on the organisation's verified domain. */
  readonly sender: string;
  readonly responder: ApprovalResponder;
  readonly sink: RelaySink;
}

/** Polls until it holds, for at most ten seconds: mail leaves after the answer. */
export async function eventually<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T | undefined> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found !== undefined || Date.now() > deadline) return found;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

export const arrived = (stage: Stage, messageId: string): Promise<SunkMail | undefined> =>
  eventually(() => stage.sink.mails.find(({ raw }) => raw.toString('latin1').includes(`Message-ID: <${messageId}@`)));
