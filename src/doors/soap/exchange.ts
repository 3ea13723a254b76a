import type { IncomingMessage as HttpRequest } from 'node:http';
import type { Caller } from '../../core/caller.ts';
import { asRefusal, Refusal } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';
import type { Services } from '../../core/services.ts';
import type { BodyLease } from '../../gate/body-room.ts';
import type { Allowance } from '../../gate/limits.ts';
import { bearerToken, singleHeaders } from '../../gate/signature.ts';
import { checkAddressing } from './addressing.ts';
import { Spool } from './attachments.ts';
import { treeOctets } from './envelope.ts';
import { withElementNames } from './faults.ts';
import { commonNamespace, type SoapArea, type SoapOperation } from './model.ts';
import { type IncomingMessage, messageLimits, readMessage } from './multipart.ts';
import { checkPolicy, type Partner } from './partner.ts';
import { ReceivedParts } from './received-parts.ts';
import { type AnswerSigner, type Asked, answer, type Reply, signedFault, strangerFault } from './reply.ts';
import type { TokenReference } from './token.ts';
import { type SignedBody, type SoapContext, verifyEnvelope, verifyLargeEnvelope } from './verify.ts';

/** One HTTP request on its way in. */
export interface Visit {
  readonly request: HttpRequest;
  readonly requestId: string;
  /** When the headers arrived. */
  readonly receivedAt: Date;
  /** Tells a sender who asked (`Expect: 100-continue`) that the headers have passed and the body may come. */
  proceed(): void;
}

/** The gate's steps in the order in which this door takes them; `Identity` is the gate's own record. */
export interface SoapGate<Identity> {
  /** Step 1: the source address and its bucket, before anything is read. */
  admit(visit: Visit): void;
  /** The TLS certificate and the address alone, for whoever shows no key (yet). */
  admitCertificate(visit: Visit): Promise<void>;
  /** Steps 2 and 3: certificate, address, key and acting organisation belong together. */
  identify(visit: Visit, claimed: { apiKey: string; orgId: string | undefined }): Promise<Identity>;
  /** Of whoever did not become a caller: to be counted and logged. */
  refused(visit: Visit, refusal: Refusal): void;
  /** Where the envelope's octets are counted, once its certificate has been; closed when they are needed no more. */
  room(visit: Visit): BodyLease;
  /** The same of the attachments', which lie on the disk. */
  disk(visit: Visit): BodyLease;
  /** Whether the identity acts on another organisation than the one that its key is of. */
  actsForAnother(identity: Identity): boolean;
  /** The signer, if it is a certificate that the organisation (any, when not known yet) signs requests with. */
  resolveSigner(identity: Identity | undefined, reference: TokenReference): Promise<Partner | undefined>;
  /** Step 5: throws `replayed` the second time. */
  spend(identity: Identity, body: SignedBody<Partner>): Promise<void>;
  /** Step 6, first half. Its headers belong on every answer from here on. */
  count(identity: Identity): Promise<Allowance>;
  /** Step 6. */
  caller(identity: Identity, allowance: Allowance, visit: Visit, body: SignedBody<Partner>): Caller;
}

type Outcome = { kind: 'done'; output: unknown } | { kind: 'held'; authorizationRequestId: string };

export interface ExchangeParts<Identity> {
  readonly gate: SoapGate<Identity>;
  /** `read` gives the input, or throws what was wrong with it. */
  readonly run: (operation: Operation, caller: Caller, read: () => unknown) => Promise<Outcome>;
  readonly services: Pick<Services, 'clock' | 'settings' | 'log' | 'metrics'>;
  readonly signer: AnswerSigner;
}

export interface Answered extends Reply {
  readonly headers: Readonly<Record<string, string>>;
}

/** One SOAP message and its answer. Every refusal becomes a fault, signed as soon as the sender is proven. */
export async function exchange<I>(parts: ExchangeParts<I>, area: SoapArea, visit: Visit): Promise<Answered> {
  const journey = new Journey(parts, area, visit);
  const stop = parts.services.metrics.requestSeconds.startTimer({ door: 'soap' });
  try {
    const reply = await journey.travel();
    journey.count('done');
    return { ...reply, headers: journey.headers };
  } catch (error) {
    const refusal = asRefusal(error);
    journey.refused(refusal, error);
    const retry: Record<string, string> = {};
    if (refusal.retryAfter !== undefined) retry['Retry-After'] = String(refusal.retryAfter);
    return { ...(await journey.fault(refusal)), headers: { ...journey.headers, ...retry } };
  } finally {
    stop();
  }
}

