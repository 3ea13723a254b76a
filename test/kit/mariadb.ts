import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';

/**
 * A throw-away MariaDB. As a program it runs a command against one: `node test/kit/mariadb.ts npx mocha`, with
 * BASTION_TEST_DATABASE_URL set; where no mariadbd is installed it says so and succeeds.
 */
export interface MariaDb {
  /** `mysql://root@127.0.0.1:<port>/`, without a database name. */
  readonly url: string;
  stop(): Promise<void>;
}

export function mariaDbInstalled(): boolean {
  return spawnSync('mariadbd', ['--version']).status === 0;
}

export async function startMariaDb(): Promise<MariaDb> {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bastion-mariadb-'));
  const port = await freePort();
  install(folder);
  const server = spawn('mariadbd', serverArguments(folder, port), { stdio: 'ignore' });
  const exited = new Promise<void>(resolve => server.once('exit', () => resolve()));
  const url = `mysql://root@127.0.0.1:${port}/`;
  const stop = async () => {
    server.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilReady(url, () => server.exitCode !== null);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

function install(folder: string): void {
  const { status, stderr } = spawnSync('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${folder}/data`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--skip-name-resolve',
    ...asRoot(),
  ]);
  if (status !== 0) throw new Error(`mariadb-install-db: ${stderr}`);
}

const serverArguments = (folder: string, port: number): string[] => [
  '--no-defaults',
  `--datadir=${folder}/data`,
  `--socket=${folder}/s.sock`,
  `--pid-file=${folder}/pid`,
  `--port=${port}`,
  '--bind-address=127.0.0.1',
  '--skip-name-resolve',
  '--skip-log-bin',
  '--performance-schema=OFF',
  '--innodb-flush-log-at-trx-commit=0',
  '--max-connections=400',
  ...asRoot(),
];

const asRoot = (): string[] => (process.getuid?.() === 0 ? ['--user=root'] : []);

async function untilReady(url: string, gone: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200 && !gone(); attempt++) {
    try {
      const connection = await createConnection(url);
      return await connection.end();
    } catch {
      await sleep(50);
    }
  }
  throw new Error('mariadbd did not come up');
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise(resolve => probe.close(resolve));
  return port;
}

async function runAgainstMariaDb([command, ...args]: string[]): Promise<number> {
  if (!mariaDbInstalled()) {
    console.log('mariadbd is not installed: these tests were not run on MariaDB');
    return 0;
  }
  const server = await startMariaDb();
  try {
    const env = { ...process.env, BASTION_TEST_DATABASE_URL: server.url };
    const child = spawn(command!, args, { stdio: 'inherit', env });
    return await new Promise<number>(resolve => child.once('exit', code => resolve(code ?? 1)));
  } finally {
    await server.stop();
  }
}

if (import.meta.main) process.exitCode = await runAgainstMariaDb(process.argv.slice(2));
