import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type AnyEntity, openDatabase } from './orm.ts';

/**
 * Writes the migration that brings the tables from the last migration to today's entities, for the dialect of `url`. With
 * `initial` all migrations of the dialect are replaced by one: only before the first release. `url` names an empty database.
 */
export async function createMigration(
  entities: readonly AnyEntity[],
  url: string,
  { initial = false }: { initial?: boolean } = {},
): Promise<string | undefined> {
  const folder = fileURLToPath(
    new URL(`migrations/${url.startsWith('sqlite:') ? 'sqlite' : 'mysql'}`, import.meta.url),
  );
  mkdirSync(folder, { recursive: true });
  if (initial) for (const file of readdirSync(folder)) rmSync(`${folder}/${file}`);
  const db = await openDatabase({ url, entities });
  try {
    if (!initial) await db.migrate();
    const { fileName } = await db.orm.migrator.create(folder, false, initial);
    return fileName || undefined;
  } finally {
    await db.close();
  }
}
