import { setImmediate as othersTurn } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Keyring } from '../core/seal.ts';
import { SealedType } from './columns.ts';
import type { Database, EntityManager } from './orm.ts';

/**
 * Sealed values under another master key. The columns are those that the entities declare as `sealed()`; a value's place is its
 * table, column, row and organisation, so that nothing here knows what is sealed or why.
 */
export interface SealedColumn {
  readonly table: string;
  readonly column: string;
}

export function sealedColumns({ orm }: Database): SealedColumn[] {
  return [...orm.getMetadata().getAll().values()].flatMap(({ tableName, props }) =>
    props
      .filter(({ customType }) => customType instanceof SealedType)
      .map(({ fieldNames: [column] }) => ({ table: tableName, column: column! })),
  );
}

/** Of each column, as many rows as tell whether a key is the right one. */
const newest = 5;

/** As many rows as one transaction may hold up others for: of blobs, some megabytes. */
const batch = 50;

interface Row {
  readonly id: string;
  readonly organization_id: string;
  readonly value: Buffer;
}

export interface Resealed {
  /** Where the next batch begins; undefined when this was the last. */
  readonly next: string | undefined;
  /** Rows whose value does not open: they stay as they are. */
  readonly unopened: string[];
}

/**
 * Seals the next rows after `after` that are not under the writing key yet, in the transaction that `em` is in. A value that
 * somebody else wrote meanwhile is left alone: it was sealed by a writing key.
 */
export async function resealBatch(
  em: EntityManager,
  keyring: Keyring,
  { table, column }: SealedColumn,
  after: string,
): Promise<Resealed> {
  const db = tables(em);
  const rows = await db
    .selectFrom(table)
    .select(['id', 'organization_id', `${column} as value`])
    .where('id', '>', after)
    .where(sql`substr(${sql.ref(column)}, 1, 1)`, '<>', Buffer.of(keyring.writing))
    .orderBy('id')
    .limit(batch)
    .execute();
  const unopened: string[] = [];
  for (const { id, organization_id: organization, value } of rows as unknown as Row[]) {
    const sealed = tryReseal(keyring, { table, column, row: id, organization }, Buffer.from(value));
    if (!sealed) unopened.push(id);
    else
      await db
        .updateTable(table)
        .set({ [column]: sealed })
        .where('id', '=', id)
        .where(column, '=', value)
        .execute();
    // SQLite and the cipher answer at once; requests must come in between.
    await othersTurn();
  }
  return { next: rows.length < batch ? undefined : rows.at(-1)!.id, unopened };
}

function tryReseal(keyring: Keyring, place: Parameters<Keyring['reseal']>[0], value: Buffer): Buffer | undefined {
  try {
    return keyring.reseal(place, value);
  } catch {
    return undefined;
  }
}

/**
 * Numbers of the ring under which the newest values of the database were sealed, and do not open: the key that bears such
 * a number is another one. Single values may be damaged; a key that opens any of them is the right one.
 */
export async function foreignKeys(db: Database, keyring: Keyring): Promise<number[]> {
  const opens = new Map<number, boolean>();
  for (const { table, column } of sealedColumns(db)) {
    const rows = await (db.kysely() as ReturnType<typeof tables>)
      .selectFrom(table)
      .select(['id', 'organization_id', `${column} as value`])
      .orderBy('id', 'desc')
      .limit(newest)
      .execute();
    for (const { id, organization_id: organization, value } of rows as unknown as (Row & { value: Buffer | null })[]) {
      if (value === null || !keyring.readable.includes(value[0]!)) continue;
      const opened = tryReseal(keyring, { table, column, row: id, organization }, Buffer.from(value)) !== undefined;
      opens.set(value[0]!, opened || opens.get(value[0]!) === true);
    }
  }
  return [...opens].filter(([, opened]) => !opened).map(([key]) => key);
}

export interface SealedValues {
  readonly table: string;
  readonly column: string;
  readonly key: number;
  readonly values: number;
}

/** How many values each master key has sealed. Looks at every one of them. */
export async function countSealed(db: Database): Promise<SealedValues[]> {
  const counts: SealedValues[] = [];
  for (const { table, column } of sealedColumns(db)) {
    const key = sql<string>`hex(substr(${sql.ref(column)}, 1, 1))`;
    const rows = await db
      .kysely()
      .selectFrom(table)
      .select([key.as('key'), eb => eb.fn.countAll<number>().as('values')])
      .where(column, 'is not', null)
      .groupBy(key)
      .execute();
    for (const row of rows)
      counts.push({ table, column, key: Number.parseInt(row.key, 16), values: Number(row.values) });
  }
  return counts;
}

// biome-ignore lint/suspicious/noExplicitAny: tables named by the metadata
const tables = (em: EntityManager) => em.getKysely<any>();
