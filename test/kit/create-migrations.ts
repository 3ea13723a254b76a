import { spawnSync } from 'node:child_process';
import { createConnection } from 'mysql2/promise';
import { entities } from '../../src/app.ts';
import { createMigration } from '../../src/db/create-migration.ts';
import { startMariaDb } from './mariadb.ts';

/**
 * Writes the migrations of both dialects that bring the tables to today's entities: `node test/kit/create-migrations.ts`.
 * With `--initial` it replaces all by one per dialect, which is for the time before the first release.
 */
const initial = process.argv.includes('--initial');
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
