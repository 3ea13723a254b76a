import 'reflect-metadata';
import { createPrivateKey, KeyObject, X509Certificate as NodeCertificate, type webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';
import { parseCertificates } from './certificates.ts';
import type { KeyPair } from './key-pair.ts';

/** A certificate authority: an operator's, for partners and listeners, and those of development and tests. */

export const keyKinds = ['RSA-2048', 'RSA-3072', 'RSA-4096', 'P-256', 'P-384'] as const;
export type KeyKind = (typeof keyKinds)[number];

export interface CertificateWish {
  /** Distinguished name, as `CN=Example, O=Partner`. */
  name: string;
  extensions: Extension[];
  keyKind?: KeyKind;
  /** Default: an hour ago. */
  notBefore?: Date;
  /** Default: in two years. */
  notAfter?: Date;
}

/** What a revocation list says of one certificate. */
export interface Revoked {
  readonly serialNumber: string;
  readonly since: Date;
}

const hour = 3_600_000;
const year = 365 * 24 * hour;

const rsa = <B extends number>(modulusLength: B) =>
  ({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength }) as const;

const algorithms = {
  'RSA-2048': rsa(2048),
  'RSA-3072': rsa(3072),
  'RSA-4096': rsa(4096),
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
} as const satisfies Record<KeyKind, object>;

const curves: Record<string, KeyKind> = { prime256v1: 'P-256', secp384r1: 'P-384' };

export const authorityExtensions = (pathLength?: number): Extension[] => [
  new BasicConstraintsExtension(true, pathLength, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
];

export const clientExtensions = (): Extension[] => [
  new BasicConstraintsExtension(false, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
];

export const serverExtensions = (names: readonly string[], addresses: readonly string[]): Extension[] => [
  new BasicConstraintsExtension(false, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
  new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
  new SubjectAlternativeNameExtension([
    ...names.map(value => ({ type: 'dns' as const, value })),
    ...addresses.map(value => ({ type: 'ip' as const, value })),
  ]),
];

export class Authority {
  readonly certificate: string;
  /** PKCS#8 PEM: whoever holds it can issue certificates that a development server trusts. */
  readonly key: string;
  #certificate: X509Certificate;
  #privateKey: webcrypto.CryptoKey;
  #keyKind: KeyKind;

  private constructor(issued: KeyPair) {
    const key = createPrivateKey(issued.key);
    this.certificate = issued.certificate;
    this.key = issued.key;
    this.#certificate = new X509Certificate(issued.certificate);
    this.#keyKind = curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'RSA-2048';
    this.#privateKey = key.toCryptoKey(algorithms[this.#keyKind], true, ['sign']);
  }

  /** A new self-signed root, valid for ten years unless said otherwise. */
  static async create(
    name: string,
    keyKind: KeyKind = 'P-256',
    notAfter = new Date(Date.now() + 10 * year),
  ): Promise<Authority> {
    const keys = await generateKeys(keyKind);
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name,
      keys,
      signingAlgorithm: algorithms[keyKind],
      notBefore: new Date(Date.now() - hour),
      notAfter,
      extensions: [...authorityExtensions(), await SubjectKeyIdentifierExtension.create(keys.publicKey)],
    });
    return new Authority({ certificate: pemOf(certificate), key: keyPem(keys) });
  }

  /** One that was created before. */
  static open(issued: KeyPair): Authority {
    return new Authority(issued);
  }

  /** What a client sends along with a certificate of this authority: all that its file holds but the root. */
  get chain(): NodeCertificate[] {
    return (parseCertificates(this.certificate) ?? []).filter(({ subject, issuer }) => subject !== issuer);
  }

  /** For listeners on this machine. */
  server(name = 'CN=localhost', keyKind?: KeyKind): Promise<KeyPair> {
    return this.issue({ name, keyKind, extensions: serverExtensions(['localhost'], ['127.0.0.1', '::1']) });
  }

  /** For a partner: TLS, request signatures, and approvals. */
  client(name: string, keyKind?: KeyKind): Promise<KeyPair> {
    return this.issue({ name, keyKind, extensions: clientExtensions() });
  }

  /** Bastion's own: signs SOAP answers and authorization requests. RSA, which every partner's stack can verify. */
  signing(name: string, keyKind: KeyKind = 'RSA-2048'): Promise<KeyPair> {
    return this.issue({ name, keyKind, extensions: clientExtensions() });
  }

  /** An authority beneath this one. */
  async intermediate(name: string, pathLength?: number): Promise<Authority> {
    return new Authority(await this.issue({ name, extensions: authorityExtensions(pathLength) }));
  }

  async issue(wish: CertificateWish): Promise<KeyPair> {
    const keys = await generateKeys(wish.keyKind ?? this.#keyKind);
    return { certificate: await this.#certify(keys.publicKey, wish), key: keyPem(keys) };
  }

  /**
   * Signs a PKCS#10 request (RFC 2986), for a client certificate unless the wish says otherwise; answers the certificate as
   * PEM. Of the request only key and name are taken: what a certificate may be used for is the authority's to say.
   */
  async signRequest(requestPem: string, wish: Partial<Omit<CertificateWish, 'keyKind'>> = {}): Promise<string> {
    const request = readRequest(requestPem);
    if (!(await request.verify())) throw new Error('the request is not signed with its own key');
    const publicKey = await request.publicKey.export();
    return this.#certify(publicKey, { name: request.subject, extensions: clientExtensions(), ...wish });
  }

  /** A revocation list of certificates (PEM) or serial numbers, as PEM, valid from an hour ago for a week unless said otherwise. */
  async revocationList(
    revoked: readonly (string | Revoked)[],
    { thisUpdate = new Date(Date.now() - hour), nextUpdate = new Date(Date.now() + 7 * 24 * hour) } = {},
  ): Promise<string> {
    const list = await X509CrlGenerator.create({
      issuer: this.#certificate.subjectName,
      thisUpdate,
      nextUpdate,
      signingAlgorithm: algorithms[this.#keyKind],
      signingKey: this.#privateKey,
      entries: revoked.map(each =>
        typeof each === 'string'
          ? { serialNumber: new NodeCertificate(each).serialNumber, revocationDate: thisUpdate }
          : { serialNumber: each.serialNumber, revocationDate: each.since },
      ),
      extensions: [await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey)],
    });
    // The library labels it `CRL`, which Node and OpenSSL do not know (RFC 7468 section 6).
    return `${PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
  }

  async #certify(publicKey: webcrypto.CryptoKey, wish: CertificateWish): Promise<string> {
    const certificate = await X509CertificateGenerator.create({
      subject: wish.name,
      issuer: this.#certificate.subjectName,
      publicKey,
      signingKey: this.#privateKey,
      signingAlgorithm: algorithms[this.#keyKind],
      notBefore: wish.notBefore ?? new Date(Date.now() - hour),
      notAfter: wish.notAfter ?? new Date(Date.now() + 2 * year),
      extensions: [
        ...wish.extensions,
        await SubjectKeyIdentifierExtension.create(publicKey),
        await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
      ],
    });
    return pemOf(certificate);
  }
}

/** The subject of a certificate (PEM) as a `CertificateWish` takes it. */
export const nameOf = (pem: string): string => new X509Certificate(pem).subject;

/** A key with a PKCS#10 request for it, as a partner would make them. PEM texts. */
export async function newRequest(
  name: string,
  keyKind: KeyKind = 'RSA-2048',
): Promise<{ request: string; key: string }> {
  const keys = await generateKeys(keyKind);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithms[keyKind],
  });
  return { request: `${request.toString('pem')}\n`, key: keyPem(keys) };
}

async function generateKeys(keyKind: KeyKind): Promise<webcrypto.CryptoKeyPair> {
  return (await crypto.subtle.generateKey(algorithms[keyKind], true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
}

function readRequest(pem: string): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(pem);
  } catch (cause) {
    throw new Error('this is no PKCS#10 certificate request (PEM)', { cause });
  }
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

function keyPem(keys: webcrypto.CryptoKeyPair): string {
  return KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
}
