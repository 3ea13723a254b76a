import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { dlpEntities } from '../../../src/areas/dlp/entities.ts';
import { Domain, DomainKey, Organization, organizationEntities } from '../../../src/areas/organizations/entities.ts';
import { secureEmailEntities } from '../../../src/areas/secure-email/entities.ts';
import { deliverSecureEmail } from '../../../src/areas/secure-email/jobs.ts';
import { newId } from '../../../src/core/ids.ts';
import type { ActContext, JobContext } from '../../../src/core/job.ts';
import type { HandleContext, Operation, ReadingContext } from '../../../src/core/operation.ts';
import { Keyring } from '../../../src/core/seal.ts';
import type { Services } from '../../../src/core/services.ts';
import { openStored } from '../../../src/db/blobs.ts';
import { restrict } from '../../../src/db/restrict.ts';
import { transaction } from '../../../src/db/transaction.ts';
import type { RelaySink } from '../../../src/development/relay-sink.ts';
import type { Relay } from '../../../src/mail/deliver.ts';
import { withStoredFiles } from '../../../src/run/files.ts';
import type { Request } from '../../../src/run/request.ts';
import { freshDatabase } from '../../kit/database.ts';

export interface Tenant {
  readonly id: string;
  readonly path: string;
}

interface Waiting {
  readonly data: { organization_id: string; message_id: string; attempts: number };
  readonly at: Date | undefined;
}

/** The area on a real database, without doors: what it enqueues and emits is kept, its job runs when a test says so. */
export class PostRoom {
  now = new Date('2026-07-02T14:03:00Z');
  relay: Relay = { host: '127.0.0.1', port: 1 };
  readonly waiting: Waiting[] = [];
  readonly events: { type: string; payload: Record<string, unknown> }[] = [];
  readonly dkim = generateKeyPairSync('rsa', { modulusLength: 2048 });
  readonly #keyring = new Keyring([{ id: 1, bytes: randomBytes(32) }]);
  readonly #store: Awaited<ReturnType<typeof freshDatabase>>;

  private constructor(store: Awaited<ReturnType<typeof freshDatabase>>) {
    this.#store = store;
  }

  static async open(): Promise<PostRoom> {
    return new PostRoom(await freshDatabase([...organizationEntities, ...dlpEntities, ...secureEmailEntities]));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** An organisation with a verified domain, a claimed one, and a DKIM key. */
  async tenant(domain: string): Promise<Tenant> {
    const id = newId('org');
    const times = { createdAt: this.now, updatedAt: this.now };
    await transaction(this.#store.db, 'system', async em => {
      em.create(Organization, { id, parentId: null, path: id, name: domain, status: 'active', settings: {}, ...times });
    });
    await this.act({ id, path: id }, async ({ em }) => {
      const claim = { verificationToken: 't', verifiedAt: null, createdAt: this.now };
      const verified = { domain, verifiedDomain: domain, status: 'verified' as const };
      const { id: domainId } = em.create(Domain, { id: newId('dom'), ...claim, ...verified });
      em.create(Domain, { id: newId('dom'), ...claim, domain: `claimed.${domain}`, status: 'pending' });
      const key = newId('dk');
      const place = { table: 'domain_keys', column: 'private_key', row: key, organization: id };
      const pem = this.dkim.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      em.create(DomainKey, {
        id: key,
        domainId,
        selector: 'b1',
        algorithm: 'rsa',
        publicKey: 'p',
        privateKey: this.#keyring.sealText(place, pem),
        createdAt: this.now,
      });
    });
    return { id, path: id };
  }

  /** One transaction bound to the organisation, as operations and jobs get it. */
  act<T>(organization: Tenant, fn: (context: ActContext) => Promise<T>): Promise<T> {
    return transaction(this.#store.db, organization, async em => {
      const result = await fn({
        em: restrict(em, organization.id),
        organization,
        now: this.now,
        emit: (type, payload) => this.events.push({ type, payload }),
        enqueue: async (_job, data, options) => {
          this.waiting.push({ data: data as Waiting['data'], at: options?.at });
        },
        services: this.#services(),
      });
      await em.flush();
      return result;
    });
  }

  /** Runs an operation as `run` does after access and approval. */
  async call(op: Operation, organization: Tenant, input: Record<string, unknown>): Promise<Record<string, unknown>> {
    const parsed = op.input.parse(input);
    await op.check?.({ services: this.#services() } as ReadingContext, parsed);
    const request = { op, organization, input: parsed } as unknown as Request;
    const parts = { db: this.#store.db, services: this.#services() };
    const answer = await withStoredFiles(parts, request, ({ input: stored }) =>
      this.act(organization, context => op.handle(context as HandleContext, stored, undefined)),
    );
    return (op.output as z.ZodObject).parse(answer);
  }

  /** Runs the delivery job that waits longest. `crash` ends the run right after the named step, as SIGKILL would. */
  async deliver({
    jobId = newId('job'),
    data = this.waiting.shift()!.data,
    crash = undefined as Crash,
  } = {}): Promise<void> {
    let acts = 0;
    const context: JobContext = {
      id: jobId,
      attempt: 1,
      signal: new AbortController().signal,
      services: this.#services(),
      act: async (organizationId, _actor, fn) => {
        acts += 1;
        if (crash === 'before the result' && acts === 2) throw new Killed();
        const result = await this.act({ id: organizationId, path: organizationId }, fn);
        if (crash === 'after the claim' && acts === 1) throw new Killed();
        return result;
      },
      actOnce: () => Promise.reject(new Error('not used')),
      markEffect: () => Promise.reject(new Error('not used')),
    };
    await deliverSecureEmail.handle(context, data).catch(error => {
      if (!(error instanceof Killed)) throw error;
    });
  }

  use(sink: { relay: Relay; sink: RelaySink }): RelaySink {
    this.relay = sink.relay;
    return sink.sink;
  }

  #services(): Services {
    const settings = { relay: this.relay, mxHost: 'mx.bastion.example', maxMailBytes: 25 * 1024 * 1024 };
    const keyring = this.#keyring;
    return {
      keyring,
      openStored: openStored(this.#store.db, keyring),
      clock: { now: () => this.now },
      settings,
    } as unknown as Services;
  }
}

type Crash = 'after the claim' | 'before the result' | undefined;

class Killed extends Error {}
