import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { developmentName } from '../app.ts';
import { Authority } from '../core/authority.ts';
import { type KeyPair, keyPairFiles, readKeyPair, writeKeyPair, writeSecret } from '../core/key-pair.ts';
import { pkcs12 } from '../core/pkcs12.ts';

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

async function kept(folder: string, name: string, make: () => Promise<KeyPair>): Promise<KeyPair> {
  const files = keyPairFiles(join(folder, name));
  return existsSync(files.key) ? readKeyPair(files) : writeKeyPair(join(folder, name), await make());
}

/** For SoapUI, .NET and browsers. The password is `development`. */
async function writePkcs12(folder: string, name: string, pair: KeyPair): Promise<void> {
  const file = join(folder, `${name}.p12`);
  if (!existsSync(file)) writeSecret(file, await pkcs12(pair, 'development'));
}
