import type { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Core } from './app.ts';
import type { CertificateUse } from './areas/access/entities.ts';
import { createAuthority, openAuthority, replaceFile } from './authority-folder.ts';
import { clientExtensions, keyKinds, newRequest, serverExtensions } from './core/authority.ts';
import { parseCertificate, thumbprintOf } from './core/certificates.ts';
import { readKeyPair, writeKeyPair, writeNew, writeSecret } from './core/key-pair.ts';
import { pkcs12 } from './core/pkcs12.ts';
import { registerCertificate } from './operator.ts';
import {
  listRegistrations,
  type Registration,
  revokeRegistration,
  rotateRegistration,
  setRegistrationPolicy,
} from './registrations.ts';

type WithCore = (work: (core: Core) => Promise<void>) => Promise<void>;

/** `bastion certs`: the life of a certificate, from its authority to its revocation. Private keys are written, never printed. */
export function certsCommand(withCore: WithCore): Command {
  const certs = new Command('certs').alias('certificate').description('certificates and authorities');
  authorityCommands(certs);
  requestCommands(certs);
  registrationCommands(certs, withCore);
  certs.addCommand(
    command('export', 'one password-protected PKCS#12 file of a certificate and its key')
      .requiredOption('--certificate <pem>', 'the certificate, then any intermediates')
      .requiredOption('--key <pem>')
      .requiredOption('--password-file <file>', 'its first line is the password; - reads standard input')
      .requiredOption('--p12 <file>', 'the file to make')
      .action(async ({ certificate, key, passwordFile, p12, json }) => {
        const pair = readKeyPair({ certificate, key });
        writeSecret(p12, await pkcs12(pair, readPassword(passwordFile)));
        print(json, { file: p12 }, p12);
      }),
  );
  return certs;
}

/** Every command can speak to programs. */
const command = (name: string, description: string): Command =>
  new Command(name).description(description).option('--json', 'answer in JSON');

const caOption = () => new Option('--ca <folder>', 'of bastion certs ca create').makeOptionMandatory();
const keyOption = (kind: (typeof keyKinds)[number]) => new Option('--key <kind>').choices(keyKinds).default(kind);
const nameOption = () => new Option('--name <name>', 'such as "CN=Example, O=Partner"').makeOptionMandatory();
const forOption = () => new Option('--for <use>').choices(['client', 'server']).default('client');
const daysOption = (days: number) => new Option('--days <days>', 'validity').argParser(positive).default(days);
const hostsOption = () =>
  new Option('--hosts <names>', 'names and addresses of a server, comma separated').argParser(list);

function authorityCommands(certs: Command): void {
  const ca = certs.command('ca').description('an authority of your own, in a folder');
  ca.addCommand(
    command('create', 'a new root, its key readable by its owner only')
      .addOption(caOption())
      .addOption(nameOption())
      .addOption(keyOption('P-384'))
      .addOption(daysOption(3650))
      .action(async ({ ca: folder, name, key: keyKind, days, json }) => {
        const made = await createAuthority(folder, { name: readName(name), keyKind, notAfter: inDays(days) });
        printCertificate(json, `${folder}/ca.pem`, made.certificate);
      }),
  );
  ca.addCommand(
    command('revoke', 'its next revocation list names this certificate')
      .addOption(caOption())
      .requiredOption('--file <pem>', 'the certificate')
      .action(({ ca: folder, file, json }) => {
        const authority = openAuthority(folder);
        authority.revoke(readCertificate(file));
        const told = { revoked: authority.revoked.length };
        print(json, told, 'Publish the list now: bastion certs crl publish');
      }),
  );
  const crl = certs.command('crl').description('revocation lists');
  crl.addCommand(
    command('publish', 'a fresh list; servers take it into use by themselves')
      .addOption(caOption())
      .requiredOption('--out <file>', 'in the folder that BASTION_CRLS names')
      .addOption(daysOption(7))
      .action(async ({ ca: folder, out, days, json }) => {
        const { authority, revoked } = openAuthority(folder);
        const nextUpdate = inDays(days);
        replaceFile(out, await authority.revocationList(revoked, { nextUpdate }));
        const told = { file: out, revoked: revoked.length, next_update: nextUpdate.toISOString() };
        print(json, told, `${out}: ${revoked.length} revoked, publish the next one before ${told.next_update}`);
      }),
  );
}

