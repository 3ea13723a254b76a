import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { type BastionFacts, type Server, startBare, startBastion, startBeside } from './children.ts';
import { type Figures, httpRequest, load, type Target } from './load.ts';
import { largeSoapRequests, restRequests, soapRequests } from './messages.ts';
import { measureStart } from './start.ts';
import { compareVerification } from './verification.ts';

/** `npm run bench`: every figure beside its baseline, measured in the same run. docs/PERFORMANCE.md explains them. */

const connections = 16;
const rounds = { warm: 2000, counted: 3000 };

interface Measured extends Figures {
  /** Of all server processes together, microseconds a request. */
  readonly cpuUs: number;
}

await requests();
await processes();
await compareVerification();
await start();

/** One server process, the client on the other core. */
async function requests(): Promise<void> {
  using bastion = await startBastion();
  const { facts } = bastion;
  const rsa = measureRsa(facts);
  const soap = await measured([bastion], [targetOf(facts, facts.soap)], count => soapRequests(facts, count));
  const rest = await measured([bastion], [targetOf(facts, facts.rest)], count => restRequests(facts, count));
  const { rss } = await bastion.ask<NodeJS.MemoryUsage>('memory');
  using bareServer = await startBare(facts);
  const bareTarget = targetOf(facts, bareServer.facts.port);
  const signature = sign('sha256', Buffer.from('canonical'), createPrivateKey(facts.key)).toString('base64');
  const get = (path: string, headers: Record<string, string>) => (count: number) =>
    Array.from({ length: count }, () => httpRequest('GET', path, headers));
  const bare = await measured([bareServer], [bareTarget], get('/echo', { 'X-Signature': signature }));
  const echo = await measured([bareServer], [bareTarget], get('/plain', {}));

  report('signed SOAP GetOrganization', soap);
  report('signed REST GetOrganization', rest);
  report('bare mTLS Express, one RSA verification', bare);
  report('bare mTLS Express echo', echo);
  const unavoidable = rsa.verifyUs + rsa.signUs;
  console.log(`\nRSA-2048: verify ${rsa.verifyUs.toFixed(0)} us, sign ${rsa.signUs.toFixed(0)} us`);
  console.log(`SOAP: CPU per request / unavoidable RSA: ${(soap.cpuUs / unavoidable).toFixed(2)} (aim <= 4)`);
  console.log(`SOAP / bare echo: ${percent(soap, echo)}`);
  console.log(`REST / bare with one RSA verification: ${percent(rest, bare)} (aim >= 20 %)`);
  console.log(`REST: CPU of the bare server / CPU per request: ${((100 * bare.cpuUs) / rest.cpuUs).toFixed(0)} %`);
  console.log(`REST / bare echo: ${percent(rest, echo)}`);
  console.log(`memory after the load: ${(rss / 2 ** 20).toFixed(0)} MB\n`);
}

/** What a second process costs, and what small messages feel of a large one. */
async function processes(): Promise<void> {
  using first = await startBastion();
  const { facts } = first;
  const own = targetOf(facts, facts.soap);
  const one = await measured([first], [own], count => soapRequests(facts, count));
  const large = largeSoapRequests(facts, 4);
  let stopped = false;
  const disturbing = (async () => {
    for (const request of large) {
      if (!stopped) await load([own], [request], 1);
      await new Promise(resolve => setTimeout(resolve, 1000));
    }
  })();
  const disturbed = await measured([first], [own], count => soapRequests(facts, count));
  stopped = true;
  await disturbing;
  using second = await startBeside(facts.config);
  const both = [own, targetOf(facts, second.facts.soap)];
  const two = await measured([first, second], both, count => soapRequests(facts, count));
  report('signed SOAP, one process', one);
  report('the same while 1 MB comes each second', disturbed);
  report('signed SOAP, two processes', two);
  console.log(`CPU per request, two processes / one: ${(two.cpuUs / one.cpuUs).toFixed(2)} (aim <= 1.1)\n`);
}

async function start(): Promise<void> {
  const { first, again, idleMb } = await measureStart();
  console.log(`npm start to ready: first ${first.toFixed(2)} s, again ${again.toFixed(2)} s (aim < 2 s)`);
  console.log(`memory of an idle server: ${idleMb.toFixed(0)} MB (aim < 180 MB)`);
}

function targetOf({ ca, certificate: cert, key }: BastionFacts, port: number): Target {
  return { ca, cert, key, port };
}

async function measured(
  servers: readonly Server<unknown>[],
  targets: readonly Target[],
  make: (count: number) => Buffer[],
): Promise<Measured> {
  await load(targets, make(rounds.warm), connections);
  const requests = make(rounds.counted);
  const before = await cpuOf(servers);
  const figures = await load(targets, requests, connections);
  const cpu = (await cpuOf(servers)) - before;
  if (Object.keys(figures.statuses).join() !== '200') {
    throw new Error(`not all were 200: ${JSON.stringify(figures.statuses)}`);
  }
  return { ...figures, cpuUs: cpu / requests.length };
}

async function cpuOf(servers: readonly Server<unknown>[]): Promise<number> {
  const usages = await Promise.all(servers.map(server => server.ask<NodeJS.CpuUsage>('cpu')));
  return usages.reduce((sum, { user, system }) => sum + user + system, 0);
}

function measureRsa({ certificate, key }: BastionFacts): { verifyUs: number; signUs: number } {
  const publicKey = createPublicKey(certificate);
  const privateKey = createPrivateKey(key);
  const content = Buffer.alloc(1000, 1);
  const made = sign('sha256', content, privateKey);
  // Processor time, as of the requests that it is compared with.
  const us = (work: () => unknown, times: number) => {
    for (let i = 0; i < times / 10; i++) work();
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / times;
  };
  return {
    verifyUs: us(() => verify('sha256', content, publicKey, made), 5000),
    signUs: us(() => sign('sha256', content, privateKey), 1500),
  };
}

function report(name: string, { perSecond, p50, p99, cpuUs }: Measured): void {
  console.log(
    `${name.padEnd(42)} ${perSecond.toFixed(0).padStart(6)}/s  p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  CPU ${cpuUs.toFixed(0)} us`,
  );
}

function percent(a: Figures, b: Figures): string {
  return `${((100 * a.perSecond) / b.perSecond).toFixed(0)} %`;
}
