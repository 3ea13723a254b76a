import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import PostalMime from 'postal-mime';
import { type Kit, startKit } from '../kit/app.ts';
import { built, claimsOf, versionOf } from './child.ts';
import { type Case, type Client, cases, clients } from './clients.ts';
import { Recorder } from './record.ts';
import { publish, type Row, type Verdict } from './table.ts';

/**
 * `node test/interop/run.ts [--check] [--record] [FOLDER...]`: the real app, called by programs of foreign tool chains,
 * one after another. A program prints `ok CASE` or `not ok CASE: WHY` for each of its cases:
 *
 * - `signed call`: SendSecureEmail from MAIL_FROM with the case as its subject is answered, and the mail leaves
 * - `fault`: GetSecureEmail of a message that is not there is the BastionFault `not_found`
 * - `attachment (SwA)`, `attachment (MTOM)`: as the first, with the file ATTACHMENT; its very octets arrive at the relay
 * - `tampered refused`: as the first, changed after it was signed, is refused; no mail leaves
 * - `answer verified`: the signature of every answer and fault was verified with SIGNER, and an answer that was changed
 *   on its way does not verify
 *
 * It finds SOAP_ORIGIN, API_KEY, ORG_ID, MAIL_FROM, the files CA, CERT, KEY, SIGNER and ATTACHMENT, and what was built
 * in BUILD. Without options docs/INTEROP.md is written; `--check` compares it, and fails when a tool is not installed.
 * `--record` keeps the requests as samples.
 */
const { values: options, positionals } = parseArgs({
  options: { check: { type: 'boolean' }, record: { type: 'boolean' } },
  allowPositionals: true,
});
const chosen = clients.filter(({ folder }) => positionals.length === 0 || positionals.includes(folder));

const attachment = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)), randomBytes(300)]);

const kit = await startKit();
const folder = mkdtempSync(join(tmpdir(), 'interop-'));
try {
  const rows: Row[] = [];
  for (const client of chosen) {
    const version = await versionOf(client);
    if (version !== undefined) rows.push({ client, version, verdicts: await verdictsOn(client, version) });
    else console.log(`${client.name} is not installed: apt-get install ${client.packages.join(' ')}`);
  }
  process.exitCode = report(rows);
} finally {
  rmSync(folder, { recursive: true });
  await kit.close();
}

async function verdictsOn(client: Client, version: string): Promise<ReadonlyMap<Case, Verdict>> {
  kit.sink.mails.length = 0;
  const build = await built(client, version, kit).catch((error: Error) => void console.log(error.message));
  using recorder = options.record ? new Recorder(client, kit) : undefined;
  const environment = { ...surroundings(kit), ...build };
  const claims = build ? await claimsOf(client, environment, claimed => recorder?.keep(claimed)) : new Map();
  await kit.settle();
  return new Map(await Promise.all(cases.map(async each => [each, await verdict(client, each, claims)] as const)));
}

/** A claim counts when the relay saw what it says. */
async function verdict(client: Client, claimed: Case, claims: ReadonlyMap<string, string>): Promise<Verdict> {
  if (client.without?.[claimed] !== undefined) return 'none';
  const claim = claims.get(claimed) ?? 'the program did not say';
  if (claim !== 'ok') return { wrong: claim };
  const mails = await Promise.all(kit.sink.mails.map(({ raw }) => PostalMime.parse(raw)));
  const sent = mails.filter(({ subject }) => subject === claimed);
  const isSent = claimed === 'signed call' || claimed.startsWith('attachment');
  if (sent.length !== (isSent ? 1 : 0)) return { wrong: `${sent.length} mails left` };
  if (!claimed.startsWith('attachment')) return 'holds';
  const content = sent[0]!.attachments[0]?.content as ArrayBuffer | undefined;
  return content && attachment.equals(Buffer.from(content)) ? 'holds' : { wrong: 'the relay got another file' };
}

function surroundings({ app, tenant, set }: Kit): Record<string, string> {
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  return {
    SOAP_ORIGIN: app.soap.url,
    API_KEY: tenant.apiKey,
    ORG_ID: tenant.id,
    MAIL_FROM: 'billing@acme.test',
    CA: file('ca.pem', set.ca),
    CERT: file('cert.pem', tenant.certificate.certificate),
    KEY: file('key.pem', tenant.certificate.key),
    SIGNER: file('signer.pem', set.signing.certificate),
    ATTACHMENT: file('attachment.bin', attachment),
  };
}

/** As mocha counts, for whoever counts tests; the exit code. */
function report(rows: readonly Row[]): number {
  const verdicts = rows.flatMap(({ client, verdicts }) => [...verdicts].map(([each, it]) => ({ client, each, it })));
  const failures = verdicts.flatMap(({ client, each, it }) =>
    typeof it === 'object' ? [`${client.name}: ${each}: ${it.wrong}`] : [],
  );
  const missing = chosen.length - rows.length;
  if (positionals.length === 0) failures.push(...publish(rows, { check: options.check === true, missing }));
  for (const failure of failures) console.log(`not ok ${failure}`);
  console.log(`\n  ${verdicts.filter(({ it }) => it === 'holds').length} passing`);
  if (failures.length > 0) console.log(`  ${failures.length} failing`);
  return failures.length > 0 ? 1 : 0;
}
