import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** PEM texts of a certificate (leaf first, then any intermediates) and its private key (PKCS#8, not encrypted). */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
  /** Where it was read from, so that it can be read again; absent when it was made in memory. */
  readonly files?: KeyPairFiles;
}

export interface KeyPairFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Throws an Error that names the file which is missing, no PEM, or does not belong to the other. */
export function readKeyPair(files: KeyPairFiles): KeyPair {
  const pair = { certificate: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8'), files };
  let fits: boolean;
  try {
    fits = new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key));
  } catch {
    throw new Error(`${files.certificate} and ${files.key} are no PEM files of a certificate and its unencrypted key`);
  }
  if (!fits) throw new Error(`${files.key} is not the private key of ${files.certificate}`);
  return pair;
}

/** `NAME.pem` and `NAME.key`. */
export const keyPairFiles = (name: string): KeyPairFiles => ({ certificate: `${name}.pem`, key: `${name}.key` });

/** Throws when one of the files is there already: a key that is written over is lost. */
export function writeKeyPair(name: string, { certificate, key }: KeyPair): KeyPair {
  const files = keyPairFiles(name);
  writeSecret(files.key, key);
  writeNew(files.certificate, certificate);
  return { certificate, key, files };
}

/** Readable by its owner only, from its first octet on. */
export function writeSecret(file: string, content: string | Buffer): void {
  writeNew(file, content, 0o600);
}

/** Never over another file. */
export function writeNew(file: string, content: string | Buffer, mode = 0o644): void {
  if (existsSync(file)) throw new Error(`${file} exists already; move it away or name another file`);
  writeFileSync(file, content, { mode, flag: 'wx' });
}

/** As its files have it now. */
export const reread = (pair: KeyPair): KeyPair => (pair.files ? readKeyPair(pair.files) : pair);
