import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, type KeyKind, type Revoked } from './core/authority.ts';
import { keyPairFiles, readKeyPair, writeKeyPair } from './core/key-pair.ts';

/**
 * An operator's authority on disk: `ca.pem`, `ca.key` (its owner's only), and `revoked.json`, of which its revocation
 * lists are made.
 */
export interface AuthorityFolder {
  readonly authority: Authority;
  readonly certificate: X509Certificate;
  /** In the order of revocation. */
  readonly revoked: readonly Revoked[];
  /** Its next revocation list says so. Throws on a certificate that it did not issue. */
  revoke(certificate: X509Certificate): void;
}

export async function createAuthority(
  folder: string,
  { name, keyKind, notAfter }: { name: string; keyKind: KeyKind; notAfter: Date },
): Promise<AuthorityFolder> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeKeyPair(join(folder, 'ca'), await Authority.create(name, keyKind, notAfter));
  return openAuthority(folder);
}

export function openAuthority(folder: string): AuthorityFolder {
  const files = keyPairFiles(join(folder, 'ca'));
  if (!existsSync(files.key)) throw new Error(`${folder} holds no authority; make one with: bastion certs ca create`);
  const pair = readKeyPair(files);
  const certificate = new X509Certificate(pair.certificate);
  const record = join(folder, 'revoked.json');
  const revoked = readRevoked(record);
  return {
    authority: Authority.open(pair),
    certificate,
    revoked,
    revoke(issued) {
      if (!issued.verify(certificate.publicKey)) throw new Error(`it was not issued by ${certificate.subject}`);
      const { serialNumber } = issued;
      if (revoked.some(each => each.serialNumber === serialNumber)) return;
      revoked.push({ serialNumber, since: new Date() });
      replaceFile(record, `${JSON.stringify(revoked, undefined, 2)}\n`);
    },
  };
}

function readRevoked(record: string): Revoked[] {
  if (!existsSync(record)) return [];
  const entries = JSON.parse(readFileSync(record, 'utf8')) as { serialNumber: string; since: string }[];
  return entries.map(({ serialNumber, since }) => ({ serialNumber, since: new Date(since) }));
}

/** Whoever reads the file meanwhile, a running server for one, sees the old or the new one, whole. */
export function replaceFile(file: string, content: string): void {
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}
