import { isBlank } from './lexical.ts';

/** The tree of a message: what the parser makes, and how it is looked into. */

/** A namespace declaration and, by `outer`, all that are in scope with it. The default namespace has the prefix ''. */
export interface Binding {
  readonly prefix: string;
  readonly uri: string;
  readonly outer: Binding | undefined;
}

export interface XmlAttribute {
  /** As written: `wsu:Id`. */
  readonly name: string;
  readonly prefix: string;
  readonly local: string;
  /** '' when the attribute has no prefix. */
  readonly namespace: string;
  readonly value: string;
}

export interface XmlElement {
  /** As written: `soap:Body`. */
  readonly name: string;
  readonly prefix: string;
  readonly local: string;
  /** '' when in no namespace. */
  readonly namespace: string;
  /** In document order, without namespace declarations. */
  readonly attributes: readonly XmlAttribute[];
  readonly scope: Binding | undefined;
  /** Elements and texts; two texts never stand side by side. */
  readonly children: readonly (XmlElement | string)[];
}

/** What the prefix stands for, undefined when nothing does. */
export function lookup(scope: Binding | undefined, prefix: string): string | undefined {
  for (let at = scope; at !== undefined; at = at.outer) if (at.prefix === prefix) return at.uri;
  return undefined;
}

export function isNamed(element: XmlElement, namespace: string, local: string): boolean;
export function isNamed(node: XmlElement | string, namespace: string, local: string): node is XmlElement;
export function isNamed(node: XmlElement | string, namespace: string, local: string): boolean {
  return typeof node !== 'string' && node.local === local && node.namespace === namespace;
}

export function attributeOf(element: XmlElement, namespace: string, local: string): string | undefined {
  for (const each of element.attributes) {
    if (each.local === local && each.namespace === namespace) return each.value;
  }
  return undefined;
}

/** The child elements of an element that holds nothing but elements and white space; undefined when it holds text. */
export function childElements(element: XmlElement): XmlElement[] | undefined {
  const found: XmlElement[] = [];
  for (const child of element.children) {
    if (typeof child !== 'string') found.push(child);
    else if (!isBlank(child)) return undefined;
  }
  return found;
}

/** The text of an element that holds nothing but text; undefined when it has child elements. */
export function textOf(element: XmlElement): string | undefined {
  const [only, second] = element.children;
  if (only === undefined) return '';
  return typeof only === 'string' && second === undefined ? only : undefined;
}
