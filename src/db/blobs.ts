import { setImmediate as othersTurn } from 'node:timers/promises';
import type { InferEntity } from '@mikro-orm/core';
import { newId } from '../core/ids.ts';
import type { TenantEntityManager } from '../core/operation.ts';
import type { Keyring, Place } from '../core/seal.ts';
import { createdAt, id, idOf, integer, line, sealed } from './columns.ts';
import { tenantEntity } from './tenancy.ts';

/** A body or attachment of any size, in the database so that every node can read it. */
export const Blob = tenantEntity({
  name: 'Blob',
  tableName: 'blobs',
  properties: { id: id('blob'), size: integer(), chunks: integer(), createdAt: createdAt() },
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

/** Writes at once, in the open transaction, without holding the content in the unit of work. Answers the blob's id. */
export async function writeBlob(
  em: TenantEntityManager,
  keyring: Keyring,
  organizationId: string,
  content: Buffer | AsyncIterable<Buffer>,
): Promise<string> {
  const blobId = newId('blob');
  await em.insert(Blob, { id: blobId, organizationId, size: 0, chunks: 0, createdAt: new Date() });
  let size = 0;
  let number = 0;
  const put = async (plain: Buffer, last: boolean) => {
    const id = chunkId(blobId, number, last);
    const data = keyring.seal(place(organizationId, id), plain);
    await em.insert(BlobChunk, { id, organizationId, blobId, number, data });
    size += plain.length;
    number += 1;
    // SQLite and the cipher answer at once: without a pause a large body would hold up everybody else's requests.
    await othersTurn();
  };
  let held: Buffer | undefined;
  for await (const chunk of inChunks(content)) {
    if (held) await put(held, false);
    held = chunk;
  }
  await put(held ?? Buffer.alloc(0), true);
  await em.nativeUpdate(Blob, { id: blobId }, { size, chunks: number });
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

export async function deleteBlob(
  em: Pick<TenantEntityManager, 'nativeDelete'>,
  organizationId: string,
  blobId: string,
): Promise<void> {
  await em.nativeDelete(BlobChunk, { blobId, organizationId });
  await em.nativeDelete(Blob, { id: blobId, organizationId });
}

const chunkId = (blobId: string, number: number, last: boolean): string => `${blobId}:${number}${last ? ':last' : ''}`;

const place = (organization: string, row: string): Place => ({
  table: 'blob_chunks',
  column: 'data',
  row,
  organization,
});

async function* inChunks(content: Buffer | AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of Buffer.isBuffer(content) ? [content] : content) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let offset = 0;
    for (; rest.length - offset >= chunkSize; offset += chunkSize) yield rest.subarray(offset, offset + chunkSize);
    rest = rest.subarray(offset);
  }
  if (rest.length > 0) yield rest;
}
