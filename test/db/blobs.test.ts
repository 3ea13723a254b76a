import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Keyring } from '../../src/core/seal.ts';
import { Blob, BlobChunk, deleteBlob, readBlob, streamBlob, writeBlob } from '../../src/db/blobs.ts';
import type { Database } from '../../src/db/orm.ts';
import { restrict } from '../../src/db/restrict.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, rival } from './entities.ts';

const keyring = new Keyring([{ id: 1, bytes: randomBytes(32) }]);
const chunk = 256 * 1024;

describe('a blob', () => {
  let db: Database;
  let close: () => Promise<void>;

  before(async () => {
    ({ db, close } = await freshDatabase());
  });
  after(() => close());

  const write = (content: Buffer | AsyncIterable<Buffer>) =>
    transaction(db, acme, em => writeBlob(restrict(em, acme.id), keyring, acme.id, content));
  const readBack = (id: string) => read(db, acme, em => readBlob(restrict(em, acme.id), keyring, acme.id, id));

  for (const size of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk]) {
    it(`of ${size} bytes comes back as it was`, async () => {
      const content = randomBytes(size);
      expect((await readBack(await write(content))).equals(content)).to.equal(true);
    });
  }

  it('is written from a stream of pieces of any size, and read as a stream of chunks', async () => {
    const content = randomBytes(2 * chunk + 1000);
    const id = await write(
      (async function* () {
        for (let offset = 0; offset < content.length; offset += 10_007) yield content.subarray(offset, offset + 10_007);
      })(),
    );
    const sizes: number[] = [];
    for await (const piece of streamBlob(db.fork(acme), keyring, acme.id, id)) sizes.push(piece.length);
    expect(sizes).to.deep.equal([chunk, chunk, 1000]);
    expect((await readBack(id)).equals(content)).to.equal(true);
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

  it('leaves nothing behind when it is deleted', async () => {
    const id = await write(randomBytes(chunk + 1));
    await transaction(db, acme, em => deleteBlob(em, acme.id, id));
    expect(await db.fork(acme).count(BlobChunk, { blobId: id })).to.equal(0);
    expect(await db.fork(acme).count(Blob, { id })).to.equal(0);
  });

  it('is not there when its transaction was rolled back', async () => {
    const before = await db.fork(acme).count(BlobChunk, {});
    await rejection(
      transaction(db, acme, async em => {
        await writeBlob(em, keyring, acme.id, randomBytes(10));
        throw new Error('rolled back');
      }),
    );
    expect(await db.fork(acme).count(BlobChunk, {})).to.equal(before);
  });
});
