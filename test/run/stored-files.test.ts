import { hash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { AuthorizationRequest } from '../../src/areas/approvals/entities.ts';
import { SecureMessage } from '../../src/areas/secure-email/entities.ts';
import { Content, OctetContent } from '../../src/core/content.ts';
import { Blob, BlobChunk, storeContent } from '../../src/db/blobs.ts';
import { sealedValues, startResealing } from '../../src/resealing.ts';
import { type Kit, startKit } from '../kit/app.ts';
import { startNode } from '../kit/nodes.ts';
import { rejection } from '../kit/rejection.ts';

/** As large as many chunks, and like no other. */
const file = () => randomBytes(700_000);
const mailWith = (...contents: Buffer[]) => ({
  from: 'billing@acme.test',
  to: ['patient@example.com'],
  subject: 'Your statement',
  body_html: '<p>It is attached.</p>',
  attachments: contents.map((content, index) => ({
    filename: `${index}.pdf`,
    content_type: 'application/pdf',
    content: content.toString('base64'),
  })),
});

describe('the files of a request', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());
  afterEach(() => {
    kit.responder.decide = () => 'approve';
  });

  const system = () => kit.app.db.fork('system');
  const filesOf = (ownerId: string, size: number) => system().find(Blob, { ownerId, size });
  const counts = () => Promise.all([system().count(Blob, {}), system().count(BlobChunk, {})]);
  const send = (mail: object, overrides = {}) => kit.rest.call('POST', '/v3/secure-email/send', mail, overrides);
  /** Held, and not decided before `decide` is called. */
  async function hold(mail: object) {
    const { promise, resolve: decide } = Promise.withResolvers<'approve' | 'deny'>();
    kit.responder.decide = () => promise;
    const { body } = await send(mail, { prefer: 'respond-async' });
    return { id: String(body.authorization_request_id), decide };
  }
  async function ended(id: string): Promise<AuthorizationRequest> {
    for (let i = 0; i < 1000; i++) {
      const row = await system().findOneOrFail(AuthorizationRequest, { id });
      if (row.state !== 'pending' && row.state !== 'approved') return row;
      await sleep(20);
    }
    throw new Error(`${id} never ended`);
  }

  it('are stored once: what a held request waits with is what its mail adopts', async () => {
    const content = file();
    const { id, decide } = await hold(mailWith(content));
    const [held, ...others] = await filesOf(id, content.length);
    expect(others).to.deep.equal([]);
    decide('approve');
    expect((await ended(id)).state).to.equal('executed');
    const { ownerId } = await system().findOneOrFail(Blob, { id: held!.id });
    expect(await system().count(SecureMessage, { id: ownerId! })).to.equal(1);
    expect(await filesOf(id, content.length)).to.deep.equal([]);
  });

  it('go with a request that is denied, or that fails when it runs', async () => {
    await kit.settle();
    const before = await counts();
    const denied = await hold(mailWith(file(), file()));
    denied.decide('deny');
    expect((await ended(denied.id)).state).to.equal('denied');
    const failed = await hold({ ...mailWith(file()), from: 'x@nobody.test' });
    failed.decide('approve');
    expect((await ended(failed.id)).state).to.equal('failed');
    expect(await counts()).to.deep.equal(before);
  });

  it('go at once with a request that is refused before it is held', async () => {
    const lone = await kit.organization('Lone', {
      unapproved: true,
      certificate: kit.set.otherPartner,
      domain: 'lone.test',
    });
    const before = await counts();
    const { status, body } = await lone.rest.call('POST', '/v3/secure-email/send', {
      ...mailWith(file()),
      from: 'a@lone.test',
    });
    expect([status, body.error]).to.deep.equal([403, 'approval_unavailable']);
    expect(await counts()).to.deep.equal(before);
  });

  it('are known to an Idempotency-Key by their octets: the same are the same request, others are not', async () => {
    const content = file();
    const idempotencyKey = 'with-a-file';
    const first = await send(mailWith(content), { idempotencyKey });
    expect(first.status).to.equal(200);
    const before = await counts();
    const again = await send(mailWith(content), { idempotencyKey });
    expect(again.body.message_id).to.equal(first.body.message_id);
    const other = Buffer.from(content);
    other[0]! ^= 1;
    expect((await send(mailWith(other), { idempotencyKey })).body.error).to.equal('idempotency_conflict');
    expect(await counts(), 'nothing was stored for the retries').to.deep.equal(before);
  });

  it('are two mails’ own when two requests at once bring the same ones', async () => {
    const content = file();
    const answers = await Promise.all([send(mailWith(content)), send(mailWith(content))]);
    const owned = answers.map(({ body }) => filesOf(String(body.message_id), content.length));
    const [[a], [b]] = (await Promise.all(owned)) as [Blob[], Blob[]];
    expect([a, b]).to.not.include(undefined);
    expect(a!.id).to.not.equal(b!.id);
  });

  it('are read under another master key than they were stored under, while the request waits', async () => {
    const { id, decide } = await hold(mailWith(file()));
    const masterKeys = `2:${randomBytes(32).toString('base64')},${kit.config.masterKeys}`;
    const other = await startKit({ beside: kit, config: { masterKeys } });
    try {
      await startResealing(other.app.parts);
      await other.settle();
      const { sealed } = await sealedValues(other.app.parts);
      expect(sealed.filter(({ table, key }) => table === 'blob_chunks' && key === 1)).to.deep.equal([]);
      decide('approve');
      expect((await ended(id)).state).to.equal('executed');
    } finally {
      await other.close();
      // The node without the new key may have been the first to try.
      kit.errors.length = 0;
    }
  });

  it('that were changed while the request waited stop it: what was approved is not there any more', async () => {
    const content = file();
    const { id, decide } = await hold(mailWith(content));
    const [held] = await filesOf(id, content.length);
    const other = await storeContent(
      kit.app.db,
      kit.app.services.keyring,
      kit.tenant.id,
      new OctetContent(randomBytes(content.length)),
    );
    const mails = await system().count(SecureMessage, {});
    // Whoever can write into the database has no key: the best that he can do is to exchange what is sealed elsewhere.
    const chunks = await system().find(BlobChunk, { blobId: other.blob }, { orderBy: { number: 'asc' } });
    for (const { number, data } of chunks) {
      await system().nativeUpdate(BlobChunk, { blobId: held!.id, number }, { data });
    }
    decide('approve');
    await sleep(500);
    expect((await rejection(kit.app.run.resume(id))).message).to.not.contain('no operation');
    expect(await system().count(SecureMessage, {})).to.equal(mails);
    await system().nativeUpdate(AuthorizationRequest, { id }, { state: 'lapsed' });
    kit.errors.length = 0;
  });

  it('let other requests commit while they are stored', async () => {
    /** Goes on in its middle only when another request has been answered, whose nonce is a commit of its own. */
    class Waiting extends Content {
      readonly #octets = randomBytes(3_000_000);
      readonly size = this.#octets.length;
      readonly sha256 = hash('sha256', this.#octets);
      readonly answered: number[] = [];

      async *open(): AsyncGenerator<Buffer> {
        for (let at = 0; at < this.size; at += 1_000_000) {
          yield this.#octets.subarray(at, at + 1_000_000);
          this.answered.push((await kit.rest.call('GET', '/v3/scopes')).status);
        }
      }
    }
    const waiting = new Waiting();
    await storeContent(kit.app.db, kit.app.services.keyring, kit.tenant.id, waiting);
    expect(waiting.answered).to.deep.equal([200, 200, 200]);
  });

  it('of a node that was killed while it stored them are purged after an hour, and not before', async () => {
    await kit.settle();
    const large = randomBytes(20_000_000);
    const before = await counts();
    const node = await startNode(kit, kit.config);
    const lost = node
      .as(kit.tenant)
      .call('POST', '/v3/secure-email/send', mailWith(large))
      .catch(() => 'lost');
    for (let i = 0; (await system().count(BlobChunk, {})) < before[1]! + 8; i++) {
      if (i > 2000) throw new Error('nothing was stored');
      await sleep(5);
    }
    await node.kill();
    expect(await lost).to.equal('lost');
    const left = await system().find(Blob, { ownerId: null, chunks: 0 });
    expect(left).to.have.length(1);
    kit.clock.advance(30 * 60_000);
    await kit.settle();
    expect(await system().count(Blob, { id: left[0]!.id })).to.equal(1);
    kit.clock.advance(45 * 60_000);
    await kit.settle();
    const { id } = left[0]!;
    expect([await system().count(Blob, { id }), await system().count(BlobChunk, { blobId: id })]).to.deep.equal([0, 0]);
  });
});
