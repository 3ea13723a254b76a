import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { normalizeThumbprint, parseCertificates, type TrustMaterial } from './certificates.ts';
import { parseRevocationLists } from './crl.ts';

/** Beside the approved authorities: SHA-256 thumbprints, one a line, `#` begins a comment. */
const exceptionsFile = 'accept-without-client-auth';

const authorityNames = /\.(?:pem|crt|cer)$/i;
const listNames = /\.(?:crl|pem)$/i;

/**
 * Reads approved authorities from a PEM file or a folder of .pem, .crt and .cer files, and revocation lists from a file
 * or a folder of .crl and .pem files. Throws an Error that names the file which cannot be used.
 */
export function readTrustFiles(authorities: string, revocationLists?: string): TrustMaterial {
  const folder = statSync(authorities).isDirectory() ? authorities : dirname(authorities);
  const material: TrustMaterial = {
    authorities: filesOf(authorities, authorityNames).flatMap(file =>
      read(file, content => parseCertificates(content) ?? fail('it holds no certificates, or broken ones')),
    ),
    revocationLists:
      revocationLists === undefined
        ? []
        : filesOf(revocationLists, listNames).flatMap(file => read(file, parseRevocationLists)),
    withoutClientAuth: new Set(readExceptions(join(folder, exceptionsFile))),
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
  ];
}

function filesOf(path: string, names: RegExp): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter(name => names.test(name))
    .sort()
    .map(name => join(path, name));
}

function readExceptions(file: string): string[] {
  if (!existsSync(file)) return [];
  return read(file, content =>
    content
      .toString('utf8')
      .split('\n')
      .map(line => line.replace(/#.*/, '').trim())
      .filter(line => line !== '')
      .map(line => normalizeThumbprint(line) ?? fail(`${line} is not a SHA-256 thumbprint`)),
  );
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
