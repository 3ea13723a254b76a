import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Keyring, type MasterKey } from '../../src/core/seal.ts';
import { BlobChunk, readBlob, writeBlob } from '../../src/db/blobs.ts';
import type { Database } from '../../src/db/orm.ts';
import { countSealed, foreignKeys, resealBatch, sealedColumns } from '../../src/db/reseal.ts';
import { restrict } from '../../src/db/restrict.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { acme } from './entities.ts';

const master = (id: number): MasterKey => ({ id, bytes: randomBytes(32) });
const [first, second] = [master(1), master(2)];
const before = new Keyring([first]);
const after = new Keyring([second, first]);
const place = { table: 'blob_chunks', column: 'data', row: 'elsewhere', organization: '' };
const chunks = { table: 'blob_chunks', column: 'data' };

describe('resealing', () => {
  let db: Database;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ db, close } = await freshDatabase());
  });
  afterEach(() => close());

  const write = (keyring: Keyring, text: string) =>
    transaction(db, acme, em => writeBlob(restrict(em, acme.id), keyring, acme.id, 'row_1', Buffer.from(text)));
  const open = async (keyring: Keyring, id: string) =>
    String(await read(db, acme, em => readBlob(restrict(em, acme.id), keyring, acme.id, id)));
  const reseal = (from = '') => transaction(db, 'system', em => resealBatch(em, after, chunks, from));
  const counts = async () => Object.fromEntries((await countSealed(db)).map(({ key, values }) => [key, values]));

  it('finds its columns in the entities', () => {
    expect(sealedColumns(db)).to.deep.equal([chunks]);
  });

  it('puts what an older key sealed under the writing one, where it opens in its own place only', async () => {
    const [a, b] = [await write(before, 'one'), await write(before, 'two')];
    expect(await counts()).to.deep.equal({ 1: 2 });
    expect(await reseal()).to.deep.equal({ next: undefined, unopened: [] });
    expect(await counts()).to.deep.equal({ 2: 2 });
    const alone = new Keyring([second]);
    expect([await open(alone, a), await open(alone, b)]).to.deep.equal(['one', 'two']);
    const { data } = await db.fork('system').findOneOrFail(BlobChunk, { blobId: a });
    await db.fork('system').nativeUpdate(BlobChunk, { blobId: b }, { data });
    expect(await open(alone, b).catch(() => 'closed')).to.equal('closed');
  });

  it('tells a key that bears a number that another one sealed under, and not one beneath which a value is damaged', async () => {
    const other = new Keyring([{ ...first, bytes: randomBytes(32) }]);
    expect(await foreignKeys(db, other)).to.deep.equal([]);
    const damaged = await write(before, 'one');
    await write(before, 'two');
    expect(await foreignKeys(db, other)).to.deep.equal([1]);
    expect(await foreignKeys(db, after)).to.deep.equal([]);
    await db.fork('system').nativeUpdate(BlobChunk, { blobId: damaged }, { data: other.seal(place, Buffer.from('x')) });
    expect(await foreignKeys(db, after)).to.deep.equal([]);
  });

  it('goes on where it stopped, and leaves alone what is under the writing key', async () => {
    for (let n = 0; n < 60; n++) await write(n % 6 === 0 ? after : before, String(n));
    const { next } = await reseal();
    expect(await counts()).to.deep.equal({ 2: 60 });
    expect((await reseal(next)).next).to.equal(undefined);
    const stored = await db.fork('system').find(BlobChunk, {});
    await reseal();
    const again = await db.fork('system').find(BlobChunk, {});
    expect(again.map(({ data }) => data.toString('hex'))).to.deep.equal(stored.map(({ data }) => data.toString('hex')));
  });

  it('names what does not open and goes past it', async () => {
    const broken = await write(before, 'broken');
    const whole = await write(before, 'whole');
    const { id, data } = await db.fork('system').findOneOrFail(BlobChunk, { blobId: broken });
    data[data.length - 1]! ^= 1;
    await db.fork('system').nativeUpdate(BlobChunk, { id }, { data });
    expect(await reseal()).to.deep.equal({ next: undefined, unopened: [id] });
    expect(await counts()).to.deep.equal({ 1: 1, 2: 1 });
    expect(await open(new Keyring([second]), whole)).to.equal('whole');
  });
});
