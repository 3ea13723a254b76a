import type { Logger } from 'pino';
import type { Link } from './chain.ts';
import { ocspRequest, readOcspAnswer, responderOf } from './ocsp.ts';
import type { Outbound } from './outbound.ts';

/** What an operator said of the certificates beneath an approved authority. */
export interface ResponderPolicy {
  /** What happens without an answer: `closed` refuses, `open` accepts. */
  readonly without: 'closed' | 'open';
  /** Answers for what the authority itself issued; absent: whom the certificate names. */
  readonly url?: string;
}

export type Standing = 'good' | 'revoked' | 'unknown';

interface Entry {
  readonly standing: Standing;
  /** The standing counts until then. */
  readonly until: number;
  /** From then on it is asked again, while the standing still counts. */
  readonly askFrom: number;
}

const deadlineMs = 4000;
const mostOctets = 64 * 1024;
/** A responder that fails is left alone for a while: neither it nor our callers gain by asking at every request. */
const afterFailureMs = 30_000;
/** How long an answer counts that does not say so itself. */
const undatedMs = 10 * 60_000;
const mostKept = 10_000;
/** The operator wrote the address, and may mean a host of the own network. */
export const anyNetwork = ['0.0.0.0/0', '::/0'];

/** What responders said of certificates, asked once for as long as it counts. */
export class OcspAnswers {
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<void>>();
  readonly #outbound: Outbound;
  readonly #log: Logger;

  constructor({ outbound, log }: { outbound: Outbound; log: Logger }) {
    this.#outbound = outbound;
    this.#log = log;
  }

  /** As far as it is known, and until when that counts. */
  standing(subject: Link, issuer: Link, now: Date): Pick<Entry, 'standing' | 'until'> {
    const entry = this.#entries.get(keyOf(subject, issuer));
    return entry && now.getTime() < entry.until ? entry : { standing: 'unknown', until: now.getTime() };
  }

  /** Asks what is not known. An answer that still counts is renewed in its last quarter, and nobody waits for that. */
  async learn(subject: Link, issuer: Link, url: string | undefined, now: Date, changed: () => void): Promise<void> {
    const key = keyOf(subject, issuer);
    const entry = this.#entries.get(key);
    if (entry && now.getTime() < entry.askFrom) return;
    const asked = this.#asking.get(key) ?? this.#ask(key, subject, issuer, url, now).then(changed);
    this.#asking.set(key, asked);
    const done = asked.finally(() => this.#asking.delete(key));
    if (!entry || now.getTime() >= entry.until) await done;
  }

  async #ask(key: string, subject: Link, issuer: Link, url: string | undefined, now: Date): Promise<void> {
    const earlier = this.standing(subject, issuer, now);
    if (this.#entries.size >= mostKept) this.#entries.clear();
    try {
      this.#entries.set(key, await this.#answer(subject, issuer, url, now));
    } catch (error) {
      const askFrom = now.getTime() + afterFailureMs;
      const { standing, until } = earlier;
      this.#entries.set(key, { standing, until: Math.max(until, standing === 'unknown' ? askFrom : 0), askFrom });
      const { profile, certificate } = subject;
      const about = { subject: certificate.subject, serial: profile.serialNumber, err: error };
      this.#log.warn(about, 'a responder did not say whether a certificate is revoked');
    }
  }

  async #answer(subject: Link, issuer: Link, url: string | undefined, now: Date): Promise<Entry> {
    const named = url ?? responderOf(subject.certificate);
    if (named === undefined) throw new Error('neither the operator nor the certificate names a responder');
    const { status, body } = await this.#outbound.request({
      url: named,
      method: 'POST',
      headers: { 'Content-Type': 'application/ocsp-request', Accept: 'application/ocsp-response' },
      body: ocspRequest(subject, issuer),
      deadlineMs,
      maxBytes: mostOctets,
      allowPrivate: url === undefined ? [] : anyNetwork,
      // The answer is signed, and TLS to a responder would need a revocation check of its own (RFC 6960, A.1).
      plainHttp: true,
    });
    if (status !== 200) throw new Error(`the responder answered ${status}`);
    const answer = readOcspAnswer(body, subject, issuer, now);
    const until = answer.nextUpdate ?? now.getTime() + undatedMs;
    return { standing: answer.status, until, askFrom: now.getTime() + (until - now.getTime()) * 0.75 };
  }
}

const keyOf = (subject: Link, issuer: Link): string => `${issuer.thumbprint} ${subject.profile.serialNumber}`;