function requestCommands(certs: Command): void {
  certs.addCommand(
    command('issue', 'a key and a certificate for it: OUT.key and OUT.pem')
      .addOption(caOption())
      .addOption(nameOption())
      .addOption(forOption())
      .addOption(hostsOption())
      .addOption(keyOption('RSA-3072'))
      .addOption(daysOption(397))
      .requiredOption('--out <name>', 'file name without its ending')
      .action(async ({ ca: folder, name, for: use, hosts, key: keyKind, days, out, json }) => {
        const { authority, certificate } = openAuthority(folder);
        const terms = { extensions: extensionsFor(use, hosts), notAfter: within(certificate, days) };
        const { files } = writeKeyPair(out, await authority.issue({ name: readName(name), keyKind, ...terms }));
        printCertificate(json, files!.certificate, readCertificate(files!.certificate), { key: files!.key });
      }),
  );
  const csr = certs.command('csr').description('certificate signing requests');
  csr.addCommand(
    command('create', 'a key and a request for it: OUT.key and OUT.csr')
      .addOption(nameOption())
      .addOption(keyOption('RSA-3072'))
      .requiredOption('--out <name>', 'file name without its ending')
      .action(async ({ name, key: keyKind, out, json }) => {
        const made = await newRequest(readName(name), keyKind);
        writeSecret(`${out}.key`, made.key);
        writeNew(`${out}.csr`, made.request);
        print(json, { request: `${out}.csr`, key: `${out}.key` }, `${out}.csr\n${out}.key`);
      }),
  );
  csr.addCommand(
    command('sign', 'a certificate for the name and key of a request')
      .addOption(caOption())
      .requiredOption('--csr <file>')
      .addOption(forOption())
      .addOption(hostsOption())
      .addOption(daysOption(397))
      .requiredOption('--out <file>', 'the certificate')
      .action(async ({ ca: folder, csr: file, for: use, hosts, days, out, json }) => {
        const { authority, certificate } = openAuthority(folder);
        const terms = { extensions: extensionsFor(use, hosts), notAfter: within(certificate, days) };
        writeNew(out, await authority.signRequest(readFileSync(file, 'utf8'), terms));
        printCertificate(json, out, readCertificate(out));
      }),
  );
}

function registrationCommands(certs: Command, withCore: WithCore): void {
  certs.addCommand(
    command('import', "register a partner's certificate")
      .alias('register')
      .requiredOption('--organization <org_id>')
      .requiredOption('--file <pem>', 'the certificate, then any intermediates')
      .addOption(new Option('--use <use>').choices(['request', 'approval', 'both']).makeOptionMandatory())
      .action(({ organization: id, file, use, json }) =>
        withCore(async core => {
          const uses: CertificateUse[] = use === 'both' ? ['request', 'approval'] : [use];
          printMade(json, await registerCertificate(core, id, { pem: readFileSync(file, 'utf8'), uses }));
        }),
      ),
  );
  certs.addCommand(
    command('list', 'who, thumbprint, end and last use')
      .option('--organization <org_id>', 'of all when absent')
      .action(({ organization: organizationId, json }) =>
        withCore(async core => printRegistrations(json, await listRegistrations(core, { organizationId }))),
      ),
  );
  certs.addCommand(
    command('expiring', 'those in force that end soon; exits with 1 when there are any')
      .addOption(new Option('--within <time>', 'such as 30d or 12h').argParser(duration).default(30 * 86_400, '30d'))
      .action(({ within: seconds, json }) =>
        withCore(async core => {
          const now = core.services.clock.now();
          const endingBefore = new Date(now.getTime() + seconds * 1000);
          const all = await listRegistrations(core, { endingBefore });
          const soon = all.filter(each => each.status === 'active' && each.retires_at === null);
          printRegistrations(json, soon);
          if (soon.length > 0) process.exitCode = 1;
        }),
      ),
  );
  certs.addCommand(
    command('rotate', 'the new certificate beside the old one, which then retires')
      .argument('<certificate_id>', 'the old one')
      .requiredOption('--file <pem>', 'the new certificate, then any intermediates')
      .addOption(new Option('--overlap <time>', 'such as 7d or 12h').argParser(duration).default(86_400, '1d'))
      .action((id, { file, overlap: overlapSeconds, json }) =>
        withCore(async core => {
          const pem = readFileSync(file, 'utf8');
          printMade(json, await rotateRegistration(core, id, { pem, overlapSeconds }));
        }),
      ),
  );
  certs.addCommand(
    command('policy', 'what its messages must keep to, and how they are answered; in place of the policy before')
      .argument('<certificate_id>')
      .requiredOption('--set <json>', 'as SetCertificatePolicy takes it: {"answer_algorithm":"ecdsa-sha256"}')
      .action((id, { set, json }) =>
        withCore(async core => {
          const policy = await setRegistrationPolicy(core, id, JSON.parse(set));
          print(json, policy, JSON.stringify(policy, undefined, 2));
        }),
      ),
  );
  certs.addCommand(
    command('revoke', 'a registered certificate, at once and for good, on every node')
      .argument('<certificate_id>')
      .action((id, { json }) =>
        withCore(async core => {
          await revokeRegistration(core, id);
          print(json, { certificate_id: id, status: 'revoked' }, `${id} is revoked`);
        }),
      ),
  );
}

