import type { KeyObject, X509Certificate } from 'node:crypto';
import { Refusal } from '../../core/errors.ts';
import { type Addressing, isAddressing, readAddressing } from './addressing.ts';
import { digest, type HashName, type SignatureAlgorithm, verifyOctets } from './algorithms.ts';
import { canonicalize, canonicalizeToken } from './canonical.ts';
import { type Decoded, decodeMarked } from './decode.ts';
import {
  checkMustUnderstand,
  type Envelope,
  indexDocument,
  isForUs,
  readEnvelope,
  readSecurityHeader,
  type SecurityHeader,
} from './envelope.ts';
import { type Elsewhere, verifyElsewhere } from './envelope-threads.ts';
import { decodeXml } from './lexical.ts';
import type { RootPart } from './multipart.ts';
import { ns } from './namespaces.ts';
import { parseXml, type XmlLimits } from './parse.ts';
import { malformed, refuse } from './refuse.ts';
import { type AttachmentReference, type ElementReference, readSignature, type Signature } from './signature.ts';
import type { Wrapped } from './thread-orders.ts';
import { checkFreshness, readTimestamp, type Timestamp } from './timestamp.ts';
import { certificatePart, certificatePartLimit, readSignerToken, type TokenReference } from './token.ts';
import { attributeOf, childElements, isNamed, textOf, type XmlElement } from './tree.ts';
import { isReconstituted, type Reconstitution, reconstitution } from './xop.ts';

/** Someone whose certificate the gate has accepted for signing requests. */
export interface Signer {
  readonly certificate: X509Certificate;
  /** The key of that certificate, kept by the gate: importing it costs more than checking a signature. */
  readonly publicKey: KeyObject;
}

export interface VerifierSettings<S extends Signer = Signer> {
  /** When the headers of the HTTP request arrived. */
  receivedAt: Date;
  /** The namespace of the `Context` header: that of the area. */
  contextNamespace: string;
  /**
   * Whether the signer is one of those we know: chain, validity, registration. It is asked before any signature is
   * computed; undefined refuses the message. Selections (thumbprint, key identifier, issuer and serial number) are made
   * among registered certificates only.
   */
  resolve(reference: TokenReference): Promise<S | undefined>;
  /** Reads the part with the signer's certificate, if the message says that there is one; see `IncomingMessage.early`. */
  early?(contentId: string, limit: number): Promise<Buffer>;
  limits?: XmlLimits;
}

/** The `Context` header: who calls and for whom, when it is not said in the HTTP headers. */
export interface SoapContext {
  readonly apiKey: string | undefined;
  readonly orgId: string | undefined;
}

/** What an attachment must digest to, because the signature says so. */
export interface SignedAttachment {
  readonly hash: HashName;
  /** base64 */
  readonly digest: string;
  /** The part's headers are digested before its content (SwA profile 1.1, 5.3.2). */
  readonly complete: boolean;
}

/** All that is known of a message whose signature holds; `SignedBody` guards it. */
export interface Facts<S extends Signer> {
  operation: XmlElement;
  reconstitutions: readonly Reconstitution[];
  signer: S;
  timestamp: Timestamp;
  context: SoapContext | undefined;
  addressing: Addressing;
  signedHeaders: ReadonlySet<string>;
  attachments: ReadonlyMap<string, SignedAttachment>;
  algorithm: SignatureAlgorithm['name'];
  signatureValue: string;
  replayKey: string;
}

/** Where the verified content is. */
type Content = { readonly tree: XmlElement } | { readonly elsewhere: Elsewhere<Signer> };

let mint: <S extends Signer>(facts: Omit<Facts<S>, 'operation'>, content: Content) => SignedBody<S>;

/**
 * The content of a Body whose signature has been verified, and all that may be known of its message. Only the functions below
 * make one, so whatever takes a SignedBody cannot be reached by an unsigned message.
 */
export class SignedBody<S extends Signer = Signer> implements Disposable {
  readonly #facts: Omit<Facts<S>, 'operation'>;
  readonly #content: Content;
  #pending: readonly Reconstitution[];

