import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';

/** Makes a Node take itself for one that cannot run the sources. */
const older = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })",
)}`;

describe('the launcher under an older Node', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'bastion-launcher-'));
  let launcher: ChildProcess;
  let lines: AsyncIterator<string>;

  before(async () => {
    const script = resolve(import.meta.dirname, '../bin/bastion.mjs');
    const ports = { BASTION_REST_PORT: '0', BASTION_SOAP_PORT: '0', BASTION_HEALTH_PORT: '0' };
    launcher = spawn(process.execPath, ['--import', older, script, 'serve'], {
      env: { ...process.env, ...ports, BASTION_DATA_DIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    lines = createInterface(launcher.stdout!)[Symbol.asyncIterator]();
    await lineWith('"ready"');
  });
  after(async () => {
    if (launcher.exitCode === null) launcher.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  async function lineWith(text: string): Promise<string> {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`it ended without ${text}`);
      if (value.includes(text)) return value;
    }
  }

  it('hands over to the Node that was installed', async () => {
    launcher.kill('SIGHUP');
    const { pid } = JSON.parse(await lineWith('changed files were taken into use'));
    expect(pid).not.to.equal(launcher.pid);
    expect(launcher.exitCode).to.equal(null);
  });

  it('ends in order when it is told to, with what it started', async () => {
    launcher.kill('SIGTERM');
    const [code] = await once(launcher, 'exit');
    expect(code).to.equal(0);
    // Its output ends when the last process that writes to it has ended.
    while (!(await lines.next()).done);
  });
});
