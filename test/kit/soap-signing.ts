import 'reflect-metadata';
import { constants, createHash, KeyObject, sign, type webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { SignedXml } from 'xml-crypto';
import {
  attachmentCompleteTransform,
  attachmentContentTransform,
  exclusiveCanonicalization,
  keyInput,
  type SignatureName,
  signatureAlgorithms,
} from '../../src/doors/soap/algorithms.ts';
import { canonicalize } from '../../src/doors/soap/canonical.ts';
import { ns, tokenType } from '../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../src/doors/soap/parse.ts';
import type { XmlElement } from '../../src/doors/soap/tree.ts';
import type { Signer } from '../../src/doors/soap/verify.ts';

/** A partner's side of WS-Security: valid envelopes, and every kind of invalid one. */

export interface Partner extends Signer {
  readonly privateKey: KeyObject;
}

type KeyKind = 'RSA-2048' | 'RSA-1024' | 'P-256' | 'P-384' | 'P-521';

/** A new key with a self-signed certificate: whether it is trusted is the resolver's affair. */
export async function newPartner(kind: KeyKind = 'RSA-2048', name = 'CN=partner'): Promise<Partner> {
  const signing = kind.startsWith('RSA')
    ? {
        name: 'RSASSA-PKCS1-v1_5',
        hash: 'SHA-256',
        publicExponent: new Uint8Array([1, 0, 1]),
        modulusLength: Number(kind.slice(4)),
      }
    : { name: 'ECDSA', namedCurve: kind, hash: 'SHA-256' };
  const keys = (await crypto.subtle.generateKey(signing, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: signing,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
  });
  return {
    certificate: new X509Certificate(Buffer.from(certificate.rawData)),
    publicKey: KeyObject.from(keys.publicKey),
    privateKey: KeyObject.from(keys.privateKey),
  };
}

export interface ReferenceOptions {
  uri: string;
  digestAlgorithm?: string;
  /** The content of ds:Transforms. */
  transforms?: string;
  inclusivePrefixes?: string;
  /** What is digested, when it is not the element that the URI names. */
  octets?: Buffer | string;
  /** base64, when what is digested is too large to be given. */
  digest?: string;
}

export interface EnvelopeOptions {
  body?: string;
  created?: Date | string;
  expires?: Date | string | null;
  /** Header blocks before Security, as XML. They are signed when `references` names their wsu:Id. */
  headers?: string;
  /** Replaces the Timestamp element. */
  timestamp?: string;
  /** Replaces the BinarySecurityToken; '' leaves it out. */
  token?: string;
  /** Replaces the content of KeyInfo. */
  keyInfo?: string;
  references?: ReferenceOptions[];
  /** Further references beside Body and Timestamp. */
  also?: ReferenceOptions[];
  algorithm?: SignatureName;
  /** Replaces the SignatureMethod element. */
  signatureMethod?: string;
  canonicalizationMethod?: string;
  /** Signs SignedInfo in another way than `algorithm` says. */
  sign?: (octets: Buffer) => Buffer;
  bodyAttributes?: string;
  /** Attributes of Envelope beside the usual declarations. */
  envelopeAttributes?: string;
  securityAttributes?: string;
}

export const areaNamespace = 'http://bastioncommunications.com/soap/v3/organizations';
export const operationXml = `<m:GetOrganization xmlns:m="${areaNamespace}"><m:input><m:orgId>org_1</m:orgId></m:input></m:GetOrganization>`;

export const transform = (algorithm: string, inner = ''): string =>
  `<ds:Transform Algorithm="${algorithm}">${inner}</ds:Transform>`;

const sha256Uri = 'http://www.w3.org/2001/04/xmlenc#sha256';

/** An envelope signed by the partner: valid unless the options make it otherwise. */
export function signedEnvelope(partner: Partner, options: EnvelopeOptions = {}): string {
  const references = [...(options.references ?? [{ uri: '#Body-1' }, { uri: '#TS-1' }]), ...(options.also ?? [])];
  const signature = `<ds:Signature xmlns:ds="${ns.ds}">${'<!--signature-->'}</ds:Signature>`;
  const template = unsignedEnvelope(partner, options).replace('<!--security-->', signature);
  const document = parseXml(template.replaceAll('\r\n', '\n'));
  const digests = references.map(reference => referenceXml(reference, document));
  const algorithm =
    signatureAlgorithms[
      options.algorithm ?? (partner.publicKey.asymmetricKeyType === 'ec' ? 'ecdsaSha256' : 'rsaSha256')
    ];
  const method = options.signatureMethod ?? `<ds:SignatureMethod Algorithm="${algorithm.uri}"/>`;
  const canonicalization =
    options.canonicalizationMethod ?? `<ds:CanonicalizationMethod Algorithm="${exclusiveCanonicalization}"/>`;
  const signedInfo = `<ds:SignedInfo xmlns:ds="${ns.ds}">${canonicalization}${method}${digests.join('')}</ds:SignedInfo>`;
  const octets = Buffer.from(canonicalize(parseXml(signedInfo)));
  const value = (
    options.sign?.(octets) ?? sign(algorithm.hash, octets, keyInput(algorithm, partner.privateKey))
  ).toString('base64');
  const keyInfo = options.keyInfo ?? tokenReference('#X509-1');
  return template.replace(
    '<!--signature-->',
    () => `${signedInfo}<ds:SignatureValue>${value}</ds:SignatureValue><ds:KeyInfo>${keyInfo}</ds:KeyInfo>`,
  );
}

/** The same message without its signature, whose place is marked by a comment. */
export function unsignedEnvelope(partner: Partner, options: EnvelopeOptions = {}): string {
  const token = options.token ?? binaryToken(partner);
  return (
    `<soap:Envelope xmlns:soap="${ns.soap}" xmlns:wsu="${ns.wsu}" xmlns:wsse="${ns.wsse}" ${options.envelopeAttributes ?? ''}>` +
    `<soap:Header>${options.headers ?? ''}<wsse:Security soap:mustUnderstand="true" ${options.securityAttributes ?? ''}>` +
    `${token}${options.timestamp ?? timestampXml(options)}<!--security--></wsse:Security></soap:Header>` +
    `<soap:Body ${options.bodyAttributes ?? 'wsu:Id="Body-1"'}>${options.body ?? operationXml}</soap:Body></soap:Envelope>`
  );
}

export function timestampXml({ created = new Date(), expires }: Pick<EnvelopeOptions, 'created' | 'expires'>): string {
  const written = (value: Date | string): string => (typeof value === 'string' ? value : value.toISOString());
  const until = expires === undefined ? new Date(Date.now() + 300_000) : expires;
  return (
    `<wsu:Timestamp wsu:Id="TS-1"><wsu:Created>${written(created)}</wsu:Created>` +
    `${until === null ? '' : `<wsu:Expires>${written(until)}</wsu:Expires>`}</wsu:Timestamp>`
  );
}

export function binaryToken(
  { certificate }: Signer,
  valueType: string = tokenType.certificate,
  octets = certificate.raw,
): string {
  return (
    `<wsse:BinarySecurityToken EncodingType="${tokenType.base64}" ValueType="${valueType}" wsu:Id="X509-1">` +
    `${octets.toString('base64')}</wsse:BinarySecurityToken>`
  );
}

export const tokenReference = (uri: string): string =>
  `<wsse:SecurityTokenReference><wsse:Reference URI="${uri}" ValueType="${tokenType.certificate}"/></wsse:SecurityTokenReference>`;

export const pssUri = 'http://www.w3.org/2007/05/xmldsig-more#';

/** RSASSA-PSS in the form that names its parameters. `changed` is what an attacker would make of them. */
export function parameterisedPss(
  { privateKey }: Partner,
  hash: 'sha256' | 'sha384' | 'sha512',
  changed: (parameters: string) => string = parameters => parameters,
): Pick<EnvelopeOptions, 'signatureMethod'> & { sign: (octets: Buffer) => Buffer } {
  const saltLength = Number(hash.slice(3)) / 8;
  const uri =
    hash === 'sha384' ? 'http://www.w3.org/2001/04/xmldsig-more#sha384' : `http://www.w3.org/2001/04/xmlenc#${hash}`;
  const method = `<ds:DigestMethod Algorithm="${uri}"/>`;
  const parameters =
    `<p:RSAPSSParams xmlns:p="${pssUri}">${method}<p:MaskGenerationFunction Algorithm="${pssUri}MGF1">${method}` +
    `</p:MaskGenerationFunction><p:SaltLength>${saltLength}</p:SaltLength><p:TrailerField>1</p:TrailerField></p:RSAPSSParams>`;
  return {
    signatureMethod: `<ds:SignatureMethod Algorithm="${pssUri}rsa-pss">${changed(parameters)}</ds:SignatureMethod>`,
    sign: octets => sign(hash, octets, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  };
}

/** A reference to an attachment as the SwA profile signs it. */
export const attachmentReference = (contentId: string, content: Buffer): ReferenceOptions => ({
  uri: `cid:${contentId}`,
  transforms: transform(attachmentContentTransform),
  octets: content,
});

/** The same with the part's headers, given as the profile has them canonical. */
export const completeReference = (contentId: string, headers: string, content: Buffer): ReferenceOptions => ({
  uri: `cid:${contentId}`,
  transforms: transform(attachmentCompleteTransform),
  octets: Buffer.concat([Buffer.from(headers), content]),
});

function referenceXml(options: ReferenceOptions, document: XmlElement): string {
  const { uri, digestAlgorithm = sha256Uri, inclusivePrefixes } = options;
  const inclusive =
    inclusivePrefixes === undefined
      ? ''
      : `<ec:InclusiveNamespaces xmlns:ec="${exclusiveCanonicalization}" PrefixList="${inclusivePrefixes}"/>`;
  const prefixes = inclusivePrefixes?.split(' ').map(prefix => (prefix === '#default' ? '' : prefix));
  const element = options.octets === undefined ? elementById(document, uri.slice(1)) : undefined;
  const octets = options.octets ?? (element ? canonicalize(element, prefixes) : '');
  const hashName = /sha(1|256|384|512)$/.exec(digestAlgorithm)?.[1] ?? '256';
  const digest = options.digest ?? createHash(`sha${hashName}`).update(octets).digest('base64');
  return (
    `<ds:Reference URI="${uri}"><ds:Transforms>${options.transforms ?? transform(exclusiveCanonicalization, inclusive)}` +
    `</ds:Transforms><ds:DigestMethod Algorithm="${digestAlgorithm}"/><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference>`
  );
}

export function elementById(element: XmlElement, id: string): XmlElement | undefined {
  if (element.attributes.some(each => each.local.toLowerCase() === 'id' && each.value === id)) return element;
  for (const child of element.children) {
    const found = typeof child === 'string' ? undefined : elementById(child, id);
    if (found) return found;
  }
  return undefined;
}

/** The same envelope signed by xml-crypto, which shares no code with ours. */
export function xmlCryptoEnvelope(partner: Partner, options: EnvelopeOptions = {}): string {
  const signer = new SignedXml({
    idMode: 'wssecurity',
    privateKey: partner.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    signatureAlgorithm: signatureAlgorithms.rsaSha256.uri,
    canonicalizationAlgorithm: exclusiveCanonicalization,
    getKeyInfoContent: () => tokenReference('#X509-1'),
  });
  for (const local of ['Body', 'Timestamp']) {
    signer.addReference({
      xpath: `//*[local-name(.)='${local}']`,
      transforms: [exclusiveCanonicalization],
      digestAlgorithm: sha256Uri,
    });
  }
  signer.computeSignature(unsignedEnvelope(partner, options), {
    prefix: 'ds',
    location: { reference: "//*[local-name(.)='Security']", action: 'append' },
    existingPrefixes: { wsse: ns.wsse, wsu: ns.wsu },
  });
  return signer.getSignedXml();
}
