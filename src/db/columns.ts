import { BlobType, p } from '@mikro-orm/core';
import { newId } from '../core/ids.ts';

/**
 * The words that entities are written in. Each is chosen so that SQLite, MariaDB and MySQL keep the same value:
 * numbers are integers below 2^53 (a decimal loses digits on SQLite; money is integer minor units), text sorts by code
 * point, instants have milliseconds and are UTC. NUL in text is refused by core/schema: SQLite cannot hold it.
 */

const idLength = 40;

/** The primary key: `<prefix>_<ulid>`, made on creation. */
export const id = (prefix: string) =>
  p
    .string()
    .length(idLength)
    .primary()
    .onCreate(() => newId(prefix));

/** The id of a row elsewhere. `references` in the entity's definition makes a foreign key of it. */
export const idOf = () => p.string().length(idLength);

/** One line of at most `length` characters. Keep it trimmed: MySQL compares without trailing spaces, SQLite with them. */
export const line = (length: number) => p.string().length(length);

/** Up to 16 MB of text. `p.text()` alone is 64 KB on MySQL, whatever its length says. */
export const longText = () => p.text().columnType('mediumtext');

/** Up to 16 MB of bytes. */
export const bytes = () => p.blob().columnType('mediumblob').$type<Buffer>();

/** A hash or MAC of 32 bytes, as 64 lowercase hex digits: can be indexed on every database. */
export const hash = () => p.string().length(64);

/** Marks the column, for reseal.ts to find. */
export class SealedType extends BlobType {}

/** What core/seal made of a secret; its associated data names this table, column, row (its id) and organisation. */
export const sealed = () => p.type(SealedType).columnType('mediumblob').$type<Buffer>();

export const instant = () => p.datetime(3);

export const createdAt = () => p.datetime(3);

/** Integer from -2^53 to 2^53. MariaDB reports a default of '0' as 0: that is no difference of schemas. */
export const integer = () => p.bigint('number').ignoreSchemaChanges('default');

export const flag = () => p.boolean();

export const json = <T>() => p.json<T>();

/** Optimistic lock: counted up with every update. */
export const version = () => p.integer().version();

/** One of a few words. Stored as text without a database enum: adding a word needs no migration. */
export const oneOf = <const W extends string>(..._words: W[]) => p.string().length(40).$type<W>();
