import type { Database } from './orm.ts';

/** Inserts the rows whose key is not there yet, outside any transaction. Answers how many that were. */
export async function insertIfAbsent(
  db: Database,
  table: string,
  rows: Record<string, unknown> | Record<string, unknown>[],
): Promise<number> {
  const insert = db.kysely().insertInto(table).values(rows);
  const careful = db.kind === 'mysql' ? insert.ignore() : insert.onConflict(conflict => conflict.doNothing());
  const { numInsertedOrUpdatedRows } = await careful.executeTakeFirst();
  return Number(numInsertedOrUpdatedRows ?? 0);
}
