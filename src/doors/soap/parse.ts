import { Refusal } from '../../core/errors.ts';
import { endOfName, isSpace, isXmlCharacter, xmlDeclaration } from './lexical.ts';
import { ns } from './namespaces.ts';
import { type Binding, lookup, type XmlAttribute, type XmlElement } from './tree.ts';

/**
 * One parse for verification and for decoding, so that what was verified is what is read. Namespaces in XML 1.0, no
 * DTD, no processing instructions. Comments are dropped and the text around them joined, exactly as canonical XML
 * without comments does, so no reader can see a shorter text than the digest covered.
 */

export interface XmlLimits {
  depth: number;
  elements: number;
  /** Per element. */
  attributes: number;
  /** Namespace declarations in scope, shadowed ones counted. */
  declarations: number;
  /** UTF-16 code units of one name part. */
  nameLength: number;
  /** UTF-16 code units of one attribute value as written. */
  attributeLength: number;
}

export const xmlLimits: XmlLimits = {
  depth: 100,
  elements: 50_000,
  attributes: 64,
  declarations: 64,
  nameLength: 256,
  attributeLength: 65_536,
};

/** RFC 3986: a scheme, then nothing but characters of a URI. */
const absoluteUri = /^[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z[\]_a-z~]*$/;

type Open = { -readonly [Member in keyof XmlElement]: XmlElement[Member] } & { children: (XmlElement | string)[] };
type Written = { -readonly [Member in keyof XmlAttribute]: XmlAttribute[Member] };

/** A name as written and its parts. A document has few and repeats them: kept once, they are no work for the collector. */
interface Name {
  readonly name: string;
  readonly prefix: string;
  readonly local: string;
}

const isDeclaration = ({ name, prefix }: Pick<Name, 'name' | 'prefix'>): boolean =>
  prefix === 'xmlns' || name === 'xmlns';

const none: readonly XmlAttribute[] = [];
/** Of an element that has none yet: an empty array that grows takes room for seventeen, and most elements hold one text. */
const childless: (XmlElement | string)[] = [];
Object.freeze(childless);
const bang = 0x21;
const question = 0x3f;
const slash = 0x2f;
const colon = 0x3a;
const greater = 0x3e;

/**
 * The document element of a text that came from `decodeXml`. Time and memory are linear in the length of the text.
 *
 * @throws Refusal `malformed`, with line and column, for anything that is not well-formed or breaks a limit.
 */
export function parseXml(text: string, limits: XmlLimits = xmlLimits): XmlElement {
  return new Parser(text, limits).document();
}

class Parser {
  readonly #text: string;
  readonly #limits: XmlLimits;
  readonly #open: Open[] = [];
  #at = 0;
  #elements = 0;
  readonly #names = new Map<string, Name>();

