import type { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:https';
import { ApiKey, ClientCertificate } from '../areas/access/entities.ts';
import type { Caller, Door } from '../core/caller.ts';
import { storedCertificate } from '../core/certificates.ts';
import { Refusal } from '../core/errors.ts';
import type { Services } from '../core/services.ts';
import type { UsedOnce } from '../db/once.ts';
import type { Database, EntityManager } from '../db/orm.ts';
import { AllowedAddresses } from './allowed-addresses.ts';
import { type Arrival, arrivalOf, isProxy } from './arrival.ts';
import { type BodyLeases, BodyRoom } from './body-room.ts';
import { guardConnections } from './connections.ts';
import {
  type Claimed,
  type Identified,
  identify,
  identifyCertificate,
  inForce,
  type RequestCertificate,
  requestCertificate,
} from './identity.ts';
import { type Allowance, Limits } from './limits.ts';
import { certificatesOf, findRegistrations } from './records.ts';
import { capacities } from './room.ts';
import { type Stranger, Strangers } from './strangers.ts';

interface GateParts {
  readonly db: Database;
  readonly services: Services;
  readonly once: UsedOnce;
  /** SHA-256 thumbprints of TLS proxies, whose word on the client's certificate and address is taken. */
  readonly proxyThumbprints: readonly string[];
  /** Requests a minute and key. */
  readonly rateLimit: number;
}

/** What the signature covered, and what the headers ask for beside it. */
export interface Proven {
  readonly digest: string;
  /** The certificate that made it, when it is not that of the connection. */
  readonly signer?: RequestCertificate | undefined;
  readonly idempotencyKey: string | undefined;
  readonly prefer: string | undefined;
}

const rememberedMs = 10 * 60_000;
const lastUsedEveryMs = 60_000;

/**
 * Who is calling. The doors take its steps in order: admit (address), identify (certificate, address, key), count the body
 * and read it, verify the signature (by their own kind), spend the nonce or replay key, count, make the caller. Each step
 * throws the Refusal of its class; the first that fails is the answer.
 */
export class Gate {
  readonly #parts: GateParts;
  readonly #proxies: ReadonlySet<string>;
  readonly #addresses: AllowedAddresses;
  readonly #limits: Limits;
  readonly #strangers: Strangers;
  readonly #bodies = new BodyRoom(capacities.bodies);
  readonly #spooled = new BodyRoom(capacities.spooled);
  readonly #noted = new Map<string, number>();
  #noting: Promise<unknown> = Promise.resolve();

  constructor(parts: GateParts) {
    const { db, services } = parts;
    this.#parts = parts;
    this.#proxies = new Set(parts.proxyThumbprints);
    this.#limits = new Limits(db, parts.rateLimit);
    this.#strangers = new Strangers(services);
    this.#addresses = new AllowedAddresses(db, error =>
      services.log.error({ err: error }, 'the allowlists could not be read; those from before stay in use'),
    );
  }

  async start(): Promise<void> {
    await this.#addresses.start();
  }

  async stop(): Promise<void> {
    await this.#addresses.stop();
    await this.#noting;
    this.#strangers.sumUp();
    await this.#limits.close();
  }

  /** Takes changed allowlists into use at once; otherwise it takes a second. */
  reloadAddresses(): Promise<void> {
    return this.#addresses.reload();
  }

  /** Step 0: how many connections a listener keeps, before anything is known of them but their address. */
  guard(door: Door, server: Server): void {
    guardConnections(server, {
      isListed: address => this.#addresses.has(address),
      isProxy: socket => isProxy(socket, this.#proxies),
      onRefused: () => this.#parts.services.metrics.connectionsRefused.inc({ door }),
    });
  }

  /** Counts and logs the refusal of whoever did not become a caller. */
  refused(stranger: Stranger, refusal: Refusal): void {
    this.#strangers.refused(stranger, refusal);
  }

  /** Step 1, in memory: the source address stands in some allowlist, and sends no more than one should. */
  admit(request: IncomingMessage, facts: { door: Door; requestId: string; receivedAt: Date }): Arrival {
    const arrival = arrivalOf(request, facts, this.#proxies);
    if (arrival.address === undefined || !this.#addresses.has(arrival.address))
      throw new Refusal('address_not_allowed');
    this.#limits.admitAddress(arrival.address);
    return arrival;
  }

  /** Step 2. Throws 400, 401 or 403. */
  identify(arrival: Arrival, claimed: Claimed): Promise<Identified> {
    return identify(this.#parts, arrival, claimed);
  }

  /** Step 2 without a key: for what needs a registered certificate and an allowed address only. */
  identifyCertificate(arrival: Arrival): Promise<Pick<RequestCertificate, 'thumbprint'>> {
    return identifyCertificate(this.#parts, arrival);
  }

  /** Step 3: the certificate's bucket, before the body is asked for; answers the room that the body may take. */
  admitBody({ thumbprint }: Pick<RequestCertificate, 'thumbprint'>): BodyLeases {
    this.#limits.admitCertificate(thumbprint);
    return { room: this.#bodies.open(thumbprint), disk: this.#spooled.open(thumbprint) };
  }

  /** The certificate so named with which the identified organisation, or one above it, signs requests now; else 401. */
  async signer(
    { line, arrival }: Identified,
    isNamed: (certificate: X509Certificate) => boolean,
  ): Promise<RequestCertificate> {
    const registered = await certificatesOf(this.#parts.db, line);
    const named = registered.filter(({ pem }) => isNamed(storedCertificate(pem)));
    return requestCertificate((await inForce(this.#parts, arrival, named))[0]!);
  }

  /** The certificate with this thumbprint if some organisation signs requests with it now; else 401. */
  async anySigner(thumbprint: string): Promise<RequestCertificate> {
    const registered = await findRegistrations(this.#parts.db, thumbprint);
    const receivedAt = this.#parts.services.clock.now();
    return requestCertificate((await inForce(this.#parts, { receivedAt }, registered))[0]!);
  }

  /** Step 5 of signed HTTP requests. The signer's nonces are its own; the key does not matter. */
  async spendNonce({ certificate, arrival }: Identified, nonce: string): Promise<void> {
    const first = await this.#spend(arrival, 'nonce', `${certificate.thumbprint} ${nonce}`);
    if (!first) throw new Refusal('nonce_reused');
  }

  /** Step 5 of signed messages. `replayKey` is made of the signer and all that was signed. */
  async spendReplayKey(arrival: Arrival, replayKey: string): Promise<void> {
    const first = await this.#spend(arrival, 'message', replayKey);
    if (!first) {
      throw new Refusal(
        'replayed',
        'This signed message has been received before. Two messages with equal content and a clock of whole seconds look alike: sign a unique wsa:MessageID, or milliseconds.',
      );
    }
  }

  #spend({ receivedAt }: Arrival, kind: string, key: string): Promise<boolean> {
    return this.#parts.once.use(kind, key, new Date(receivedAt.getTime() + rememberedMs));
  }

  /** Step 6, first half: counts the request. Its headers belong on every answer from here on. */
  count({ key }: Identified): Promise<Allowance> {
    return this.#limits.count(key.id);
  }

  /** Step 6: the caller, if what it acts on is in standing and within its limit. Throws 404, 403 or 429. */
  caller(identified: Identified, allowance: Allowance, proven: Proven): Caller {
    const { arrival, acting, key, certificate } = identified;
    const { signer = certificate } = proven;
    const organization = acting?.at(-1);
    if (!acting || !organization) throw new Refusal('not_found');
    if (acting.some(each => each.status !== 'active')) throw new Refusal('organization_suspended');
    this.#requireRegion(acting.findLast(each => each.dataRegion !== null)?.dataRegion);
    if (allowance.retryAfter !== undefined) {
      throw new Refusal('rate_limited', undefined, { retryAfter: allowance.retryAfter });
    }
    const used = { lastUsedAt: arrival.receivedAt };
    this.#noteUse(key.id, used, em => em.nativeUpdate(ApiKey, { id: key.id }, used));
    for (const id of new Set([certificate.id, signer.id])) {
      this.#noteUse(id, used, em => em.nativeUpdate(ClientCertificate, { id }, used));
    }
    return {
      door: arrival.door,
      requestId: arrival.requestId,
      address: identified.address,
      organization: { id: organization.id, path: organization.path },
      key: {
        id: key.id,
        name: key.name,
        organizationId: key.organizationId,
        organizationPath: key.organizationPath,
        scopes: identified.scopes,
        memberId: key.memberId ?? null,
        bound: key.boundPath !== undefined,
      },
      certificate: { id: certificate.id, thumbprint: certificate.thumbprint },
      ...(signer.id !== certificate.id && { signer: { id: signer.id, thumbprint: signer.thumbprint } }),
      request: { method: arrival.request.method!, path: arrival.request.url!, digest: proven.digest },
      idempotencyKey: idempotencyKey(proven.idempotencyKey),
      respondAsync: prefers(proven.prefer, 'respond-async'),
      receivedAt: arrival.receivedAt,
    };
  }

  /** A node that is configured with a region serves only what belongs there; data without a region may be anywhere. */
  #requireRegion(region: string | null | undefined): void {
    const { dataRegion } = this.#parts.services.settings;
    if (dataRegion !== undefined && region && region !== dataRegion) throw new Refusal('region_mismatch');
  }

  /** Once a minute, node and credential, beside the request: nobody waits for it, and nothing depends on it. */
  #noteUse(id: string, { lastUsedAt }: { lastUsedAt: Date }, write: (em: EntityManager) => Promise<unknown>): void {
    const now = lastUsedAt.getTime();
    if (now - (this.#noted.get(id) ?? 0) < lastUsedEveryMs) return;
    if (this.#noted.size > 10_000) this.#noted.clear();
    this.#noted.set(id, now);
    const noted = this.#noting.then(() => write(this.#parts.db.fork('system')));
    this.#noting = noted.catch(error => {
      this.#parts.services.log.warn({ err: error, credential: id }, 'the last use of a credential was not noted');
    });
  }
}

function idempotencyKey(value: string | undefined): string | undefined {
  if (value === undefined || /^[!-~]{1,255}$/.test(value)) return value;
  throw new Refusal('malformed', 'Idempotency-Key must be 1 to 255 printable characters without spaces.');
}

/** RFC 7240: preferences are separated by commas, their parameters by semicolons. */
function prefers(header: string | undefined, preference: string): boolean {
  return (header ?? '').split(',').some(each => each.split(/[;=]/, 1)[0]!.trim().toLowerCase() === preference);
}
