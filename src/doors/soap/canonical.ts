import { type Binding, lookup, type XmlAttribute, type XmlElement } from './tree.ts';

/**
 * Exclusive XML Canonicalization 1.0 without comments (W3C REC-xml-exc-c14n-20020718) of an element and all that is
 * beneath it, as text; the octets to digest are its UTF-8.
 *
 * @param inclusivePrefixes the InclusiveNamespaces PrefixList, `#default` given as ''. Prefixes that are not in scope
 *   are passed over, as libxml2 and WSS4J do.
 */
export function canonicalize(apex: XmlElement, inclusivePrefixes: readonly string[] = []): string {
  return write(apex, undefined, null, inclusivePrefixes);
}

/**
 * A token as the STR-Transform digests it (WS-Security 1.1, 8.3): canonical, with its default namespace shown even where it
 * has none.
 */
export function canonicalizeToken(token: XmlElement, inclusivePrefixes: readonly string[]): string {
  const text = canonicalize(token, ['', ...inclusivePrefixes]);
  const start = `<${token.name}`;
  return text.startsWith(`${start} xmlns="`) ? text : `${start} xmlns=""${text.slice(start.length)}`;
}

/**
 * @param rendered the namespace nodes that output ancestors carry
 * @param outerScope the parent's scope; null at the apex, where inclusive prefixes are always due
 */
function write(
  element: XmlElement,
  rendered: Binding | undefined,
  outerScope: Binding | undefined | null,
  inclusivePrefixes: readonly string[],
): string {
  const listed = outerScope === null ? inclusivePrefixes : redeclared(element.scope, outerScope, inclusivePrefixes);
  const due = namespaceNodes(element, rendered, listed);
  let scope = rendered;
  let out = `<${element.name}`;
  for (const { prefix, uri } of due) {
    scope = { prefix, uri, outer: scope };
    out += prefix === '' ? ` xmlns="${escapeAttribute(uri)}"` : ` xmlns:${prefix}="${escapeAttribute(uri)}"`;
  }
  for (const { name, value } of inOrder(element.attributes, byNamespaceThenName)) {
    out += ` ${name}="${escapeAttribute(value)}"`;
  }
  out += '>';
  for (const child of element.children) {
    out += typeof child === 'string' ? escapeText(child) : write(child, scope, element.scope, inclusivePrefixes);
  }
  return `${out}</${element.name}>`;
}

/**
 * Those of the prefixes that the element itself declares: the others stand as the parent has shown them. To look all of them
 * up at every element would let a small message cost a second.
 */
function redeclared(
  scope: Binding | undefined,
  outerScope: Binding | undefined,
  inclusivePrefixes: readonly string[],
): readonly string[] {
  const found: string[] = [];
  for (let at = scope; at !== undefined && at !== outerScope; at = at.outer) {
    if (inclusivePrefixes.includes(at.prefix)) found.push(at.prefix);
  }
  return found;
}

interface NamespaceNode {
  readonly prefix: string;
  readonly uri: string;
}

/** The namespaces that the element visibly uses or that are listed, less those that an output ancestor already shows. */
function namespaceNodes(
  element: XmlElement,
  rendered: Binding | undefined,
  inclusivePrefixes: readonly string[],
): readonly NamespaceNode[] {
  const due: NamespaceNode[] = [];
  const consider = (prefix: string, uri: string): void => {
    if (prefix === 'xml' || (lookup(rendered, prefix) ?? '') === uri) return;
    if (!due.some(each => each.prefix === prefix)) due.push({ prefix, uri });
  };
  consider(element.prefix, element.namespace);
  for (const { prefix, namespace } of element.attributes) if (prefix !== '') consider(prefix, namespace);
  for (const prefix of inclusivePrefixes) {
    const uri = lookup(element.scope, prefix);
    if (uri !== undefined) consider(prefix, uri);
    else if (prefix === '') consider('', '');
  }
  return inOrder(due, byPrefix);
}

function inOrder<T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] {
  return items.length < 2 ? items : [...items].sort(compare);
}

const byPrefix = (a: NamespaceNode, b: NamespaceNode): number => byCodePoint(a.prefix, b.prefix);

const byNamespaceThenName = (a: XmlAttribute, b: XmlAttribute): number =>
  byCodePoint(a.namespace, b.namespace) || byCodePoint(a.local, b.local);

/** Canonical XML orders by code point; JavaScript's `<` orders by UTF-16 unit, which puts U+10000 before U+F900. */
function byCodePoint(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const surrogateX = (x & 0xf800) === 0xd800;
    const surrogateY = (y & 0xf800) === 0xd800;
    return surrogateX === surrogateY ? x - y : surrogateX ? 1 : -1;
  }
  return a.length - b.length;
}

const textEscapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#xD;' };
const attributeEscapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '"': '&quot;',
  '\t': '&#x9;',
  '\n': '&#xA;',
  '\r': '&#xD;',
};

/** Text content in canonical form. */
export function escapeText(text: string): string {
  return /[&<>\r]/.test(text) ? text.replace(/[&<>\r]/g, found => textEscapes[found]!) : text;
}

/** An attribute value in canonical form, to stand between double quotes. */
export function escapeAttribute(value: string): string {
  return /[&<"\t\n\r]/.test(value) ? value.replace(/[&<"\t\n\r]/g, found => attributeEscapes[found]!) : value;
}
