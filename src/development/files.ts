import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { developmentName } from '../app.ts';
import type { KeyPair } from '../config.ts';
import { Authority, type Issued } from './authority.ts';

/** DEVELOPMENT ONLY: what a partner and an operator would bring along, made here and kept under the data directory. */
export interface DevelopmentFiles {
  readonly folder: string;
  readonly authority: KeyPair;
  /** Listeners of this machine. */
  readonly server: KeyPair;
  /** Bastion's own. */
  readonly signing: KeyPair;
  /** The first organisation's, for requests. */
  readonly partner: KeyPair;
  /** The first organisation's, for approvals. */
  readonly approver: KeyPair;
}

/** Makes what is missing, once; private keys are readable by their owner only. */
export async function developmentFiles(dataDir: string): Promise<DevelopmentFiles> {
  const folder = join(dataDir, 'development');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = await kept(folder, 'ca', () => Authority.create(`CN=Bastion development CA, O=${developmentName}`));
  const issuer = Authority.open(authority);
  const [server, signing, partner, approver] = await Promise.all([
    kept(folder, 'server', () => issuer.server()),
    kept(folder, 'signing', () => issuer.signing(`CN=Bastion, O=${developmentName}`)),
    kept(folder, 'partner', () => issuer.client(`CN=Partner, O=${developmentName}`, 'RSA-2048')),
    kept(folder, 'approver', () => issuer.client(`CN=Approver, O=${developmentName}`)),
  ]);
  await writePkcs12(folder, 'partner', partner);
  return { folder, authority, server, signing, partner, approver };
}

async function kept(folder: string, name: string, make: () => Promise<Issued>): Promise<KeyPair> {
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  if (!existsSync(files.key)) {
    const { certificate, key } = await make();
    writeFileSync(files.certificate, certificate);
    writeFileSync(files.key, key, { mode: 0o600 });
  }
  return { certificate: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8') };
}

/** SoapUI, .NET and browsers take a certificate with its key as PKCS#12 (RFC 7292). The password is `development`. */
async function writePkcs12(folder: string, name: string, { certificate, key }: KeyPair): Promise<void> {
  const file = join(folder, `${name}.p12`);
  if (existsSync(file)) return;
  const { pki, pkcs12, asn1 } = (await import('node-forge')).default;
  const chain = [pki.certificateFromPem(certificate)];
  const bag = pkcs12.toPkcs12Asn1(pki.privateKeyFromPem(key), chain, 'development', { algorithm: 'aes256' });
  writeFileSync(file, Buffer.from(asn1.toDer(bag).getBytes(), 'latin1'), { mode: 0o600 });
}
