import 'reflect-metadata';
import { createHash, verify, X509Certificate } from 'node:crypto';
import { AuthorityInfoAccessExtension, X509Certificate as ParsedCertificate } from '@peculiar/x509';
import {
  BitString,
  Constructed,
  Enumerated,
  fromBER,
  GeneralizedTime,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Sequence,
} from 'asn1js';
import { serialNumber, usages } from './certificate-profile.ts';
import { allows, type Link, linkOf } from './chain.ts';

/** The questions and answers of OCSP (RFC 6960), and whether an answer counts. */

export interface OcspAnswer {
  readonly status: 'good' | 'revoked';
  readonly thisUpdate: number;
  /** Absent: the responder has newer information at any time. */
  readonly nextUpdate: number | undefined;
}

/** The responder's clock may be ahead. */
const skewMs = 5 * 60_000;
/** How old an answer may be that does not say when it ends: one from before the revocation could be shown for ever. */
const undatedMs = 24 * 60 * 60_000;
const ocspSigning = '1.3.6.1.5.5.7.3.9';
const basicResponse = '1.3.6.1.5.5.7.48.1.1';
const sha1 = '1.3.14.3.2.26';

/** SHA-256 or better; what a responder signs with SHA-1 is not believed. */
const hashes: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
};

/** Where the certificate says that its issuer answers; undefined when it says nothing readable. */
export function responderOf(certificate: X509Certificate): string | undefined {
  try {
    const access = new ParsedCertificate(certificate.raw).getExtension(AuthorityInfoAccessExtension);
    return access?.ocsp.find(({ type }) => type === 'url')?.value;
  } catch {
    return undefined;
  }
}

/** The hashes only name the issuer; SHA-1 is what every responder knows them by (RFC 5019 section 2.1.1). */
function certId(subject: Link, issuer: Link): Sequence {
  const { name, key } = issuerParts(issuer.certificate);
  const digest = (content: Uint8Array) => new OctetString({ valueHex: createHash('sha1').update(content).digest() });
  const serial = Buffer.from(subject.certificate.serialNumber, 'hex');
  // As an INTEGER has it: a first bit that is set would make it negative.
  const positive = serial[0]! & 0x80 ? Buffer.concat([Buffer.of(0), serial]) : serial;
  const algorithm = new Sequence({ value: [new ObjectIdentifier({ value: sha1 }), new Null()] });
  return new Sequence({ value: [algorithm, digest(name), digest(key), new Integer({ valueHex: positive })] });
}

export function ocspRequest(subject: Link, issuer: Link): Buffer {
  const one = new Sequence({ value: [certId(subject, issuer)] });
  const list = new Sequence({ value: [one] });
  return Buffer.from(new Sequence({ value: [new Sequence({ value: [list] })] }).toBER());
}

/**
 * What a responder's answer says of the certificate. Throws an Error with the reason for which it says nothing: not about
 * this certificate, not signed by the issuer or a responder that the issuer named, not of this time, or not to be read.
 */
export function readOcspAnswer(der: Buffer, subject: Link, issuer: Link, now: Date): OcspAnswer {
  const { data, algorithm, signature, certificates } = readBasic(der);
  const signers = [issuer, ...certificates.filter(each => mayAnswerFor(each, issuer, now))];
  const hash = hashes[algorithm];
  if (hash === undefined) throw new Error(`the answer is signed with ${algorithm}`);
  const isSigned = signers.some(({ publicKey }) => verifies(hash, data.raw, publicKey, signature));
  if (!isSigned) throw new Error('the answer is signed by nobody who may answer');
  const wanted = Buffer.from(certId(subject, issuer).toBER());
  const single = data.responses.find(each => names(each, wanted));
  if (!single) throw new Error('the answer is about another certificate');
  return readSingle(single, now);
}

/** Section 4.2.2.2: the issuer itself signed the responder's certificate, for this and nothing else said. */
function mayAnswerFor(responder: Link, issuer: Link, now: Date): boolean {
  const { profile } = responder;
  return (
    profile.issuer === issuer.profile.subject &&
    (profile.extendedKeyUsage?.includes(ocspSigning) ?? false) &&
    allows(profile.keyUsage, usages.digitalSignature) &&
    profile.soundSignature &&
    profile.notUnderstood === undefined &&
    now.getTime() >= profile.notBefore &&
    now.getTime() <= profile.notAfter &&
    responder.certificate.verify(issuer.publicKey)
  );
}

function verifies(hash: string | null, content: Uint8Array, key: Link['publicKey'], signature: Uint8Array): boolean {
  try {
    return verify(hash, content, key, signature);
  } catch {
    // The algorithm is not one of this key.
    return false;
  }
}

