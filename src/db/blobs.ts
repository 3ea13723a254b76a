import { createHash } from 'node:crypto';
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { InferEntity } from '@mikro-orm/core';
import { Content, type OpenStored } from '../core/content.ts';
import { newId } from '../core/ids.ts';
import type { TenantEntityManager } from '../core/operation.ts';
import type { Keyring, Place } from '../core/seal.ts';
import { createdAt, id, idOf, integer, line, sealed } from './columns.ts';
import type { Database } from './orm.ts';
import { tenantEntity } from './tenancy.ts';
import { read, transaction } from './transaction.ts';

/** A body or attachment of any size, in the database so that every node can read it. */
export const Blob = tenantEntity({
  name: 'Blob',
  tableName: 'blobs',
  properties: {
    id: id('blob'),
    /** The row that it belongs to, and goes with. A file has none until what it came with commits. */
    ownerId: idOf().nullable(),
    size: integer(),
    /** 0 until the last one is written. */
    chunks: integer(),
    createdAt: createdAt(),
  },
  indexes: [{ properties: ['organizationId', 'ownerId'] }, { properties: ['ownerId', 'createdAt'] }],
});
export type Blob = InferEntity<typeof Blob>;

export const BlobChunk = tenantEntity({
  name: 'BlobChunk',
  tableName: 'blob_chunks',
  properties: {
    /** `<blob>:<number>`, from 0; the last one ends with `:last`. It is sealed in, so that no blob can be cut off. */
    id: line(60).primary(),
    blobId: idOf(),
    number: integer(),
    data: sealed(),
  },
  references: { blobId: () => Blob },
});

const chunkSize = 256 * 1024;

/** Written in one transaction of a file's own: what others wait for on the embedded database. */
const chunksAtOnce = 4;

interface Measured {
  readonly size: number;
  readonly sha256: string;
}

/** A file in the database. As JSON it is its reference, which a held request keeps. */
export class StoredContent extends Content {
  readonly blob: string;
  readonly size: number;
  readonly sha256: string;
  /** Who may hand it on: the held request that it waits with, or nobody yet. */
  readonly owner: string | null;
  readonly open: () => AsyncIterable<Buffer>;

  constructor(reference: Measured & { readonly blob: string }, owner: string | null, open: StoredContent['open']) {
    super();
    this.blob = reference.blob;
    this.size = reference.size;
    this.sha256 = reference.sha256;
    this.owner = owner;
    this.open = open;
  }

  toJSON(): Measured & { blob: string } {
    return { blob: this.blob, size: this.size, sha256: this.sha256 };
  }
}

export const openStored =
  (db: Database, keyring: Keyring): OpenStored =>
  (organizationId, blobId) =>
    streamBlob(db.fork({ id: organizationId, path: organizationId }), keyring, organizationId, blobId);

/**
 * Stores a file ahead of the transaction that will adopt it, in short ones, so that nobody waits for the whole of it. Until it is
 * adopted it belongs to nothing, and the purge takes it.
 *
 * @throws Error when the file is not what it was measured to be
 */
export async function storeContent(
  db: Database,
  keyring: Keyring,
  organizationId: string,
  content: Content,
): Promise<StoredContent> {
  const blob = newId('blob');
  const within = (work: (em: TenantEntityManager) => Promise<unknown>) =>
    transaction(db, { id: organizationId, path: organizationId }, work);
  try {
    await within(em => em.insert(Blob, emptyBlob(blob, organizationId, null)));
    const sum = createHash('sha256');
    let [size, chunks] = [0, 0];
    for await (const plain of batches(content.open(), chunksAtOnce)) {
      for (const octets of plain) {
        sum.update(octets);
        size += octets.length;
      }
      const last = size === content.size ? plain.length - 1 : undefined;
      const rows = plain.map((octets, at) =>
        sealedChunk(keyring, organizationId, blob, chunks + at, octets, at === last),
      );
      await within(async em => {
        for (const row of rows) await em.insert(BlobChunk, row);
      });
      chunks += rows.length;
    }
    if (size !== content.size || sum.digest('hex') !== content.sha256)
      throw new Error('a file is not what was measured');
    await within(em => em.nativeUpdate(Blob, { id: blob }, { size, chunks }));
    const open = openStored(db, keyring);
    return new StoredContent({ blob, size, sha256: content.sha256 }, null, () => open(organizationId, blob));
  } catch (error) {
    await dropUnowned(db, organizationId, blob).catch(() => {});
    throw error;
  }
}

/**
 * Makes a stored file the owner's, in the owner's transaction; answers the blob's id. Of all that try, one gets it.
 *
 * @throws Error when it has been adopted by another, or purged
 */
export async function adopt(em: TenantEntityManager, content: Content, ownerId: string): Promise<string> {
  if (!(content instanceof StoredContent)) throw new Error('only a stored file can be adopted');
  const { blob, owner } = content;
  const free = { id: blob, ownerId: owner, chunks: { $gt: 0 } };
  if ((await em.nativeUpdate(Blob, free, { ownerId })) !== 1) throw new Error(`${blob} cannot be adopted`);
  return blob;
}

