import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
} from '@peculiar/x509';
import { Authority, authorityExtensions, clientExtensions } from '../../../src/core/authority.ts';
import type { KeyPair } from '../../../src/core/key-pair.ts';

/** Certificates that should never have been registered, or no longer count. */
export interface Specimen extends KeyPair {
  readonly intermediates?: readonly string[];
}

const day = 86_400_000;
const critical = new Extension('1.2.3.4.5', true, new Uint8Array([5, 0]));
/** Permits names beneath a.test. */
const nameConstraints = (isCritical: boolean) =>
  new Extension('2.5.29.30', isCritical, Buffer.from('300ca00a30088206612e74657374', 'hex'));
const leafWith = (...extensions: Extension[]) => [new BasicConstraintsExtension(false, undefined, true), ...extensions];

const leaf = (authority: Authority, extensions = clientExtensions(), dates = {}): Promise<Specimen> =>
  authority.issue({ name: 'CN=partner, O=Acme', extensions, ...dates });

async function beneath(root: Authority, extensions: Extension[]): Promise<Specimen> {
  const middle = Authority.open(await root.issue({ name: 'CN=Middle', extensions }));
  return { ...(await middle.client('CN=partner, O=Acme')), intermediates: [middle.certificate] };
}

async function withKey(authority: Authority, algorithm: object): Promise<Specimen> {
  const keys = (await webcrypto.subtle.generateKey(algorithm as never, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const wish = { name: 'CN=partner, O=Acme', keys, signingAlgorithm: { hash: 'SHA-256', ...algorithm } };
  const request = (await Pkcs10CertificateRequestGenerator.create(wish)).toString('pem');
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
  return { certificate: await authority.signRequest(`${request}\n`), key };
}

/** Why each is not to be trusted, and how it is made. */
export const specimens: Record<string, (authority: Authority) => Promise<Specimen>> = {
  'has expired': root => leaf(root, undefined, { notBefore: new Date(0), notAfter: new Date(Date.now() - day) }),
  'is not valid yet': root => leaf(root, undefined, { notBefore: new Date(Date.now() + day) }),
  'comes from an authority that nobody approved': async () => leaf(await Authority.create('CN=Stranger')),
  'comes from a false authority with the name of the approved one': async () => {
    const fake = await Authority.create('CN=Bastion Test Authority');
    return { ...(await leaf(fake)), intermediates: [fake.certificate] };
  },
  'comes from an unapproved authority that was registered as its intermediate': async () => {
    const stranger = await Authority.create('CN=Stranger');
    return { ...(await leaf(stranger)), intermediates: [stranger.certificate] };
  },
  'lacks its intermediate': async root => leaf(await root.intermediate('CN=Middle')),
  'was issued by a client certificate': root => beneath(root, clientExtensions()),
  'was issued by an authority without basic constraints': root =>
    beneath(root, [new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)]),
  'was issued by an authority without keyCertSign': root =>
    beneath(root, [new BasicConstraintsExtension(true), new KeyUsagesExtension(KeyUsageFlags.cRLSign, true)]),
  'stands on a path longer than an authority allows': async root => {
    const first = await root.intermediate('CN=First', 0);
    const second = await first.intermediate('CN=Second');
    return { ...(await second.client('CN=partner, O=Acme')), intermediates: [first.certificate, second.certificate] };
  },
  'has an unknown critical extension': root => leaf(root, [...clientExtensions(), critical]),
  'has an intermediate with an unknown critical extension': root => beneath(root, [...authorityExtensions(), critical]),
  'stands beneath critical name constraints': root => beneath(root, [...authorityExtensions(), nameConstraints(true)]),
  'stands beneath name constraints': root => beneath(root, [...authorityExtensions(), nameConstraints(false)]),
  'is for servers only': root => root.server(),
  'is for code signing': root => leaf(root, leafWith(new ExtendedKeyUsageExtension([ExtendedKeyUsage.codeSigning]))),
  'stands beneath an authority for servers only': root =>
    beneath(root, [...authorityExtensions(), new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth])]),
  'may encipher but not sign': root =>
    leaf(root, leafWith(new KeyUsagesExtension(KeyUsageFlags.keyEncipherment, true))),
  'is that of an authority': async root => root.issue({ name: 'CN=Middle', extensions: authorityExtensions() }),
};

/** Whose keys no TLS connection would be made with. */
export const weak: Record<string, (authority: Authority) => Promise<Specimen>> = {
  'has an RSA key of 1024 bits': root =>
    withKey(root, {
      name: 'RSASSA-PKCS1-v1_5',
      hash: 'SHA-256',
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
    }),
  'has a key on P-521': root => withKey(root, { name: 'ECDSA', namedCurve: 'P-521' }),
};
