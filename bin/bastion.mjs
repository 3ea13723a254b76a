#!/usr/bin/env node
// The `bastion` command. The sources are TypeScript that Node runs as it is, from 22.18 on: an older Node hands over to the
// Node 24 that was installed beside the other dependencies. Plain JavaScript, old syntax: this file must load everywhere.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const [major, minor] = process.versions.node.split('.').map(Number);

if (major >= 24 || (major === 22 && minor >= 18)) {
  // Compiled sources are kept: a later start is faster and needs less memory. Where that place is read-only, nothing is kept.
  nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/bastion', import.meta.url)));
  await import('../src/cli.ts');
} else {
  handOver(shippedNode());
}

function shippedNode() {
  const platform = { linux: 'linux', win32: 'win' }[process.platform];
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/package.json`);
    const binary = join(dirname(manifest), 'bin', platform === 'win' ? 'node.exe' : 'node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

function handOver(node) {
  if (!node) {
    console.error(
      `bastion needs Node 22.18 or later (24 is best); this is ${process.version}, and no Node 24 package is installed.\n` +
        'Run `npm ci` without --omit=optional, or install Node 24.',
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)));
}
