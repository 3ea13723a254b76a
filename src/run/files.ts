import type { Content } from '../core/content.ts';
import { filesOf, withFiles } from '../core/schema.ts';
import { dropUnowned, StoredContent, storeContent } from '../db/blobs.ts';
import type { Parts, Request } from './request.ts';

/**
 * Works on the request with its files in the database: committed before, so that the transaction that adopts them is a short one.
 * When the work fails, they go at once.
 */
export async function withStoredFiles<T>(
  { db, services: { keyring } }: Pick<Parts, 'db' | 'services'>,
  request: Request,
  work: (request: Request) => Promise<T>,
): Promise<T> {
  const { op, organization, input } = request;
  const stored = new Map<unknown, StoredContent>();
  try {
    for (const file of waiting(request)) stored.set(file, await storeContent(db, keyring, organization.id, file));
    if (stored.size === 0) return await work(request);
    const kept = withFiles(op.input, input, file => stored.get(file) ?? file) as Request['input'];
    return await work({ ...request, input: kept });
  } catch (error) {
    // What cannot be dropped now is purged later.
    for (const { blob } of stored.values()) await dropUnowned(db, organization.id, blob).catch(() => {});
    throw error;
  }
}

/** Those that are not stored yet: a held request's are. */
const waiting = ({ op, input }: Request): Content[] =>
  filesOf(op.input, input).filter(file => !(file instanceof StoredContent));
