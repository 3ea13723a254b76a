import 'reflect-metadata';
import { constants, type KeyObject, verify } from 'node:crypto';
import { PemConverter, X509Crl } from '@peculiar/x509';
import { type Algorithm, comparableName, isSound, readAlgorithm, serialNumber } from './certificate-profile.ts';

/** A certificate revocation list (RFC 5280 section 5), complete or one partition of a divided one. */
export interface RevocationList {
  /** As `comparableName` writes it. */
  readonly issuer: string;
  /** Lists of one issuer with the same partition replace each other: the newest counts. '' is the complete list. */
  readonly partition: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  revokes(serial: string): boolean;
  signedBy(issuerThumbprint: string, issuerKey: KeyObject): boolean;
}

const issuingDistributionPoint = '2.5.29.28';
const certificateIssuer = '2.5.29.29';

/**
 * Reads the lists of a file: DER, or PEM labelled `X509 CRL` (RFC 7468 section 6) or `CRL`. Throws an Error on a list
 * that we could not apply in full: without nextUpdate, delta, indirect, or with another unknown critical extension.
 */
export function parseRevocationLists(content: Buffer): RevocationList[] {
  const text = content.toString('latin1');
  if (!text.includes('-----BEGIN')) return [readList(content)];
  const blocks = PemConverter.decodeWithHeaders(text).filter(block => /^(?:X509 )?CRL$/.test(block.type));
  if (blocks.length === 0) throw new Error('it holds no revocation list');
  return blocks.map(block => readList(Buffer.from(block.rawData)));
}

function readList(der: Buffer): RevocationList {
  const list = new X509Crl(der);
  const { nextUpdate } = list;
  const algorithm = readAlgorithm(list.signatureAlgorithm);
  if (nextUpdate === undefined) throw new Error('a revocation list without nextUpdate never ends');
  if (!isSound(algorithm)) throw new Error('a revocation list is signed with a weak hash');
  const partition = readPartition(list);
  const revoked = new Set(list.entries.map(entry => readEntry(entry)));
  const toBeSigned = firstElement(der);
  const signature = Buffer.from(list.signature);
  const verified = new Map<string, boolean>();
  return {
    issuer: comparableName(list.issuer),
    partition,
    thisUpdate: list.thisUpdate.getTime(),
    nextUpdate: nextUpdate.getTime(),
    revokes: serial => revoked.has(serial),
    signedBy(issuerThumbprint, issuerKey) {
      const known = verified.get(issuerThumbprint);
      if (known !== undefined) return known;
      const holds = verifySignature(algorithm, issuerKey, toBeSigned, signature);
      verified.set(issuerThumbprint, holds);
      return holds;
    },
  };
}

/** A partition only adds revocations; one for attribute certificates, some reasons or other issuers we cannot apply. */
function readPartition(list: X509Crl): string {
  const critical = list.extensions.filter(each => each.critical);
  const foreign = critical.find(each => each.type !== issuingDistributionPoint);
  if (foreign !== undefined) throw new Error(`a revocation list has the unknown critical extension ${foreign.type}`);
  const point = list.extensions.find(each => each.type === issuingDistributionPoint);
  if (point === undefined) return '';
  const value = Buffer.from(point.value);
  // Members of IssuingDistributionPoint: [0] point, [1] only users, [2] only CAs, [3] reasons, [4] indirect, [5] attributes.
  if (elementTags(value).some(tag => (tag & 0x1f) > 2)) throw new Error('an indirect or partial revocation list');
  return value.toString('hex');
}

function readEntry(entry: X509Crl['entries'][number]): string {
  if (entry.extensions.some(each => each.critical || each.type === certificateIssuer)) {
    throw new Error('an entry of a revocation list has an unknown critical extension');
  }
  return serialNumber(entry.serialNumber);
}

function verifySignature({ name, hash }: Algorithm, key: KeyObject, content: Buffer, signature: Buffer): boolean {
  const padding = name === 'RSA-PSS' ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {};
  try {
    return verify(name === 'Ed25519' ? null : hash, content, { key, ...padding }, signature);
  } catch {
    // The algorithm is not one of this key: another authority of the same name signed.
    return false;
  }
}

/** The octets of the first element inside a SEQUENCE: what a signature covers. */
function firstElement(der: Buffer): Buffer {
  const outer = element(der, 0);
  return der.subarray(outer.start, element(der, outer.start).end);
}

function elementTags(sequence: Buffer): number[] {
  const tags: number[] = [];
  const outer = element(sequence, 0);
  for (let at = outer.start; at < outer.end; at = element(sequence, at).end) tags.push(sequence[at]!);
  return tags;
}

/** Bounds of the content of the DER element at `at`; the library has checked the structure before. */
function element(der: Buffer, at: number): { start: number; end: number } {
  const first = der[at + 1]!;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const octets = first & 0x7f;
  const start = at + 2 + octets;
  return { start, end: start + der.readUIntBE(at + 2, octets) };
}