  private constructor(facts: Omit<Facts<S>, 'operation'>, content: Content) {
    this.#facts = facts;
    this.#content = content;
    this.#pending = facts.reconstitutions;
  }

  static {
    mint = (facts, content) => new SignedBody(facts, content);
  }

  /** What the one child of Body is called, also while its content is still to be verified. */
  get operationName(): Pick<XmlElement, 'namespace' | 'local'> {
    return 'tree' in this.#content ? this.#content.tree : this.#content.elsewhere.summary.operationName;
  }

  /** The one child of Body. Throws while its digest waits for parts: nothing can be read that is not verified. */
  get operation(): XmlElement {
    this.#requireWhole();
    if (!('tree' in this.#content)) throw new Error('the tree is in another thread; it can only be decoded there');
    return this.#content.tree;
  }

  /** The value of the one child of Body, read from the very tree that was verified. A tree in a thread is let go of then. */
  async decode(operation: Wrapped): Promise<Decoded> {
    this.#requireWhole();
    if ('tree' in this.#content) return decodeMarked(operation, this.#content.tree);
    return this.#content.elsewhere.decode(operation).finally(() => this[Symbol.dispose]());
  }

  #requireWhole(): void {
    if (this.#pending.length > 0) throw new Error('the Body is not verified before its parts are in their places');
  }

  [Symbol.dispose](): void {
    if ('elsewhere' in this.#content) this.#content.elsewhere.forget();
  }

  /**
   * Verifies what was signed with the content of parts in the place of their Includes.
   *
   * @param content throws for a part that is not there
   */
  async reconstitute(content: (contentId: string) => AsyncIterable<Buffer>): Promise<void> {
    for (const each of this.#pending) {
      if (!(await isReconstituted(each, content))) refuse(`the digest of ${each.uri} differs`);
    }
    this.#pending = [];
  }

  /** Content-IDs of the parts that the signature covers in the places of their Includes. */
  get reconstituted(): ReadonlySet<string> {
    return new Set(this.#facts.reconstitutions.flatMap(({ parts }) => parts));
  }

  get signer(): S {
    return this.#facts.signer;
  }

  get created(): Date {
    return this.#facts.timestamp.created;
  }

  /** Signed, if it is there at all. */
  get context(): SoapContext | undefined {
    return this.#facts.context;
  }

  /** Signed or not; `signedHeaders` says which. */
  get addressing(): Addressing {
    return this.#facts.addressing;
  }

  /** Names of the signed header blocks as `{namespace}local`. */
  get signedHeaders(): ReadonlySet<string> {
    return this.#facts.signedHeaders;
  }

  /** By Content-ID, what the signature says about attachments. */
  get attachments(): ReadonlyMap<string, SignedAttachment> {
    return this.#facts.attachments;
  }

  get algorithm(): SignatureAlgorithm['name'] {
    return this.#facts.algorithm;
  }

  /** base64, for SignatureConfirmation. */
  get signatureValue(): string {
    return this.#facts.signatureValue;
  }

  /**
   * 64 hex digits that are the same for every copy of what was signed. Made of the signer and the digests: the octets
   * of the signature can be changed without making it wrong (ECDSA, white space), so they would not find a copy.
   */
  get replayKey(): string {
    return this.#facts.replayKey;
  }
}

/**
 * Verifies a SOAP 1.2 message signed with WS-Security 1.1: Body and Timestamp signed at their own positions, by a
 * signer that `resolve` knows, in time. One parse and one tree: what was digested is what the caller is given.
 *
 * Left to the caller, in this order: put parts in the places of their Includes, decode the Body, bind the attachments, spend
 * the replay key.
 *
 * @throws Refusal `malformed`, `version_mismatch`, `must_understand`, `timestamp_invalid`, or `signature_invalid` for
 *   all that is not authentic, without saying why (the cause does)
 */
export async function verifyEnvelope<S extends Signer>(
  root: Pick<RootPart, 'octets' | 'charset'>,
  settings: VerifierSettings<S>,
): Promise<SignedBody<S>> {
  const { operation, ...facts } = await readFacts(root, settings);
  return mint(facts, { tree: operation });
}

/** The same in a thread of its own, for an envelope that would hold up the event loop. */
export async function verifyLargeEnvelope<S extends Signer>(
  root: Pick<RootPart, 'octets' | 'charset'>,
  settings: VerifierSettings<S>,
): Promise<SignedBody<S>> {
  const elsewhere = await verifyElsewhere(root, settings);
  return mint({ ...elsewhere.summary, signer: elsewhere.signer }, { elsewhere });
}

/** For `verifyEnvelope`, and for the thread, which must not let go of the tree. */
export async function readFacts<S extends Signer>(
  root: Pick<RootPart, 'octets' | 'charset'>,
  settings: VerifierSettings<S>,
): Promise<Facts<S>> {
  const document = parseXml(decodeXml(root.octets, root.charset), settings.limits);
  const envelope = readEnvelope(document);
  const ids = indexDocument(document);
  const security = readSecurityHeader(envelope.headers);
  const signature = readSignature(security.signature);
  const signed = signedElements(signature, envelope, security, ids);

  const { signer, part } = await findSigner(signature, security, settings);
  checkSignature(signature, signer);
  const reconstitutions: Reconstitution[] = [];
  for (const [reference, element] of signed) {
    const pending = checkElement(reference, element, element === envelope.body);
    if (pending) reconstitutions.push(pending);
  }
  const attachments = signedAttachments(signature, part);

  const timestamp = readTimestamp(security.timestamp);
  checkFreshness(timestamp, settings.receivedAt);
  const signedElementSet = new Set(signed.values());
  const isContext = (header: XmlElement) => isNamed(header, settings.contextNamespace, 'Context');
  checkMustUnderstand(envelope.headers, each => isContext(each) || isAddressing(each) || isSecurity(each));
  const ours = envelope.headers.filter(isForUs);
  return {
    operation: envelope.operation,
    reconstitutions,
    signer,
    timestamp,
    context: readContext(envelope.headers.filter(isContext), signedElementSet),
    addressing: readAddressing(ours),
    signedHeaders: new Set(ours.filter(each => signedElementSet.has(each)).map(nameOf)),
    attachments,
    algorithm: signature.algorithm.name,
    signatureValue: signature.value.toString('base64'),
    replayKey: replayKey(signature, signer),
  };
}

const isSecurity = (header: XmlElement): boolean => isNamed(header, ns.wsse, 'Security');
const nameOf = ({ namespace, local }: XmlElement): string => `{${namespace}}${local}`;

/**
 * What each reference covers. An identifier does not lead to wherever the element happens to be: only Body, Timestamp,
 * token and header blocks at their positions can be signed, and the first two must be. That is what makes moving signed
 * content around (signature wrapping) pointless.
 */
function signedElements(
  { references, keyInfo }: Signature,
  { body, headers }: Envelope,
  { timestamp, token }: SecurityHeader,
  ids: ReadonlyMap<string, XmlElement>,
): Map<ElementReference, XmlElement> {
  const signable = new Set([body, timestamp, ...(token ? [token] : []), ...headers.filter(each => !isSecurity(each))]);
  const signed = new Map<ElementReference, XmlElement>();
  for (const reference of references) {
    if (!('id' in reference)) continue;
    const element = ids.get(reference.id);
    const fits = element && (reference.dereferenced ? keyInfo.children.includes(element) : signable.has(element));
    if (!fits || attributeOf(element, ns.wsu, 'Id') !== reference.id) {
      return refuse(`${reference.uri} is not the wsu:Id of anything that may be signed`);
    }
    if (reference.dereferenced && token === undefined)
      return refuse('the STR-Transform leads to no token of the message');
    signed.set(reference, reference.dereferenced ? token! : element);
  }
  const covered = new Set(signed.values());
  if (!covered.has(body)) refuse('the Body is not signed');
  if (!covered.has(timestamp)) refuse('the Timestamp is not signed');
  return signed;
}

interface FoundSigner<S extends Signer> {
  signer: S;
  /** The part that the certificate came in. */
  part: { contentId: string; octets: Buffer } | undefined;
}

async function findSigner<S extends Signer>(
  { keyInfo }: Signature,
  { token }: SecurityHeader,
  { resolve, early }: VerifierSettings<S>,
): Promise<FoundSigner<S>> {
  const found = readSignerToken(keyInfo, token);
  let reference: TokenReference;
  let part: FoundSigner<S>['part'];
  if ('reference' in found) {
    reference = found.reference;
  } else {
    const octets =
      (await early?.(found.contentId, certificatePartLimit)) ?? refuse('there is no part with a certificate');
    part = { contentId: found.contentId, octets };
    reference = certificatePart(octets);
  }
  const signer = await resolve(reference);
  if (signer === undefined) throw new Refusal('certificate_invalid');
  return { signer, part };
}

function checkSignature({ algorithm, signedInfo, inclusivePrefixes, value }: Signature, { publicKey }: Signer): void {
  const octets = Buffer.from(canonicalize(signedInfo, inclusivePrefixes));
  if (!verifyOctets(algorithm, publicKey, octets, value)) refuse('the signature does not verify');
}

/**
 * @returns what is left to check when the parts have come: an Include may have been signed as it stands, when something else
 *   binds its part, or with the part in its place
 */
function checkElement(
  reference: ElementReference,
  element: XmlElement,
  mayInclude: boolean,
): Reconstitution | undefined {
  const { dereferenced, inclusivePrefixes } = reference;
  const octets = dereferenced
    ? canonicalizeToken(element, inclusivePrefixes)
    : canonicalize(element, inclusivePrefixes);
  if (digest(reference.hash, octets) === reference.digest) return undefined;
  const pending = mayInclude ? reconstitution(element, reference) : undefined;
  return pending ?? refuse(`the digest of ${reference.uri} differs`);
}

/** Attachments are not there yet, so their digests are handed on; only a certificate part can be checked now. */
function signedAttachments(
  { references }: Signature,
  part: { contentId: string; octets: Buffer } | undefined,
): ReadonlyMap<string, SignedAttachment> {
  const expected = new Map<string, SignedAttachment>();
  for (const reference of references) {
    if (!isAttachment(reference)) continue;
    const { contentId, hash, digest: value, complete } = reference;
    if (contentId !== part?.contentId) expected.set(contentId, { hash, digest: value, complete });
    else if (complete) refuse('the certificate part is signed with its headers');
    else if (digest(hash, part.octets) !== value) refuse('the digest of the certificate part differs');
  }
  return expected;
}

const isAttachment = (reference: AttachmentReference | ElementReference): reference is AttachmentReference =>
  'contentId' in reference;

function readContext(found: readonly XmlElement[], signed: ReadonlySet<XmlElement>): SoapContext | undefined {
  const [context, second] = found;
  if (context === undefined) return undefined;
  if (second !== undefined) malformed('Context is repeated.');
  // A key that is not signed could be taken from one message and put into another.
  if (!signed.has(context)) refuse('Context is not signed');
  const values = new Map<string, string>();
  for (const child of childElements(context) ?? malformed('Context holds text.')) {
    const known = child.namespace === context.namespace && ['apiKey', 'orgId'].includes(child.local);
    const value = textOf(child)?.trim();
    if (!known || !value || values.has(child.local)) malformed('Context may hold one apiKey and one orgId.');
    values.set(child.local, value!);
  }
  return { apiKey: values.get('apiKey'), orgId: values.get('orgId') };
}

const keyNames = new WeakMap<KeyObject, string>();

/** Writing a key out costs more than checking its signature; the gate gives the same object for the same key. */
function keyName(key: KeyObject): string {
  const known = keyNames.get(key) ?? key.export({ type: 'spki', format: 'der' }).toString('base64');
  keyNames.set(key, known);
  return known;
}

/** Of the key, not the certificate: which certificate is named is not signed, and a renewed one may be over the same key. */
function replayKey({ references }: Signature, { publicKey }: Signer): string {
  const signed = references.map(({ uri, hash, digest: value }) => [uri, hash, value].join(' ')).sort();
  return digest('sha256', [keyName(publicKey), ...signed].join('\n'), 'hex');
}
