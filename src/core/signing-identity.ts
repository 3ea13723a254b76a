import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { thumbprintOf } from './certificates.ts';
import type { KeyPair } from './key-pair.ts';

interface Current {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
  readonly thumbprint: string;
  readonly nextCertificatePem: string | undefined;
}

export interface SigningMaterial extends KeyPair {
  /** PEM of the certificate that will sign after this one. */
  readonly next?: string | undefined;
}

/**
 * Bastion's own signing certificate and key: answers over SOAP, authorization requests, audit checkpoints. The next
 * certificate is made known before it signs, so that partners can trust it in time.
 */
export class SigningIdentity {
  #read: () => SigningMaterial;
  #current!: Current;

  /** `read` is called now and by every reload; it throws on material that cannot be used. */
  constructor(read: () => SigningMaterial) {
    this.#read = read;
    this.reload();
  }

  /** Takes changed files into use; when they cannot be used it throws and what was in use stays. */
  reload(): void {
    const { certificate, key, next } = this.#read();
    if (next !== undefined) new X509Certificate(next);
    this.#current = {
      certificatePem: certificate,
      privateKey: createPrivateKey(key),
      thumbprint: thumbprintOf(new X509Certificate(certificate)),
      nextCertificatePem: next,
    };
  }

  get certificatePem(): string {
    return this.#current.certificatePem;
  }

  get privateKey(): KeyObject {
    return this.#current.privateKey;
  }

  /** SHA-256 thumbprint, 64 lowercase hex digits. */
  get thumbprint(): string {
    return this.#current.thumbprint;
  }

  get nextCertificatePem(): string | undefined {
    return this.#current.nextCertificatePem;
  }
}
