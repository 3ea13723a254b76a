import {
  attachmentCompleteTransform,
  attachmentContentTransform,
  digestAlgorithms,
  exclusiveCanonicalization,
  type HashName,
  parameterisedPss,
  type SignatureAlgorithm,
  signatureAlgorithm,
  tokenTransform,
} from './algorithms.ts';
import { contentIdOfUrl } from './multipart.ts';
import { ns } from './namespaces.ts';
import { readPss } from './pss.ts';
import { base64Octets, refuse } from './refuse.ts';
import { attributeOf, childElements, isNamed, textOf, type XmlElement } from './tree.ts';

/** ds:Signature (XML Signature 1.1) as far as we accept it: everything has one place and one meaning. */
export interface Signature {
  readonly signedInfo: XmlElement;
  /** PrefixList of the canonicalization of SignedInfo. */
  readonly inclusivePrefixes: readonly string[];
  readonly algorithm: SignatureAlgorithm;
  readonly value: Buffer;
  readonly keyInfo: XmlElement;
  readonly references: readonly Reference[];
}

export type Reference = ElementReference | AttachmentReference;

interface SignedDigest {
  readonly uri: string;
  readonly hash: HashName;
  /** base64 without white space. */
  readonly digest: string;
}

export interface ElementReference extends SignedDigest {
  readonly id: string;
  /** STR-Transform: the id is that of a SecurityTokenReference, and what is digested is the token that it leads to. */
  readonly dereferenced: boolean;
  readonly inclusivePrefixes: readonly string[];
}

export interface AttachmentReference extends SignedDigest {
  readonly contentId: string;
  /** The headers of the part are digested before its content. */
  readonly complete: boolean;
}

const referenceLimit = 64;

export function readSignature(element: XmlElement): Signature {
  const [signedInfo, value, keyInfo] = exactly(element, ['SignedInfo', 'SignatureValue', 'KeyInfo']);
  const parts = elementsIn(signedInfo!);
  const [canonicalization, method, ...references] = parts;
  if (references.length === 0 || references.length > referenceLimit) refuse('too few or too many references');
  const octets = base64Octets(textOf(value!) ?? '');
  return {
    signedInfo: signedInfo!,
    inclusivePrefixes: readCanonicalization(canonicalization!, 'CanonicalizationMethod'),
    algorithm: readMethod(method!),
    value: octets ?? refuse('the SignatureValue is not base64'),
    keyInfo: keyInfo!,
    references: distinct(references.map(readReference)),
  };
}

function readMethod(method: XmlElement): SignatureAlgorithm {
  if (!isNamed(method, ns.ds, 'SignatureMethod')) refuse('the SignatureMethod is missing');
  const uri = attributeOf(method, '', 'Algorithm') ?? '';
  if (uri === parameterisedPss) return readPss(method);
  if (elementsIn(method).length > 0) refuse('the SignatureMethod has an unknown parameter');
  return signatureAlgorithm(uri) ?? refuse(`the signature algorithm ${uri.slice(0, 100)} is not accepted`);
}

function readReference(element: XmlElement): Reference {
  if (!isNamed(element, ns.ds, 'Reference')) refuse(`unexpected ${element.local} in SignedInfo`);
  const [transforms, method, value] = exactly(element, ['Transforms', 'DigestMethod', 'DigestValue']);
  const [transform, second] = elementsIn(transforms!);
  if (transform === undefined || second !== undefined) return refuse('a reference needs exactly one transform');
  const uri = attributeOf(element, '', 'URI') ?? '';
  const hash = digestAlgorithms.get(attributeOf(method!, '', 'Algorithm') ?? '');
  if (hash === undefined || elementsIn(method!).length > 0) return refuse('the digest algorithm is not accepted');
  const digest = base64Octets(textOf(value!) ?? '')?.toString('base64') ?? refuse('the DigestValue is not base64');

  const algorithm = attributeOf(transform, '', 'Algorithm');
  const contentId = contentIdOfUrl(uri);
  if (contentId !== undefined) {
    const complete = algorithm === attachmentCompleteTransform;
    if ((!complete && algorithm !== attachmentContentTransform) || elementsIn(transform).length > 0) {
      refuse('an attachment is signed with another transform');
    }
    return { uri: `cid:${contentId}`, hash, digest, contentId, complete };
  }
  // Only the bare name of an element: no empty URI, no xpointer(), nothing that would be fetched.
  if (!/^#[\w.-]{1,200}$/.test(uri)) refuse('a reference names no element');
  const dereferenced = algorithm === tokenTransform;
  const canonicalization = dereferenced ? parameterOf(transform) : transform;
  const inclusivePrefixes = readCanonicalization(
    canonicalization,
    dereferenced ? 'CanonicalizationMethod' : 'Transform',
  );
  return { uri, hash, digest, id: uri.slice(1), dereferenced, inclusivePrefixes };
}

/** The one canonicalization in the TransformationParameters of an STR-Transform. */
function parameterOf(transform: XmlElement): XmlElement {
  const [parameters, surplus] = elementsIn(transform);
  const [method, second] =
    parameters && isNamed(parameters, ns.wsse, 'TransformationParameters') ? elementsIn(parameters) : [];
  if (method === undefined || surplus !== undefined || second !== undefined) {
    return refuse('the STR-Transform needs exactly one CanonicalizationMethod');
  }
  return method;
}

/** An exclusive canonicalization, as method or transform; answers its PrefixList. */
function readCanonicalization(element: XmlElement, local: string): readonly string[] {
  if (!isNamed(element, ns.ds, local) || attributeOf(element, '', 'Algorithm') !== exclusiveCanonicalization) {
    refuse(`the ${local} is not exclusive canonicalization`);
  }
  const [inclusive, second] = elementsIn(element);
  if (inclusive === undefined) return [];
  if (second !== undefined || !isNamed(inclusive, exclusiveCanonicalization, 'InclusiveNamespaces')) {
    return refuse(`the ${local} has an unknown parameter`);
  }
  const list = (attributeOf(inclusive, '', 'PrefixList') ?? '').split(/[ \t\n\r]+/).filter(prefix => prefix !== '');
  if (list.length > 64) refuse('the PrefixList is too long');
  return list.map(prefix => (prefix === '#default' ? '' : prefix));
}

function distinct(references: readonly Reference[]): readonly Reference[] {
  if (new Set(references.map(each => each.uri)).size < references.length) refuse('two references have the same URI');
  return references;
}

function exactly(element: XmlElement, locals: readonly string[]): XmlElement[] {
  const children = elementsIn(element);
  if (children.length !== locals.length || !children.every((child, i) => isNamed(child, ns.ds, locals[i]!))) {
    refuse(`${element.local} must hold ${locals.join(', ')}`);
  }
  return children;
}

function elementsIn(element: XmlElement): XmlElement[] {
  return childElements(element) ?? refuse(`${element.local} holds text`);
}