/** Octets of an envelope that take the event loop about ten milliseconds when they are markup throughout. */
const heldUpBy = 64 * 1024;

class Journey<I> {
  readonly #parts: ExchangeParts<I>;
  readonly #area: SoapArea;
  readonly #visit: Visit;
  /** Set when the message could not be decoded; it names elements already. */
  #undecodable: Refusal | undefined;
  /** Set when the sender is proven. */
  #asked: Asked | undefined;
  /** There is a caller: what happens now is told of it, by the run. */
  #isKnown = false;
  /** Name of the operation, once it is known. */
  #operation = 'unknown';
  headers: Readonly<Record<string, string>> = {};

  constructor(parts: ExchangeParts<I>, area: SoapArea, visit: Visit) {
    this.#parts = parts;
    this.#area = area;
    this.#visit = visit;
  }

  async travel(): Promise<Reply> {
    const { gate, signer, services } = this.#parts;
    const claimed = await this.#admit();
    const early = claimed.apiKey === undefined ? undefined : await this.#identify(claimed);
    using room = gate.room(this.#visit);
    using disk = gate.disk(this.#visit);
    const counting = { by: room };
    this.#visit.proceed();
    const message = await this.#read(octets => counting.by.take(octets));
    // So much will the tree of the envelope take, which is built before anybody is proven.
    room.take(treeOctets(message.root.octets));
    counting.by = disk;
    using body = await this.#verify(early, message);
    const { identity, partner } = await this.#prove(early, claimed, body);
    const asked = { body, partner, related: message.root.contentId !== undefined, now: services.clock.now() };
    // A Body that waits for its parts is verified with them; until then anybody could have written it.
    if (body.reconstituted.size === 0) this.#asked = asked;
    const operation = this.#find(body);
    await using spool = new Spool();
    const parts = await ReceivedParts.receive(message, body, spool);
    this.#asked = asked;
    const read = await this.#decode(operation, body, parts);
    await gate.spend(identity, body);
    const allowance = await gate.count(identity);
    this.headers = allowance.headers;
    const caller = gate.caller(identity, allowance, this.#visit, body);
    this.#isKnown = true;
    return answer(signer, operation, await this.#run(operation, caller, read), asked);
  }

  async fault(refusal: Refusal): Promise<Reply> {
    const { requestId } = this.#visit;
    if (this.#asked === undefined) return strangerFault(refusal, requestId);
    return signedFault(this.#parts.signer, refusal, requestId, this.#asked);
  }

  count(outcome: string): void {
    this.#parts.services.metrics.requests.inc({ operation: this.#operation, door: 'soap', outcome });
  }

  refused(refusal: Refusal, error: unknown): void {
    const { gate, services } = this.#parts;
    const { requestId } = this.#visit;
    if (refusal.code === 'internal') services.log.error({ err: error, requestId }, 'a SOAP message failed');
    if (!this.#isKnown) gate.refused(this.#visit, refusal);
    else this.count(refusal.code === 'approval_pending' ? 'held' : refusal.code);
  }

  /** What can be judged by the headers, before the body is read. */
  async #admit(): Promise<Claimed> {
    const { gate } = this.#parts;
    gate.admit(this.#visit);
    const headers = singleHeaders(this.#visit.request.rawHeaders);
    if (headers.has('content-encoding')) throw new Refusal('unsupported_media_type', 'Send the message uncompressed.');
    const authorization = headers.get('authorization');
    if (authorization === undefined) await gate.admitCertificate(this.#visit);
    return {
      apiKey: authorization === undefined ? undefined : bearerToken(authorization),
      orgId: headers.get('bastion-org-id'),
    };
  }

  #identify({ apiKey, orgId }: Claimed): Promise<I> {
    if (apiKey === undefined) throw new Refusal('key_invalid');
    return this.#parts.gate.identify(this.#visit, { apiKey, orgId });
  }

  #read(take: (octets: number) => void): Promise<IncomingMessage> {
    const { request } = this.#visit;
    // In base64 a part takes a third more; where mails are small, other messages still have room for their envelope.
    const total = Math.max(messageLimits.total, this.#parts.services.settings.maxMailBytes * 1.5);
    return readMessage(request, request.headers['content-type'], take, { ...messageLimits, total });
  }

  #verify(early: I | undefined, message: IncomingMessage): Promise<SignedBody<Partner>> {
    const verify = message.root.octets.length > heldUpBy ? verifyLargeEnvelope : verifyEnvelope;
    return verify(message.root, {
      receivedAt: this.#visit.receivedAt,
      contextNamespace: commonNamespace,
      resolve: reference => this.#parts.gate.resolveSigner(early, reference),
      early: (contentId, limit) => message.early(contentId, limit),
    });
  }

  /** The identity that the headers and the signed Context agree on, and its own registration of the signer. */
  async #prove(early: I | undefined, claimed: Claimed, body: SignedBody<Partner>): Promise<Proven<I>> {
    const context = body.context ?? { apiKey: undefined, orgId: undefined };
    const agreed = { apiKey: agree(claimed, context, 'apiKey'), orgId: agree(claimed, context, 'orgId') };
    const isSame = agreed.apiKey === claimed.apiKey && agreed.orgId === claimed.orgId;
    const proven =
      early !== undefined && isSame
        ? { identity: early, partner: body.signer }
        : await this.#identifyAgain(agreed, body);
    // HTTP headers are not signed here, so they alone cannot direct a message at another organisation.
    if (context.orgId === undefined && this.#parts.gate.actsForAnother(proven.identity)) {
      throw new Refusal('signature_invalid', undefined, { cause: new Error('orgId is not in a signed Context') });
    }
    checkPolicy(body, proven.partner);
    return proven;
  }

  async #identifyAgain(agreed: Claimed, { signer: { certificate } }: SignedBody): Promise<Proven<I>> {
    const identity = await this.#identify(agreed);
    const partner = await this.#parts.gate.resolveSigner(identity, { kind: 'certificate', certificate, path: [] });
    if (partner === undefined) throw new Refusal('certificate_invalid');
    return { identity, partner };
  }

  /** From the signed Body, never from SOAPAction or the address. */
  #find({ operationName: element, addressing }: SignedBody): SoapOperation {
    const operation = element.namespace === this.#area.namespace && this.#area.operations.get(element.local);
    if (!operation)
      throw new Refusal('malformed', `There is no operation {${element.namespace}}${element.local} here.`);
    this.#operation = operation.name;
    const to = this.#parts.services.settings.soapUrl + this.#area.path;
    checkAddressing(addressing, { to, action: operation.action });
    return operation;
  }

  /**
   * The input, for the run to read after it has looked at the scope. What cannot be decoded is refused there too, so that the
   * refusal is counted, limited and audited like every other.
   */
  async #decode({ namespace, name, request }: SoapOperation, body: SignedBody, parts: ReceivedParts) {
    try {
      const input = parts.putInto(await body.decode({ namespace, name, request }));
      return () => input;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#undecodable = error;
      return () => {
        throw error;
      };
    }
  }

  async #run({ operation, request }: SoapOperation, caller: Caller, read: () => unknown): Promise<unknown> {
    const outcome = await this.#parts.run(operation, caller, read).catch((error: unknown) => {
      const isTold = error === this.#undecodable || !(error instanceof Refusal);
      throw isTold ? error : withElementNames(error, request);
    });
    if (outcome.kind === 'done') return outcome.output;
    const { authorizationRequestId } = outcome;
    throw new Refusal('approval_pending', undefined, { authorizationRequestId });
  }
}

interface Proven<I> {
  readonly identity: I;
  readonly partner: Partner;
}

interface Claimed {
  readonly apiKey: string | undefined;
  readonly orgId: string | undefined;
}

/** Said twice, it must be said alike. */
function agree(headers: Claimed, context: SoapContext, what: keyof Claimed): string | undefined {
  const [outer, inner] = [headers[what], context[what]];
  if (outer !== undefined && inner !== undefined && outer !== inner) {
    throw new Refusal('key_invalid', undefined, { cause: new Error(`${what} differs between HTTP and Context`) });
  }
  return inner ?? outer;
}
