import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createPrivateKey, createPublicKey, randomUUID, sign, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { areas } from '../../src/areas.ts';
import { thumbprintOf } from '../../src/core/certificates.ts';
import { signRequest } from '../../src/core/request-signature.ts';
import { encodeRequest } from '../../src/doors/soap/encode.ts';
import { buildModel } from '../../src/doors/soap/model.ts';
import { signedEnvelope } from '../kit/soap-signing.ts';
import { type Figures, httpRequest, load, type Target } from './load.ts';

/** `npm run bench`: every figure beside its baseline, measured in the same run. docs/PERFORMANCE.md explains them. */

const connections = 16;
const rounds = { warm: 2000, counted: 3000 };

interface Ready {
  rest: number;
  soap: number;
  organization: string;
  apiKey: string;
  ca: string;
  certificate: string;
  key: string;
  server: { cert: string; key: string; ca: string };
}

const child = fork(join(import.meta.dirname, 'server.ts'));
const [ready] = (await once(child, 'message')) as [Ready];
const privateKey = createPrivateKey(ready.key);
const client = { ca: ready.ca, cert: ready.certificate, key: ready.key };

const rsa = measureRsa();
const soap = await measured(child, { ...client, port: ready.soap }, soapRequests);
const rest = await measured(child, { ...client, port: ready.rest }, restRequests);
const memory = await ask<NodeJS.MemoryUsage>(child, 'memory');
child.send('stop');

const bareChild = fork(join(import.meta.dirname, 'bare.ts'), {
  env: { ...process.env, BENCH_PARTNER: ready.certificate },
});
bareChild.send(ready.server);
const [{ port }] = (await once(bareChild, 'message')) as [{ port: number }];
const signature = sign('sha256', Buffer.from('canonical'), privateKey).toString('base64');
const bare = await measured(bareChild, { ...client, port }, count =>
  Array.from({ length: count }, () => httpRequest('GET', '/echo', { 'X-Signature': signature })),
);
const echo = await measured(bareChild, { ...client, port }, count =>
  Array.from({ length: count }, () => httpRequest('GET', '/plain', {})),
);
bareChild.send('stop');
const start = await measureStart();

const unavoidable = rsa.verifyUs + rsa.signUs;
report('signed SOAP GetOrganization', soap);
report('signed REST GetOrganization', rest);
report('bare mTLS Express, one RSA verification', bare);
report('bare mTLS Express echo', echo);
console.log(`\nRSA-2048: verify ${rsa.verifyUs.toFixed(0)} us, sign ${rsa.signUs.toFixed(0)} us`);
console.log(
  `SOAP: CPU per request / unavoidable RSA (${unavoidable.toFixed(0)} us): ${(soap.cpuUs / unavoidable).toFixed(2)} (aim <= 4)`,
);
console.log(`SOAP / bare echo: ${percent(soap, echo)}`);
console.log(`REST / bare with one RSA verification: ${percent(rest, bare)} (aim >= 20 %)`);
console.log(`REST / bare echo: ${percent(rest, echo)}`);
console.log(`npm start to ready: first ${start.first.toFixed(2)} s, again ${start.again.toFixed(2)} s (aim < 2 s)`);
console.log(`memory: after load ${mb(memory.rss)}, of an idle server ${start.idleMb.toFixed(0)} MB (aim < 180 MB)`);

interface Measured extends Figures {
  readonly cpuUs: number;
}

async function measured(process: ChildProcess, target: Target, make: (count: number) => Buffer[]): Promise<Measured> {
  await load(target, make(rounds.warm), connections);
  const requests = make(rounds.counted);
  const before = await ask<NodeJS.CpuUsage>(process, 'cpu');
  const figures = await load(target, requests, connections);
  const after = await ask<NodeJS.CpuUsage>(process, 'cpu');
  const cpu = after.user + after.system - before.user - before.system;
  if (Object.keys(figures.statuses).join() !== '200')
    throw new Error(`not all were 200: ${JSON.stringify(figures.statuses)}`);
  return { ...figures, cpuUs: cpu / requests.length };
}

function restRequests(count: number): Buffer[] {
  const target = `/v3/organizations/${ready.organization}`;
  const thumbprint = thumbprintOf(new X509Certificate(ready.certificate));
  return Array.from({ length: count }, () =>
    httpRequest(
      'GET',
      target,
      signRequest({ method: 'GET', target, host: 'localhost', apiKey: ready.apiKey, privateKey, thumbprint }),
    ),
  );
}

function soapRequests(count: number): Buffer[] {
  const area = buildModel(areas).areas.find(candidate => candidate.name === 'organizations')!;
  const operation = area.operations.get('GetOrganization')!;
  const partner = {
    certificate: new X509Certificate(ready.certificate),
    publicKey: createPublicKey(ready.certificate),
    privateKey,
  };
  const body = encodeRequest(operation, { org_id: ready.organization });
  return Array.from({ length: count }, (_, index) =>
    httpRequest(
      'POST',
      area.path,
      { 'Content-Type': 'application/soap+xml; charset=utf-8', Authorization: `Bearer ${ready.apiKey}` },
      // Two equal messages are one replayed message: each has a header of its own.
      signedEnvelope(partner, { body, ...messageHeader(index) }),
    ),
  );
}

function messageHeader(index: number) {
  const id = `urn:uuid:${randomUUID()}`;
  const headers = `<wsa:MessageID xmlns:wsa="http://www.w3.org/2005/08/addressing" wsu:Id="Message-${index}">${id}</wsa:MessageID>`;
  return { headers, also: [{ uri: `#Message-${index}` }] };
}

function measureRsa(): { verifyUs: number; signUs: number } {
  const publicKey = createPublicKey(ready.certificate);
  const content = Buffer.alloc(1000, 1);
  const made = sign('sha256', content, privateKey);
  const us = (work: () => unknown, times: number) => {
    for (let i = 0; i < times / 10; i++) work();
    const started = performance.now();
    for (let i = 0; i < times; i++) work();
    return ((performance.now() - started) * 1000) / times;
  };
  return {
    verifyUs: us(() => verify('sha256', content, publicKey, made), 5000),
    signUs: us(() => sign('sha256', content, privateKey), 1500),
  };
}

/** A server as `npm start` starts it, on a data directory of its own: made, then found again. */
async function measureStart(): Promise<{ first: number; again: number; idleMb: number }> {
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
  const { readFileSync } = await import('node:fs');
  const rss = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1] ?? 0);
  server.kill('SIGTERM');
  await once(server, 'exit');
  return { seconds, idleMb: rss / 1024 };
}

async function ask<T>(process: ChildProcess, question: string): Promise<T> {
  process.send(question);
  const [answer] = (await once(process, 'message')) as [T];
  return answer;
}

function report(name: string, { perSecond, p50, p99, cpuUs }: Measured): void {
  console.log(
    `${name.padEnd(42)} ${perSecond.toFixed(0).padStart(6)}/s  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  CPU ${cpuUs.toFixed(0)} us`,
  );
}

function percent(a: Figures, b: Figures): string {
  return `${((100 * a.perSecond) / b.perSecond).toFixed(0)} %`;
}

function mb(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`;
}
