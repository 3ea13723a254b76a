import { Refusal } from '../../core/errors.ts';
import { ns, roles } from './namespaces.ts';
import { malformed, refuse } from './refuse.ts';
import { attributeOf, childElements, isNamed, type XmlElement } from './tree.ts';

/** The positions of a SOAP 1.2 message, each held by exactly one element of the whole document. */
export interface Envelope {
  readonly headers: readonly XmlElement[];
  readonly body: XmlElement;
  /** The one child of Body: document/literal wrapped. */
  readonly operation: XmlElement;
}

export interface SecurityHeader {
  readonly timestamp: XmlElement;
  readonly signature: XmlElement;
  readonly token: XmlElement | undefined;
}

/**
 * @throws Refusal `version_mismatch` for an Envelope of another SOAP version, `malformed` for anything that is not a
 *   SOAP 1.2 message with one element in its Body
 */
export function readEnvelope(root: XmlElement): Envelope {
  if (root.local !== 'Envelope') malformed('The document is not a SOAP envelope.');
  if (root.namespace !== ns.soap) throw new Refusal('version_mismatch');
  const children = childElements(root) ?? malformed('The Envelope holds text.');
  const header = children[0] && isNamed(children[0], ns.soap, 'Header') ? children[0] : undefined;
  const [body, surplus] = header ? children.slice(1) : children;
  if (body === undefined || surplus !== undefined || !isNamed(body, ns.soap, 'Body')) {
    malformed('The Envelope must hold an optional Header and one Body.');
  }
  const headers = header === undefined ? [] : (childElements(header) ?? malformed('The Header holds text.'));
  const [operation, second] = childElements(body) ?? [];
  if (operation === undefined || second !== undefined) malformed('The Body must hold exactly one element.');
  return { headers, body, operation };
}

/** Finds what the Security header must hold, each once and nothing else. */
export function readSecurityHeader(headers: readonly XmlElement[]): SecurityHeader {
  const security = headers.find(each => isNamed(each, ns.wsse, 'Security'));
  if (security === undefined) return refuse('there is no Security header');
  const role = attributeOf(security, ns.soap, 'role') ?? '';
  if (role !== '' && role !== roles.ultimateReceiver) refuse('the Security header is for another role');
  const found = new Map<string, XmlElement>();
  for (const child of childElements(security) ?? refuse('the Security header holds text')) {
    const name = `{${child.namespace}}${child.local}`;
    if (!securityChildren.has(name) || found.has(name)) refuse(`unexpected ${child.local} in the Security header`);
    found.set(name, child);
  }
  const timestamp = found.get(`{${ns.wsu}}Timestamp`) ?? refuse('there is no Timestamp');
  const signature = found.get(`{${ns.ds}}Signature`) ?? refuse('there is no Signature');
  return { timestamp, signature, token: found.get(`{${ns.wsse}}BinarySecurityToken`) };
}

const securityChildren = new Set([`{${ns.wsu}}Timestamp`, `{${ns.ds}}Signature`, `{${ns.wsse}}BinarySecurityToken`]);

/** Elements that one message holds at most once, wherever: a second one can only be there to be mistaken for the first. */
const singletons: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [ns.soap, new Set(['Envelope', 'Header', 'Body'])],
  [ns.soap11, new Set(['Envelope', 'Header', 'Body'])],
  [ns.wsse, new Set(['Security'])],
  [ns.wsu, new Set(['Timestamp'])],
  [ns.ds, new Set(['Signature', 'SignedInfo', 'SignatureValue', 'KeyInfo'])],
]);

/** Content that could carry a second, signed but unprocessed, message. */
const banned = new Set(['Object', 'Manifest', 'SignatureProperties']);

/**
 * Walks the whole document once and makes sure that no name leads to two things.
 *
 * @returns what each identifier names. An identifier is any attribute called id, in whatever case and namespace: the
 *   many spellings are how wrapping attacks make two readers find two elements.
 */
export function indexDocument(root: XmlElement): ReadonlyMap<string, XmlElement> {
  const ids = new Map<string, XmlElement>();
  const seen = new Set<string>();
  const pending: XmlElement[] = [root];
  for (let element = pending.pop(); element !== undefined; element = pending.pop()) {
    const { namespace, local } = element;
    if (namespace === ns.ds && banned.has(local)) refuse(`${local} is not accepted`);
    if (singletons.get(namespace)?.has(local)) {
      const name = `{${namespace}}${local}`;
      if (seen.has(name)) refuse(`there are two elements ${local}`);
      seen.add(name);
    }
    for (const attribute of element.attributes) {
      if (attribute.local.length !== 2 || attribute.local.toLowerCase() !== 'id') continue;
      if (ids.has(attribute.value)) refuse('two elements have the same identifier');
      ids.set(attribute.value, element);
    }
    for (const child of element.children) if (typeof child !== 'string') pending.push(child);
  }
  return ids;
}

/**
 * SOAP 1.2 part 1, section 2.4: a mandatory header block for us that we do not know ends the processing.
 *
 * @throws Refusal `must_understand`
 */
export function checkMustUnderstand(headers: readonly XmlElement[], understood: (header: XmlElement) => boolean): void {
  for (const header of headers) {
    const mandatory = attributeOf(header, ns.soap, 'mustUnderstand')?.trim() ?? 'false';
    if (!['true', '1', 'false', '0'].includes(mandatory)) malformed('mustUnderstand must be a boolean.');
    if ((mandatory === 'true' || mandatory === '1') && isForUs(header) && !understood(header)) {
      throw new Refusal('must_understand');
    }
  }
}

export function isForUs(header: XmlElement): boolean {
  const role = attributeOf(header, ns.soap, 'role') ?? '';
  return role === '' || role === roles.ultimateReceiver || role === roles.next;
}

/** Measured: an element takes about as much as an attribute. */
const octetsPerNode = 128;
const lessThan = 0x3c;
const equalsSign = 0x3d;
const space = 0x20;
const quote = 0x22;
const apostrophe = 0x27;

/** About what the tree of an envelope takes in memory, at most: every element has a `<`, every attribute a `=` and a quote. */
export function treeOctets(octets: Uint8Array): number {
  let nodes = 0;
  let afterEquals = false;
  for (let at = 0; at < octets.length; at++) {
    const octet = octets[at]!;
    if (octet === lessThan || (afterEquals && (octet === quote || octet === apostrophe))) nodes++;
    if (octet > space) afterEquals = octet === equalsSign;
  }
  return nodes * octetsPerNode;
}
