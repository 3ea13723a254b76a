import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Kit } from '../kit/app.ts';
import { type Case, type Client, cases } from './clients.ts';

/** Programs of other tool chains as children of this process: each ends by itself or is ended. */

const execute = promisify(execFile);
const cache = join(import.meta.dirname, '../../node_modules/.cache/interop');

/** undefined when the tool chain is not installed. */
export async function versionOf({ version: [command, ...args], versionPattern }: Client): Promise<string | undefined> {
  const output = await execute(command!, args, { timeout: 30_000 }).then(
    ({ stdout, stderr }) => stdout + stderr,
    () => '',
  );
  return versionPattern.exec(output)?.[0];
}

/** What the client's build makes of the description as served; the same description and sources are built once. */
export async function built(client: Client, version: string, { soap, app }: Kit): Promise<Record<string, string>> {
  if (client.build === undefined) return {};
  const served = await Promise.all(
    ['secure-email?wsdl', 'common.xsd'].map(async path => (await soap.get(`/soap/v3/${path}`)).text),
  );
  const [wsdl, schema] = served.map(text => text.replaceAll(app.soap.url, 'https://bastion.example'));
  const sources = join(import.meta.dirname, client.folder);
  const hash = createHash('sha256').update(JSON.stringify([version, wsdl, schema]));
  const files = readdirSync(sources).map(name => join(sources, name));
  for (const file of [...files.sort(), ...client.build.filter(existsSync)]) hash.update(readFileSync(file));
  const ready = join(cache, `${client.folder}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(ready)) return { BUILD: ready };
  const making = `${ready}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  writeFileSync(join(making, 'secure-email.wsdl'), wsdl!);
  writeFileSync(join(making, 'common.xsd'), schema!);
  const [command, ...args] = client.build;
  try {
    await execute(command!, args, { cwd: making, timeout: 240_000, env: { PATH: process.env.PATH, SOURCES: sources } });
    renameSync(making, ready);
  } catch (error) {
    rmSync(making, { recursive: true });
    throw new Error(`${client.name} cannot be built:\n${(error as { stderr: string }).stderr}`);
  }
  return { BUILD: ready };
}

/** What the program says of each case: `ok`, or why not. */
export async function claimsOf(
  client: Client,
  environment: Record<string, string>,
  said: (claimed: Case) => void,
): Promise<Map<Case, string>> {
  const [command, ...args] = client.run.map(word => word.replace('$BUILD', environment.BUILD ?? ''));
  const child = spawn(command!, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 120_000,
    env: { PATH: process.env.PATH, ...environment },
  });
  const claims = new Map<Case, string>();
  child.on('error', error => console.log(`${client.name}: ${error.message}`));
  for await (const line of createInterface(child.stdout)) {
    console.log(`${client.name}: ${line}`);
    const [, not, name, why = 'not ok'] = /^(not )?ok ([^:]+)(?:: (.*))?$/.exec(line) ?? [];
    const claimed = cases.find(each => each === name);
    if (claimed === undefined) continue;
    claims.set(claimed, not ? why : 'ok');
    said(claimed);
  }
  return claims;
}
