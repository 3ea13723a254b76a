import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server as `npm start` starts it, on a data directory of its own: made, then found again. */
export async function measureStart(): Promise<{ first: number; again: number; idleMb: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'bastion-bench-'));
  const first = await startOnce(folder);
  const again = await startOnce(folder);
  rmSync(folder, { recursive: true });
  return { first: first.seconds, again: again.seconds, idleMb: again.idleMb };
}

async function startOnce(folder: string): Promise<{ seconds: number; idleMb: number }> {
  const env = {
    ...process.env,
    BASTION_DATA_DIR: folder,
    BASTION_REST_PORT: '0',
    BASTION_SOAP_PORT: '0',
    BASTION_HEALTH_PORT: '0',
  };
  const started = performance.now();
  const server = spawn(process.execPath, ['--max-semi-space-size=4', 'bin/bastion.mjs', 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>(resolve => {
    server.stdout.on('data', (text: Buffer) => text.includes('Bastion is ready') && resolve());
  });
  const seconds = (performance.now() - started) / 1000;
  await sleep(3000);
  const rss = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1] ?? 0);
  server.kill('SIGTERM');
  await once(server, 'exit');
  return { seconds, idleMb: rss / 1024 };
}