  constructor(text: string, limits: XmlLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  document(): XmlElement {
    this.#declaration();
    this.#betweenMarkup();
    const root = this.#startTag();
    while (this.#open.length > 0) this.#content();
    this.#betweenMarkup();
    if (this.#at < this.#text.length) this.#fail('something follows the document element');
    return root;
  }

  #declaration(): void {
    if (!this.#text.startsWith('<?xml')) return;
    xmlDeclaration.lastIndex = 0;
    const found = xmlDeclaration.exec(this.#text);
    if (!found) this.#fail('processing instructions are not accepted');
    const [whole, version1, version2, encoding1, encoding2] = found;
    if ((version1 ?? version2) !== '1.0') this.#fail('only XML 1.0 is understood');
    if ((encoding1 ?? encoding2 ?? 'utf-8').toLowerCase() !== 'utf-8') this.#fail('only UTF-8 is understood');
    this.#at = whole.length;
  }

  /** White space and comments around the document element; stops at its start tag or at the end. */
  #betweenMarkup(): void {
    for (;;) {
      this.#space();
      if (!this.#text.startsWith('<!', this.#at)) break;
      this.#at += 2;
      this.#comment();
    }
    if (this.#at < this.#text.length) {
      if (this.#text[this.#at] !== '<') this.#fail('there is text outside the document element');
      if (this.#text.charCodeAt(this.#at + 1) === question) this.#fail('processing instructions are not accepted');
    }
  }

  #content(): void {
    const next = this.#text.indexOf('<', this.#at);
    if (next < 0) this.#fail(`<${this.#open.at(-1)!.name}> is not closed`);
    if (next > this.#at) this.#characters(next);
    switch (this.#text.charCodeAt(next + 1)) {
      case slash:
        this.#endTag();
        break;
      case bang:
        this.#at = next + 2;
        if (this.#text.startsWith('[CDATA[', this.#at)) this.#cdata();
        else this.#comment();
        break;
      case question:
        this.#fail('processing instructions are not accepted');
        break;
      default:
        this.#startTag();
    }
  }

  #characters(end: number): void {
    const raw = this.#text.slice(this.#at, end);
    if (raw.includes(']]>')) this.#fail('"]]>" must not stand in text');
    this.#append(raw.includes('&') ? this.#expand(raw) : raw);
    this.#at = end;
  }

  #cdata(): void {
    const start = this.#at + 7;
    const end = this.#text.indexOf(']]>', start);
    if (end < 0) this.#fail('a CDATA section is not closed');
    this.#append(this.#text.slice(start, end));
    this.#at = end + 3;
  }

  #append(text: string): void {
    if (text === '') return;
    const parent = this.#open.at(-1)!;
    const last = parent.children.length - 1;
    const before = parent.children[last];
    if (typeof before === 'string') parent.children[last] = before + text;
    else this.#adopt(parent, text);
  }

  #adopt(parent: Open, child: XmlElement | string): void {
    if (parent.children === childless) parent.children = [child];
    else parent.children.push(child);
  }

  #comment(): void {
    if (!this.#text.startsWith('--', this.#at)) this.#fail('document type declarations are not accepted');
    const end = this.#text.indexOf('--', this.#at + 2);
    if (end < 0 || this.#text.charCodeAt(end + 2) !== greater) this.#fail('a comment is not closed properly');
    this.#at = end + 3;
  }

  #endTag(): void {
    const { name } = this.#open.pop()!;
    this.#at = this.#text.indexOf('/', this.#at) + 1;
    if (!this.#text.startsWith(name, this.#at)) this.#fail(`</${name}> is expected here`);
    this.#at += name.length;
    this.#space();
    this.#expect('>');
  }

  #startTag(): XmlElement {
    const text = this.#text;
    this.#expect('<');
    const { name, prefix, local } = this.#name();
    const outer = this.#open.at(-1);
    const written = this.#attributes();
    const scope = written ? this.#declare(written, outer?.scope) : outer?.scope;
    const attributes = written ? this.#resolve(written, scope) : none;
    const namespace = this.#namespaceOf(prefix, scope);
    const element: Open = { name, prefix, local, namespace, attributes, scope, children: childless };
    if (++this.#elements > this.#limits.elements) this.#fail('there are too many elements');
    if (outer) this.#adopt(outer, element);

    if (text.charCodeAt(this.#at) === slash) this.#at++;
    else this.#open.push(element);
    this.#expect('>');
    if (this.#open.length > this.#limits.depth) this.#fail('elements are nested too deeply');
    return element;
  }

  /** The attributes as written, namespace declarations among them and prefixes not looked up yet. */
  #attributes(): Written[] | undefined {
    const text = this.#text;
    let found: Written[] | undefined;
    for (;;) {
      const before = this.#at;
      this.#space();
      const code = text.charCodeAt(this.#at);
      if (code === greater || code === slash) return found;
      if (before === this.#at) this.#fail('white space is missing before an attribute');
      const { name, prefix, local } = this.#name();
      const attribute = { name, prefix, local, namespace: '', value: this.#attributeValue() };
      if (found) found.push(attribute);
      else found = [attribute];
      if (found.length > this.#limits.attributes) this.#fail('there are too many attributes');
    }
  }

  /** XML 1.0 section 3.3.3 for CDATA attributes: literal white space becomes a space, references are kept as they are. */
  #attributeValue(): string {
    const text = this.#text;
    this.#space();
    this.#expect('=');
    this.#space();
    const quote = text[this.#at];
    if (quote !== '"' && quote !== "'") this.#fail('an attribute value must be quoted');
    const start = this.#at + 1;
    const end = text.indexOf(quote, start);
    if (end < 0) this.#fail('an attribute value is not closed');
    if (end - start > this.#limits.attributeLength) this.#fail('an attribute value is too long');
    const raw = text.slice(start, end);
    if (!/[<&\t\n]/.test(raw)) {
      this.#at = end + 1;
      return raw;
    }
    if (raw.includes('<')) this.#fail('"<" must not stand in an attribute value');
    const value = this.#expand(raw.replace(/[\t\n]/g, ' '));
    this.#at = end + 1;
    return value;
  }

  #declare(attributes: readonly XmlAttribute[], outer: Binding | undefined): Binding | undefined {
    let scope = outer;
    const declared: string[] = [];
    for (const { name, prefix, local, value } of attributes) {
      if (!isDeclaration({ name, prefix })) continue;
      const bound = prefix === '' ? '' : local;
      if (declared.includes(bound)) this.#fail('a namespace is declared twice');
      declared.push(bound);
      this.#checkDeclaration(bound, value);
      if (bound !== 'xml') scope = { prefix: bound, uri: value, outer: scope };
    }
    if (declared.length > 0) this.#countDeclarations(scope);
    return scope;
  }

  /** Namespaces in XML 1.0 section 3, and canonical XML section 1.3, which has no answer for a relative name. */
  #checkDeclaration(prefix: string, uri: string): void {
    const reserved =
      prefix === 'xmlns' ||
      uri === ns.xmlns ||
      (prefix === 'xml') !== (uri === ns.xml) ||
      (uri === '' && prefix !== '');
    if (reserved) this.#fail('a namespace declaration is not allowed');
    if (uri !== '' && !absoluteUri.test(uri)) this.#fail('a namespace name is not an absolute URI');
  }

  #countDeclarations(scope: Binding | undefined): void {
    let count = 0;
    for (let at = scope; at !== undefined; at = at.outer) count++;
    if (count > this.#limits.declarations) this.#fail('there are too many namespaces');
  }

  /** The attributes without the declarations, each with its namespace. */
  #resolve(written: Written[], scope: Binding | undefined): readonly XmlAttribute[] {
    const attributes = written.some(isDeclaration) ? written.filter(each => !isDeclaration(each)) : written;
    for (const [index, attribute] of attributes.entries()) {
      const { name, prefix, local } = attribute;
      if (prefix !== '') attribute.namespace = this.#namespaceOf(prefix, scope);
      for (let before = 0; before < index; before++) {
        const other = attributes[before]!;
        if (other.local === local && other.namespace === attribute.namespace)
          this.#fail(`the attribute ${name} is repeated`);
      }
    }
    return attributes;
  }

  #namespaceOf(prefix: string, scope: Binding | undefined): string {
    if (prefix === 'xml') return ns.xml;
    const uri = lookup(scope, prefix);
    if (uri === undefined && prefix !== '') this.#fail(`the prefix ${prefix} is not declared`);
    return uri ?? '';
  }

  #name(): Name {
    const start = this.#at;
    this.#namePart();
    const middle = this.#at;
    const isPrefixed = this.#text.charCodeAt(middle) === colon;
    if (isPrefixed) {
      this.#at++;
      this.#namePart();
    }
    const name = this.#text.slice(start, this.#at);
    const known = this.#names.get(name);
    if (known) return known;
    const colonAt = isPrefixed ? middle - start : 0;
    const made = { name, prefix: name.slice(0, colonAt), local: isPrefixed ? name.slice(colonAt + 1) : name };
    this.#names.set(name, made);
    return made;
  }

  #namePart(): void {
    const end = endOfName(this.#text, this.#at);
    if (end === this.#at) this.#fail('a name is expected here');
    if (end - this.#at > this.#limits.nameLength) this.#fail('a name is too long');
    this.#at = end;
  }

  #expand(raw: string): string {
    let expanded = '';
    let from = 0;
    for (let at = raw.indexOf('&'); at >= 0; at = raw.indexOf('&', from)) {
      const end = raw.indexOf(';', at);
      // Names beyond the longest are not even cut out: a text of ampersands costs one search.
      if (end < 0 || end - at > longestReference) this.#forbidReference();
      expanded += raw.slice(from, at) + this.#referred(raw.slice(at + 1, end));
      from = end + 1;
    }
    return expanded + raw.slice(from);
  }

  #referred(reference: string): string {
    const entity = entities.get(reference);
    if (entity !== undefined) return entity;
    const [, decimal, hexadecimal] = /^#(?:(\d{1,8})|x([0-9A-Fa-f]{1,8}))$/.exec(reference) ?? this.#forbidReference();
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hexadecimal!, 16);
    if (!isXmlCharacter(code)) this.#forbidReference();
    return String.fromCodePoint(code);
  }

  #forbidReference(): never {
    return this.#fail('an entity or character reference is not allowed');
  }

  #space(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) this.#fail(`"${character}" is expected here`);
    this.#at++;
  }

  #fail(reason: string): never {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    throw new Refusal('malformed', `The envelope is not acceptable XML: ${reason} (line ${line}, column ${column}).`);
  }
}

const entities = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);
const longestReference = '&#x00000000'.length;
