import { spawnSync } from 'node:child_process';
import { createConnection } from 'mysql2/promise';
import { entities } from '../../src/app.ts';
import { createMigration } from '../../src/db/create-migration.ts';
import { openDatabase } from '../../src/db/orm.ts';
import { startMariaDb } from './mariadb.ts';

/**
 * Writes the migrations of both dialects that bring the tables to today's entities: `node test/kit/create-migrations.ts`.
 * With `--initial` it replaces all by one per dialect, which is for the time before the first release. With `--check` it
 * writes nothing and fails when there would be something to write.
 */
async function create(initial: boolean): Promise<void> {
  const server = await startMariaDb();
  try {
    const connection = await createConnection(server.url);
    await connection.query('create database bastion character set utf8mb4 collate utf8mb4_bin');
    await connection.end();
    for (const url of ['sqlite::memory:', `${server.url}bastion`]) {
      const name = await createMigration(entities, url, { initial });
      console.log(name ? `wrote ${name}` : 'nothing has changed');
    }
  } finally {
    await server.stop();
  }
  spawnSync('biome', ['format', '--write', 'src/db/migrations'], { stdio: 'inherit' });
}

/** On SQLite alone: it needs no server, and both dialects are written together. */
async function check(): Promise<void> {
  const db = await openDatabase({ url: 'sqlite::memory:', entities });
  await db.migrate();
  const difference = await db.orm.schema.getUpdateSchemaSQL();
  await db.close();
  if (difference === '') return;
  console.error(`The migrations lack:\n${difference}\nRun: node test/kit/create-migrations.ts`);
  process.exitCode = 1;
}

if (process.argv.includes('--check')) await check();
else await create(process.argv.includes('--initial'));