/** Writes what is in memory, at once, in the open transaction and for its owner. Answers the blob's id. */
export async function writeBlob(
  em: TenantEntityManager,
  keyring: Keyring,
  organizationId: string,
  ownerId: string,
  content: Buffer,
): Promise<string> {
  const blobId = newId('blob');
  const chunks = Math.max(1, Math.ceil(content.length / chunkSize));
  await em.insert(Blob, { ...emptyBlob(blobId, organizationId, ownerId), size: content.length, chunks });
  for (let number = 0; number < chunks; number++) {
    const plain = content.subarray(number * chunkSize, (number + 1) * chunkSize);
    await em.insert(BlobChunk, sealedChunk(keyring, organizationId, blobId, number, plain, number === chunks - 1));
    // SQLite and the cipher answer at once: without a pause a large body would hold up everybody else's requests.
    await othersTurn();
  }
  return blobId;
}

/** Throws when a chunk is missing, was changed, or stands elsewhere than it was written. */
export async function* streamBlob(
  em: TenantEntityManager,
  keyring: Keyring,
  organizationId: string,
  blobId: string,
): AsyncGenerator<Buffer> {
  const blob = await em.findOneOrFail(Blob, { id: blobId, organizationId });
  for (let number = 0; number < blob.chunks; number++) {
    const id = chunkId(blobId, number, number === blob.chunks - 1);
    const [chunk] = await em.find(BlobChunk, { id, organizationId }, { disableIdentityMap: true });
    if (!chunk) throw new Error(`${blobId} lacks chunk ${number}`);
    yield keyring.open(place(organizationId, id), chunk.data);
    await othersTurn();
  }
}

export async function readBlob(
  em: TenantEntityManager,
  keyring: Keyring,
  organizationId: string,
  blobId: string,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of streamBlob(em, keyring, organizationId, blobId)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** With their owner, in the transaction that ends it. */
export async function deleteOwned(
  em: Pick<TenantEntityManager, 'find' | 'nativeDelete'>,
  organizationId: string,
  ownerId: string,
): Promise<void> {
  const blobs = await em.find(Blob, { organizationId, ownerId }, { fields: ['id'], disableIdentityMap: true });
  for (const { id } of blobs) await deleteBlob(em, organizationId, id);
}

const unownedForMs = 60 * 60 * 1000;
const mostAtOnce = 100;

/** Deletes what nobody has adopted within an hour: no request takes as long, so its node was killed. */
export async function purgeUnowned(db: Database): Promise<void> {
  const before = new Date((await db.now()).getTime() - unownedForMs);
  const left = await read(db, 'system', em =>
    em.find(Blob, { ownerId: null, createdAt: { $lt: before } }, { limit: mostAtOnce, orderBy: { createdAt: 'asc' } }),
  );
  for (const { id, organizationId } of left) await dropUnowned(db, organizationId, id);
}

/** Deletes the blob unless it has an owner. It becomes its own first, so that nobody adopts it meanwhile. */
export async function dropUnowned(db: Database, organizationId: string, id: string): Promise<void> {
  await transaction(db, 'system', async em => {
    if ((await em.nativeUpdate(Blob, { id, organizationId, ownerId: null }, { ownerId: id })) === 1)
      await deleteBlob(em, organizationId, id);
  });
}

async function deleteBlob(
  em: Pick<TenantEntityManager, 'nativeDelete'>,
  organizationId: string,
  blobId: string,
): Promise<void> {
  // One by one: how many there are is written down only at the end.
  for (let number = 0; (await em.nativeDelete(BlobChunk, { blobId, organizationId, number })) > 0; number++) {
    await othersTurn();
  }
  await em.nativeDelete(Blob, { id: blobId, organizationId });
}

const emptyBlob = (id: string, organizationId: string, ownerId: string | null) => ({
  id,
  organizationId,
  ownerId,
  size: 0,
  chunks: 0,
  createdAt: new Date(),
});

type ChunkRow = Pick<InferEntity<typeof BlobChunk>, 'id' | 'organizationId' | 'blobId' | 'number' | 'data'>;

function sealedChunk(
  keyring: Keyring,
  organizationId: string,
  blobId: string,
  number: number,
  plain: Buffer,
  last: boolean,
): ChunkRow {
  const id = chunkId(blobId, number, last);
  return { id, organizationId, blobId, number, data: keyring.seal(place(organizationId, id), plain) };
}

const chunkId = (blobId: string, number: number, last: boolean): string => `${blobId}:${number}${last ? ':last' : ''}`;

const place = (organization: string, row: string): Place => ({
  table: 'blob_chunks',
  column: 'data',
  row,
  organization,
});

/** Pieces of any size as lists of whole chunks; the last of all may be shorter, and is there even when it is empty. */
async function* batches(content: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer[]> {
  let batch: Buffer[] = [];
  for await (const chunk of chunksOf(content)) {
    batch.push(chunk);
    if (batch.length < most) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function* chunksOf(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let held = 0;
  let any = false;
  for await (const piece of content) {
    pieces.push(piece);
    held += piece.length;
    if (held < chunkSize) continue;
    const octets = Buffer.concat(pieces);
    const whole = held - (held % chunkSize);
    for (let at = 0; at < whole; at += chunkSize) yield octets.subarray(at, at + chunkSize);
    any = true;
    pieces = [octets.subarray(whole)];
    held -= whole;
  }
  if (held > 0 || !any) yield Buffer.concat(pieces);
}
