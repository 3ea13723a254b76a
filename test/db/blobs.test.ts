import { hash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { Content, OctetContent } from '../../src/core/content.ts';
import { Keyring } from '../../src/core/seal.ts';
import {
  adopt,
  Blob,
  BlobChunk,
  deleteOwned,
  purgeUnowned,
  readBlob,
  StoredContent,
  storeContent,
  streamBlob,
  writeBlob,
} from '../../src/db/blobs.ts';
import type { Database } from '../../src/db/orm.ts';
import { restrict } from '../../src/db/restrict.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, rival } from './entities.ts';

const keyring = new Keyring([{ id: 1, bytes: randomBytes(32) }]);
const chunk = 256 * 1024;

/** A file that comes in pieces that fit no chunk, and may lie about itself. */
class Pieces extends Content {
  size: number;
  sha256: string;
  breaksOff = false;
  readonly #octets: Buffer;

  constructor(octets: Buffer) {
    super();
    this.#octets = octets;
    this.size = octets.length;
    this.sha256 = hash('sha256', octets);
  }

  async *open(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.#octets.length; at += 10_007) yield this.#octets.subarray(at, at + 10_007);
    if (this.breaksOff) throw new Error('broken off');
  }
}

describe('a blob', () => {
  let db: Database;
  let close: () => Promise<void>;

  before(async () => {
    ({ db, close } = await freshDatabase());
  });
  after(() => close());

  const write = (content: Buffer, owner = 'row_1') =>
    transaction(db, acme, em => writeBlob(restrict(em, acme.id), keyring, acme.id, owner, content));
  const keep = (content: Content) => storeContent(db, keyring, acme.id, content);
  const adoptAs = (owner: string, content: Content, tenant = acme) =>
    transaction(db, tenant, em => adopt(restrict(em, tenant.id), content, owner));
  const counts = () => Promise.all([db.fork(acme).count(Blob, {}), db.fork(acme).count(BlobChunk, {})]);
  const rows = async (id: string) => [
    await db.fork('system').count(Blob, { id }),
    await db.fork('system').count(BlobChunk, { blobId: id }),
  ];
  const readBack = (id: string) => read(db, acme, em => readBlob(restrict(em, acme.id), keyring, acme.id, id));

  for (const size of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk]) {
    it(`of ${size} bytes comes back as it was`, async () => {
      const content = randomBytes(size);
      expect((await readBack(await write(content))).equals(content)).to.equal(true);
    });

    it(`of ${size} bytes is stored ahead as a file, from pieces of any size, and comes back as it was`, async () => {
      const content = randomBytes(size);
      const stored = await keep(new Pieces(content));
      expect(stored.toJSON()).to.deep.equal({ blob: stored.blob, size, sha256: hash('sha256', content) });
      expect((await buffer(stored.open())).equals(content)).to.equal(true);
      expect((await readBack(stored.blob)).equals(content)).to.equal(true);
    });
  }

  it('is read as a stream of chunks', async () => {
    const id = await write(randomBytes(2 * chunk + 1000));
    const sizes: number[] = [];
    for await (const piece of streamBlob(db.fork(acme), keyring, acme.id, id)) sizes.push(piece.length);
    expect(sizes).to.deep.equal([chunk, chunk, 1000]);
  });

  const lies: Record<string, Partial<Pieces>> = {
    'is longer than it says': { size: 3 * chunk - 1 },
    'is shorter than it says': { size: 3 * chunk + 1 },
    'is empty by what it says': { size: 0 },
    'has other octets than its hash is of': { sha256: hash('sha256', 'other') },
    'breaks off': { breaksOff: true },
  };
  for (const [what, lie] of Object.entries(lies)) {
    it(`is not stored, and leaves nothing, when its file ${what}`, async () => {
      const before = await counts();
      await rejection(keep(Object.assign(new Pieces(randomBytes(3 * chunk)), lie)));
      expect(await counts()).to.deep.equal(before);
    });
  }

  it('is adopted once, by whoever comes first, within its organisation', async () => {
    const stored = await keep(new OctetContent(Buffer.from('x')));
    expect((await rejection(adoptAs('msg_0', stored, rival))).message).to.contain('cannot be adopted');
    const tries = await Promise.allSettled(['msg_1', 'msg_2', 'msg_3'].map(owner => adoptAs(owner, stored)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    await rejection(adoptAs('msg_4', stored));
  });

  it('is handed on by the request that it waits with, and by no other', async () => {
    const stored = await keep(new OctetContent(Buffer.from('x')));
    await adoptAs('areq_1', stored);
    const held = (by: string) => new StoredContent(stored.toJSON(), by, stored.open);
    await rejection(adoptAs('msg_1', held('areq_2')));
    await adoptAs('msg_1', held('areq_1'));
    expect((await db.fork(acme).findOneOrFail(Blob, { id: stored.blob })).ownerId).to.equal('msg_1');
  });

  it('cannot be adopted before it is stored whole', async () => {
    const { blob, size, sha256, open } = await keep(new OctetContent(Buffer.from('x')));
    await db.fork(acme).nativeUpdate(Blob, { id: blob }, { chunks: 0 });
    await rejection(adoptAs('msg_1', new StoredContent({ blob, size, sha256 }, null, open)));
  });

  it('that nobody adopted is purged after an hour, and what was adopted stays', async () => {
    const [left, fresh, adopted] = await Promise.all([1, 2, 3].map(n => keep(new OctetContent(Buffer.of(n)))));
    await adoptAs('msg_1', adopted!);
    const old = new Date(Date.now() - 61 * 60_000);
    await db.fork(acme).nativeUpdate(Blob, { id: { $in: [left!.blob, adopted!.blob] } }, { createdAt: old });
    await purgeUnowned(db);
    expect(await Promise.all([left!, fresh!, adopted!].map(({ blob }) => rows(blob)))).to.deep.equal([
      [0, 0],
      [1, 1],
      [1, 1],
    ]);
    await rejection(adoptAs('msg_2', left!));
  });

  it('does not exist for another organisation', async () => {
    const id = await write(Buffer.from('ours'));
    await rejection(readBlob(db.fork(rival), keyring, rival.id, id));
    await rejection(readBlob(db.fork(rival), keyring, acme.id, id));
  });

  it('is not readable in the database', async () => {
    const id = await write(Buffer.from('a secret that must not lie about'));
    const [stored] = await db.fork(acme).find(BlobChunk, { blobId: id });
    expect(stored!.data.includes('secret')).to.equal(false);
  });

  it('is refused when its chunks were swapped', async () => {
    const id = await write(randomBytes(2 * chunk));
    await transaction(db, acme, async em => {
      const [a, b] = await em.find(BlobChunk, { blobId: id }, { orderBy: { number: 'asc' } });
      [a!.data, b!.data] = [b!.data, a!.data];
    });
    await rejection(readBack(id));
  });

  it('is refused when its end was cut off', async () => {
    const id = await write(randomBytes(2 * chunk));
    await transaction(db, acme, async em => {
      await em.nativeDelete(BlobChunk, { blobId: id, number: 1 });
      await em.nativeUpdate(Blob, { id }, { chunks: 1, size: chunk });
    });
    await rejection(readBack(id));
  });

  it('is refused when a chunk in its middle is missing', async () => {
    const id = await write(randomBytes(3 * chunk));
    await transaction(db, acme, em => em.nativeDelete(BlobChunk, { blobId: id, number: 1 }));
    expect((await rejection(readBack(id))).message).to.contain('lacks chunk 1');
  });

  it('leaves nothing behind when it goes with its owner', async () => {
    const [id, other] = [await write(randomBytes(chunk + 1), 'row_2'), await write(randomBytes(10), 'row_3')];
    await transaction(db, acme, em => deleteOwned(em, acme.id, 'row_2'));
    expect([await rows(id), await rows(other)]).to.deep.equal([
      [0, 0],
      [1, 1],
    ]);
  });

  it('is not there when its transaction was rolled back', async () => {
    const before = await db.fork(acme).count(BlobChunk, {});
    await rejection(
      transaction(db, acme, async em => {
        await writeBlob(em, keyring, acme.id, 'row_4', randomBytes(10));
        throw new Error('rolled back');
      }),
    );
    expect(await db.fork(acme).count(BlobChunk, {})).to.equal(before);
  });
});