function readSingle(single: Sequence, now: Date): OcspAnswer {
  const [, status, thisUpdate, ...rest] = single.valueBlock.value;
  const [next] = rest.filter(each => each.idBlock.tagNumber === 0).flatMap(children);
  refuseCritical(rest);
  const answer = {
    status: statusOf(status?.idBlock.tagNumber),
    thisUpdate: instant(thisUpdate),
    nextUpdate: next === undefined ? undefined : instant(next),
  };
  if (answer.thisUpdate > now.getTime() + skewMs) throw new Error('the answer is from the future');
  if ((answer.nextUpdate ?? answer.thisUpdate + undatedMs) <= now.getTime())
    throw new Error('the answer is out of date');
  return answer;
}

function statusOf(tag: number | undefined): OcspAnswer['status'] {
  if (tag === 0) return 'good';
  if (tag === 1) return 'revoked';
  throw new Error('the responder does not know the certificate');
}

interface Basic {
  readonly data: { readonly raw: Uint8Array; readonly responses: readonly Sequence[] };
  readonly algorithm: string;
  readonly signature: Uint8Array;
  readonly certificates: readonly Link[];
}

function readBasic(der: Buffer): Basic {
  const [state, bytes] = children(decode(der));
  const code = as(Enumerated, state).valueBlock.valueDec;
  if (code !== 0) throw new Error(`the responder refused to answer (${code})`);
  const [type, content] = children(children(bytes)[0]);
  if (as(ObjectIdentifier, type).valueBlock.toString() !== basicResponse) throw new Error('an answer of unknown type');
  const inner = decode(as(OctetString, content).valueBlock.valueHexView);
  const [data, algorithm, signature, certificates] = children(inner);
  return {
    data: { raw: rawOf(data), responses: readData(data) },
    algorithm: as(ObjectIdentifier, children(algorithm)[0]).valueBlock.toString(),
    signature: as(BitString, signature).valueBlock.valueHexView,
    certificates: (certificates === undefined ? [] : children(children(certificates)[0]))
      .slice(0, 5)
      .map(certificateOf),
  };
}

/** ResponseData: an optional version, who answers, when, the answers, extensions. */
function readData(data: unknown): Sequence[] {
  const members = children(data).filter(each => !(each.idBlock.tagClass === 3 && each.idBlock.tagNumber === 0));
  const [, , responses, ...extensions] = members;
  refuseCritical(extensions);
  return children(responses).map(each => as(Sequence, each));
}

/** Extensions stand in [1]; a critical one changes what is said in a way that we do not know. */
function refuseCritical(members: readonly Tagged[]): void {
  const extensions = members.filter(each => each.idBlock.tagNumber === 1).flatMap(each => children(children(each)[0]));
  const isCritical = extensions.some(each =>
    children(each).some(member => member.idBlock.tagNumber === 1 && member.idBlock.tagClass === 1),
  );
  if (isCritical) throw new Error('the answer has an unknown critical extension');
}

/** The same certificate: the algorithm may be written with or without its empty parameters. */
function names(single: Sequence, wanted: Buffer): boolean {
  const [algorithm, ...others] = children(single.valueBlock.value[0]);
  const [wantedAlgorithm, ...wantedOthers] = children(decode(wanted));
  const oid = (value: unknown) => as(ObjectIdentifier, children(value)[0]).valueBlock.toString();
  const serial = (value: unknown) =>
    serialNumber(Buffer.from(as(Integer, value).valueBlock.valueHexView).toString('hex'));
  if (oid(algorithm) !== oid(wantedAlgorithm)) return false;
  const hashesAgree = [0, 1].every(index => Buffer.from(rawOf(others[index])).equals(rawOf(wantedOthers[index])));
  return hashesAgree && serial(others[2]) === serial(wantedOthers[2]);
}

/** Name and key of an issuer exactly as its certificate spells them, for they are hashed. */
function issuerParts({ raw }: X509Certificate): { name: Uint8Array; key: Uint8Array } {
  const members = children(children(decode(raw))[0]);
  const [, , , , subject, publicKey] = members[0]!.idBlock.tagClass === 3 ? members.slice(1) : members;
  return { name: rawOf(subject), key: as(BitString, children(publicKey)[1]).valueBlock.valueHexView };
}

interface Tagged {
  readonly idBlock: { readonly tagClass: number; readonly tagNumber: number };
}

function decode(der: Uint8Array): unknown {
  const { result, offset } = fromBER(der);
  if (offset !== der.length) throw new Error('this is no DER');
  return result;
}

function as<T>(kind: new (...parameters: never[]) => T, value: unknown): T {
  if (value instanceof kind) return value;
  throw new Error('the answer cannot be read');
}

const children = (value: unknown): Tagged[] => as(Constructed, value).valueBlock.value as unknown as Tagged[];

const rawOf = (value: unknown): Uint8Array => (value as { valueBeforeDecodeView: Uint8Array }).valueBeforeDecodeView;

const certificateOf = (value: unknown): Link => linkOf(new X509Certificate(rawOf(value) as Buffer));

const instant = (value: unknown): number => as(GeneralizedTime, value).toDate().getTime();
