import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { Authority } from '../../src/core/authority.ts';
import { parseCertificate, thumbprintOf } from '../../src/core/certificates.ts';
import type { KeyPair } from '../../src/core/key-pair.ts';

/** A key pair as tests use it: PEM for TLS, objects for signing and checking. */
export interface Pair extends KeyPair {
  readonly x509: X509Certificate;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly thumbprint: string;
}

export function pair(issued: KeyPair): Pair {
  const x509 = parseCertificate(issued.certificate)!;
  const privateKey = createPrivateKey(issued.key);
  return { ...issued, x509, privateKey, publicKey: x509.publicKey, thumbprint: thumbprintOf(x509) };
}

/** A development authority and what it issued. `foreign` is a client of another authority that nobody approved. */
export interface CertificateSet {
  readonly authority: Authority;
  readonly ca: string;
  readonly server: Pair;
  readonly signing: Pair;
  readonly partner: Pair;
  readonly approver: Pair;
  readonly otherPartner: Pair;
  readonly elliptic: Pair;
  readonly foreign: Pair;
}

let made: Promise<CertificateSet> | undefined;

/** The same set for the whole process: RSA keys take a tenth of a second each. */
export function certificates(): Promise<CertificateSet> {
  made ??= make();
  return made;
}

async function make(): Promise<CertificateSet> {
  const authority = await Authority.create('CN=Bastion Test Authority');
  const stranger = await Authority.create('CN=Unapproved Authority');
  return {
    authority,
    ca: authority.certificate,
    server: pair(await authority.server()),
    signing: pair(await authority.signing('CN=bastion.test')),
    partner: pair(await authority.client('CN=partner, O=Acme', 'RSA-2048')),
    approver: pair(await authority.client('CN=approver, O=Acme', 'RSA-2048')),
    otherPartner: pair(await authority.client('CN=partner, O=Globex', 'RSA-2048')),
    elliptic: pair(await authority.client('CN=elliptic, O=Acme', 'P-256')),
    foreign: pair(await stranger.client('CN=foreign', 'RSA-2048')),
  };
}