function extensionsFor(use: 'client' | 'server', hosts: string[] = []) {
  if (use === 'client') return clientExtensions();
  if (hosts.length === 0) throw new Error('a server certificate needs --hosts: the names that its clients connect to');
  return serverExtensions(
    hosts.filter(host => isIP(host) === 0),
    hosts.filter(host => isIP(host) > 0),
  );
}

/** A certificate that outlives its authority would be refused from then on. */
function within({ validToDate }: X509Certificate, days: number): Date {
  const end = inDays(days);
  if (end <= validToDate) return end;
  const most = Math.floor((validToDate.getTime() - Date.now()) / 86_400_000);
  throw new Error(`the authority ends before that: --days ${most} at most, or make a new authority`);
}

function readCertificate(file: string): X509Certificate {
  const certificate = parseCertificate(readFileSync(file));
  if (!certificate) throw new Error(`${file} holds no certificate, or more than one`);
  return certificate;
}

/** Lenient readers of names would take a word for something else. */
function readName(name: string): string {
  if (/^\s*[A-Za-z.0-9]+\s*=\s*[^=,]+(?:,\s*[A-Za-z.0-9]+\s*=\s*[^=,]+)*$/.test(name)) return name;
  throw new Error(`"${name}" is no distinguished name; write it as "CN=Example, O=Partner"`);
}

function readPassword(file: string): string {
  const [password = ''] = readFileSync(file === '-' ? 0 : file, 'utf8').split(/\r?\n/);
  // Outside ASCII programs disagree about the octets of a password (RFC 7292, B.1).
  if (!/^[\x20-\x7e]{8,128}$/.test(password)) throw new Error('the password needs 8 to 128 printable ASCII characters');
  return password;
}

function duration(text: string): number {
  const [, count, unit] = /^(\d{1,4})([dhm])$/.exec(text) ?? [];
  if (unit === undefined) throw new InvalidArgumentError('It is written as 30d, 12h or 90m.');
  return Number(count) * { d: 86_400, h: 3600, m: 60 }[unit as 'd' | 'h' | 'm'];
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('It must be a whole number of days.');
  return Number(text);
}

const list = (text: string): string[] => text.split(',').map(each => each.trim());

const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000);

function print(json: boolean | undefined, value: unknown, text: string): void {
  console.log(json ? JSON.stringify(value, undefined, 2) : text);
}

function printMade(json: boolean | undefined, { id, thumbprint }: { id: string; thumbprint: string }): void {
  print(json, { certificate_id: id, thumbprint }, `${id}\n${thumbprint}`);
}

function printCertificate(
  json: boolean | undefined,
  file: string,
  certificate: X509Certificate,
  more: { key?: string } = {},
): void {
  const told = {
    file,
    ...more,
    subject: certificate.subject.replaceAll('\n', ', '),
    thumbprint: thumbprintOf(certificate),
    not_after: certificate.validToDate.toISOString(),
  };
  print(json, told, `${file}\n${told.thumbprint}\nends ${told.not_after}`);
}

function printRegistrations(json: boolean | undefined, all: readonly Registration[]): void {
  const lines = all.map(each =>
    [
      each.certificate_id,
      each.status.padEnd(7),
      each.thumbprint,
      `ends ${each.retires_at ?? each.not_after}`,
      `used ${each.last_used_at ?? 'never'}`,
      each.uses.join('+'),
      `${each.organization} (${each.organization_id})`,
      each.subject,
    ].join('  '),
  );
  print(json, all, lines.length > 0 ? lines.join('\n') : 'none');
}
