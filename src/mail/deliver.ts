import { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { Message } from './dkim.ts';

/** The relay that mail leaves through. TLS is not a choice: from the first byte, or STARTTLS before anything is said. */
export interface Relay {
  readonly host: string;
  readonly port: number;
  readonly implicitTls?: boolean;
  readonly user?: string;
  readonly password?: string;
  /** PEM of a private CA that the relay's certificate chains to; the system's authorities when absent. */
  readonly ca?: string;
}

export interface Envelope {
  readonly from: string;
  readonly to: readonly string[];
}

/**
 * What became of it. `accepted`: the relay took responsibility (RFC 5321 4.2.5). `deferred`: not taken, may be tried
 * again. `refused`: never will be. `uncertain`: everything was sent and no reply came back, so the relay may have it.
 */
export type OutcomeKind = 'accepted' | 'deferred' | 'refused' | 'uncertain';

export interface RecipientOutcome {
  readonly address: string;
  readonly kind: OutcomeKind;
  /** The relay's reply line, or why there was none. */
  readonly reply: string;
}

export interface Outcome {
  /** The strongest kind that any recipient met, in the order accepted, uncertain, deferred, refused. */
  readonly kind: OutcomeKind;
  readonly reply: string;
  readonly recipients: readonly RecipientOutcome[];
}

/** The part of nodemailer's errors that decides an outcome. */
interface SmtpError extends Error {
  code?: string;
  command?: string;
  response?: string;
  responseCode?: number;
  permanent?: boolean;
  recipient?: string;
  rejectedErrors?: SmtpError[];
}

const timeouts = { connectionTimeout: 15_000, greetingTimeout: 15_000, socketTimeout: 60_000, dnsTimeout: 10_000 };

/** One attempt. Every way in which mail can fail to leave is an outcome; nothing is thrown. */
export async function deliver(
  relay: Relay,
  envelope: Envelope,
  message: Message,
  { name, signal }: { name: string; signal?: AbortSignal },
): Promise<Outcome> {
  const source = Readable.from(message.open(), { objectMode: false });
  const connection = connect(relay, name);
  const abort = () => connection.close();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const info = await session(connection, relay, envelope, source, message.size);
    return accepted(envelope, info);
  } catch (error) {
    return failed(envelope, error as SmtpError, source.readableEnded);
  } finally {
    signal?.removeEventListener('abort', abort);
    source.destroy();
    connection.close();
  }
}

function connect(relay: Relay, name: string): SMTPConnection {
  const tls: ConnectionOptions = { minVersion: 'TLSv1.2', rejectUnauthorized: true, ...(relay.ca && { ca: relay.ca }) };
  return new SMTPConnection({
    ...timeouts,
    host: relay.host,
    port: relay.port,
    secure: relay.implicitTls === true,
    requireTLS: true,
    name,
    tls,
    allowInternalNetworkInterfaces: true,
  });
}

interface Info {
  accepted: string[];
  response: string;
  rejectedErrors?: SmtpError[];
}

function session(
  connection: SMTPConnection,
  relay: Relay,
  envelope: Envelope,
  source: Readable,
  size: number,
): Promise<Info> {
  return new Promise((resolve, reject) => {
    connection.once('error', reject);
    // Covers every close that nodemailer reports by no error of its own, such as ours at the abort.
    connection.once('end', () => reject(new Error('The connection to the relay ended')));
    const send = () =>
      connection.send({ from: envelope.from, to: [...envelope.to], size }, source, (error, info) => {
        if (error) return reject(error);
        resolve(info as Info);
        connection.quit();
      });
    connection.connect(error => {
      if (error) return reject(error);
      if (relay.user === undefined) return send();
      connection.login({ user: relay.user, pass: relay.password ?? '' }, failure =>
        failure ? reject(failure) : send(),
      );
    });
  });
}

function accepted(envelope: Envelope, info: Info): Outcome {
  const rejected = new Map((info.rejectedErrors ?? []).map(error => [error.recipient, error]));
  const recipients = envelope.to.map((address): RecipientOutcome => {
    const error = rejected.get(address);
    return error === undefined
      ? { address, kind: 'accepted', reply: info.response }
      : { address, kind: refusal(error), reply: words(error) };
  });
  return { kind: 'accepted', reply: info.response, recipients };
}

/** `sent`: the whole message was handed to the connection, so the final dot may have arrived. */
function failed(envelope: Envelope, error: SmtpError, sent: boolean): Outcome {
  const rejected = new Map((error.rejectedErrors ?? []).map(each => [each.recipient, each]));
  const kind = error.responseCode === undefined && sent ? 'uncertain' : refusal(error);
  const recipients = envelope.to.map((address): RecipientOutcome => {
    const own = rejected.get(address);
    return own === undefined
      ? { address, kind, reply: words(error) }
      : { address, kind: refusal(own), reply: words(own) };
  });
  const strongest = recipients.some(recipient => recipient.kind === 'deferred') ? 'deferred' : kind;
  return { kind: strongest, reply: words(error), recipients };
}

/**
 * Only a 5xx to the mail itself is the end of it. A refused login, an untrusted certificate or a full queue is trouble
 * between the relay and us, and the mail must outlive it.
 */
function refusal(error: SmtpError): 'refused' | 'deferred' {
  const aboutTheMail = /^(MAIL FROM|RCPT TO|DATA)/.test(error.command ?? '');
  const tooLarge = error.code === 'EMESSAGE' && error.responseCode === undefined && error.command === 'MAIL FROM';
  return tooLarge || (aboutTheMail && error.permanent === true) ? 'refused' : 'deferred';
}

function words(error: SmtpError): string {
  return (error.response ?? error.message).replace(/\s+/g, ' ').trim().slice(0, 500);
}
