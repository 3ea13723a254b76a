import type { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { normalizeThumbprint, parseCertificates, type TrustMaterial } from './certificates.ts';
import { parseRevocationLists } from './crl.ts';
import { anyNetwork, type ResponderPolicy } from './ocsp-answers.ts';
import { checkUrl } from './outbound.ts';

/** Beside the approved authorities: SHA-256 thumbprints, one a line, `#` begins a comment. */
const exceptionsFile = 'accept-without-client-auth';
/** Beside them as well: `THUMBPRINT closed|open [URL]`, one authority a line. */
const respondersFile = 'ask-responders';

const authorityNames = /\.(?:pem|crt|cer)$/i;
const listNames = /\.(?:crl|pem)$/i;

/**
 * Reads approved authorities from a PEM file or a folder of .pem, .crt and .cer files, and revocation lists from a file
 * or a folder of .crl and .pem files. Throws an Error that names the file which cannot be used.
 */
export function readTrustFiles(authorities: string, revocationLists?: string): TrustMaterial {
  const folder = statSync(authorities).isDirectory() ? authorities : dirname(authorities);
  const material: TrustMaterial = {
    authorities: filesOf(authorities, authorityNames).flatMap(file => read(file, readAuthorities)),
    revocationLists:
      revocationLists === undefined
        ? []
        : filesOf(revocationLists, listNames).flatMap(file => read(file, parseRevocationLists)),
    withoutClientAuth: new Set(readLines(join(folder, exceptionsFile), readThumbprint)),
    responders: new Map(readLines(join(folder, respondersFile), readResponder)),
  };
  // An empty store would refuse everybody: far more likely a wrong path than an intention.
  if (material.authorities.length === 0) throw new Error(`${authorities}: no approved authority in it`);
  return material;
}

/** The files that `readTrustFiles` would read, and those it would if they were there. */
export function trustFiles(authorities: string, revocationLists?: string): string[] {
  const folder = statSync(authorities).isDirectory() ? authorities : dirname(authorities);
  return [
    ...filesOf(authorities, authorityNames),
    ...(revocationLists === undefined ? [] : filesOf(revocationLists, listNames)),
    join(folder, exceptionsFile),
    join(folder, respondersFile),
  ];
}

function filesOf(path: string, names: RegExp): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter(name => names.test(name))
    .sort()
    .map(name => join(path, name));
}

/** What `parse` makes of each line; `#` begins a comment. */
function readLines<T>(file: string, parse: (line: string) => T): T[] {
  if (!existsSync(file)) return [];
  return read(file, content =>
    content
      .toString('utf8')
      .split('\n')
      .map(line => line.replace(/#.*/, '').trim())
      .filter(line => line !== '')
      .map(parse),
  );
}

/** Whatever else is among them would end no path, and leave those who hold its certificates without a reason. */
function readAuthorities(content: Buffer): X509Certificate[] {
  const found = parseCertificates(content) ?? fail('it holds no certificates, or broken ones');
  const other = found.find(each => !each.ca);
  return other ? fail(`${other.subject} is no authority`) : found;
}

const readThumbprint = (text: string): string =>
  normalizeThumbprint(text) ?? fail(`${text} is not a SHA-256 thumbprint`);

function readResponder(line: string): [string, ResponderPolicy] {
  const [authority = '', without, url, ...more] = line.split(/\s+/);
  const thumbprint = readThumbprint(authority);
  if ((without !== 'closed' && without !== 'open') || more.length > 0) fail(`${line}: THUMBPRINT closed|open [URL]`);
  const objection = url === undefined ? undefined : checkUrl(url, anyNetwork, true);
  if (objection !== undefined) fail(`${url} ${objection}`);
  return [thumbprint, { without, ...(url && { url }) }];
}

function read<T>(file: string, parse: (content: Buffer) => T): T {
  try {
    return parse(readFileSync(file));
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message}`, { cause });
  }
}

function fail(message: string): never {
  throw new Error(message);
}
