import { createHash } from 'node:crypto';
import { type FieldError, Refusal } from '../../core/errors.ts';
import type { AttachmentClaim } from './attachments.ts';
import { commonNamespace, type Field, type SoapOperation, type SoapType, type Structure, xmlSchema } from './model.ts';
import { base64Octets } from './refuse.ts';
import type { Wrapped } from './thread-orders.ts';
import { attributeOf, childElements, isNamed, lookup, textOf, type XmlElement } from './tree.ts';
import { collapse, readScalar } from './values.ts';
import { includedPart } from './xop.ts';

/**
 * The verified element to the plain value that the operation's own schema then parses. Strict: names, namespaces, order
 * and lexical forms as the published schema has them; nothing is guessed, skipped or trimmed. What is missing is left
 * out, so that both doors say the same about it. Every problem found is reported at once, up to a limit.
 */

/** The attached parts of the message, each to be taken exactly once. */
export interface AttachedParts {
  /**
   * The octets of a part as base64. `sha256` is what the signed Body says of it, 64 lowercase hex digits; undefined
   * leaves the proof to the message signature.
   *
   * @throws Refusal when there is no such part, or it is not the signed one
   */
  take(contentId: string, sha256: string | undefined): string;
}

const noParts: AttachedParts = {
  take: contentId => {
    throw new Refusal('malformed', `There is no attached part ${contentId}.`);
  },
};

const mostErrors = 20;

/** Reads `<Operation><request>…</request></Operation>`. */
export function decodeRequest(operation: Wrapped, wrapper: XmlElement, parts?: AttachedParts): object {
  return decodeWrapped(operation.namespace, operation.name, 'request', operation.request, wrapper, parts);
}

/** A value whose parts are still to be put in. */
export interface Decoded {
  /** Where a part belongs stands its mark. */
  readonly value: object;
  readonly claims: readonly AttachmentClaim[];
}

/** No text that was parsed holds the character, so nothing that a sender writes can look like a mark. */
export const markOf = (contentId: string): string => `\u0000${contentId}`;

/** The same before the parts are at hand. */
export function decodeMarked(operation: Wrapped, wrapper: XmlElement): Decoded {
  const claims: AttachmentClaim[] = [];
  const value = decodeRequest(operation, wrapper, {
    take(contentId, sha256) {
      claims.push({ contentId, sha256 });
      return markOf(contentId);
    },
  });
  return { value, claims };
}

/** Reads `<OperationResponse><result>…</result></OperationResponse>`. */
export function decodeAnswer(operation: SoapOperation, wrapper: XmlElement, parts?: AttachedParts): object {
  return decodeWrapped(operation.namespace, `${operation.name}Response`, 'result', operation.result, wrapper, parts);
}

function decodeWrapped(
  namespace: string,
  name: string,
  child: string,
  type: Structure,
  wrapper: XmlElement,
  parts: AttachedParts = noParts,
): object {
  if (!isNamed(wrapper, namespace, name)) throw new Refusal('malformed', `${name} was expected.`);
  const [content, surplus] = childElements(wrapper) ?? [];
  if (!content || surplus || !isNamed(content, namespace, child) || wrapper.attributes.length > 0) {
    throw new Refusal('malformed', `${name} must hold exactly one element ${child}, and nothing else.`);
  }
  return decodeStructure(type, content, parts);
}

/** Reads one structure, such as the Context header. */
export function decodeStructure(type: Structure, element: XmlElement, parts: AttachedParts = noParts): object {
  const decoder = new Decoder(parts);
  const value = decoder.structure(type, element, '');
  decoder.finish();
  return value;
}

class Decoder {
  readonly #parts: AttachedParts;
  readonly #errors: FieldError[] = [];
  /** The message is not the documented one, as against a value of it that is wrong. */
  #malformed = false;

  constructor(parts: AttachedParts) {
    this.#parts = parts;
  }

  finish(): void {
    if (this.#errors.length === 0) return;
    const errors = this.#errors;
    throw this.#malformed
      ? new Refusal('malformed', 'The request does not follow the schema; see errors.', { errors })
      : new Refusal('validation_failed', undefined, { errors });
  }

  structure(type: Structure, element: XmlElement, path: string): object {
    this.#attributes(element, type, path);
    const value: Record<string, unknown> = {};
    const children = childElements(element);
    if (!children) {
      this.#wrong(path, 'unexpected_text', 'holds text beside its elements');
      return value;
    }
    let at = 0;
    for (const child of children) {
      const found = this.#place(type, child, at, path);
      if (found === undefined) continue;
      at = found;
      this.#member(type.fields[at]!, child, value, path);
    }
    for (const field of type.fields) {
      if (Object.hasOwn(value, field.json)) continue;
      if (field.nullWhenAbsent) value[field.json] = null;
      else if (field.repeated && !field.nillable) value[field.json] = [];
    }
    return value;
  }

  /** The index of the child's field, at or after the field before it. */
  #place(type: Structure, child: XmlElement, from: number, path: string): number | undefined {
    const where = join(path, child.local);
    if (child.namespace !== type.namespace) {
      this.#wrong(where, 'unknown_field', `is in the namespace '${child.namespace.slice(0, 200)}'`);
      return undefined;
    }
    const { fields } = type;
    for (let at = from; at < fields.length; at++) if (fields[at]!.xml === child.local) return at;
    if (fields.some(field => field.xml === child.local)) {
      this.#wrong(where, 'out_of_order', `must stand before ${fields[from]!.xml}`);
    } else this.#invalid(where, 'unknown_field', 'is not a field of this request');
    return undefined;
  }

  #member(field: Field, child: XmlElement, into: Record<string, unknown>, path: string): void {
    const known = Object.hasOwn(into, field.json) ? into[field.json] : [];
    const list = field.repeated ? (known as unknown[]) : undefined;
    const where = join(path, list ? `${field.xml}.${list.length}` : field.xml);
    if (!list && Object.hasOwn(into, field.json)) {
      this.#wrong(where, 'repeated', 'stands twice');
      return;
    }
    if (field.nillable && this.#isNil(child, where)) {
      if (list?.length) this.#wrong(where, 'repeated', 'an empty list holds nothing else');
      into[field.json] = list ?? null;
      return;
    }
    const value = this.#value(field.type, child, where);
    if (list) list.push(value);
    into[field.json] = list ?? value;
  }

  #isNil(element: XmlElement, path: string): boolean {
    const nil = attributeOf(element, xmlSchema.instance, 'nil');
    const said = nil === undefined ? false : readScalar('boolean', nil);
    if (said === undefined) this.#wrong(path, 'unexpected_attribute', 'xsi:nil must be a boolean');
    if (said && (element.children.length > 0 || element.attributes.length > 1)) {
      this.#wrong(path, 'unexpected_text', 'is nil and must hold nothing else');
    }
    return said === true;
  }

  #value(type: SoapType, element: XmlElement, path: string): unknown {
    switch (type.kind) {
      case 'structure':
        return this.structure(type, element, path);
      case 'enumeration':
        return this.#scalar('string', type, element, path);
      case 'scalar':
        return this.#scalar(type.name, type, element, path);
      case 'binary':
        return this.#binary(element, path);
      case 'stringMap':
        return this.#map(element, 'entry', path, (entry, where) => this.#named(entry, 'value', 'string', where));
      case 'settings':
        return this.#map(element, 'setting', path, (entry, where) => this.#setting(entry, where));
    }
  }

  #scalar(name: Parameters<typeof readScalar>[0], type: SoapType, element: XmlElement, path: string): unknown {
    this.#attributes(element, type, path);
    return this.#text(name, element, path);
  }

  #text(name: Parameters<typeof readScalar>[0], element: XmlElement, path: string): unknown {
    const text = textOf(element);
    if (text === undefined) {
      this.#wrong(path, 'unexpected_element', 'must hold text only');
      return undefined;
    }
    const value = readScalar(name, text);
    if (value === undefined) this.#invalid(path, 'invalid_type', `is not an xs:${name}, or beyond its exact range`);
    return value;
  }

  /** Inline base64, an attached part by contentId, or an xop:Include of one. */
  #binary(element: XmlElement, path: string): string | undefined {
    this.#attributes(element, { kind: 'binary' }, path);
    const sha256 = attributeOf(element, '', 'sha256');
    if (sha256 !== undefined && !/^[0-9a-fA-F]{64}$/.test(sha256)) {
      this.#invalid(path, 'invalid_type', 'sha256 must be 64 hex digits');
      return undefined;
    }
    const contentId = attributeOf(element, '', 'contentId') ?? includedPart(element);
    if (contentId !== undefined) return this.#attached(element, contentId, sha256?.toLowerCase(), path);
    const text = textOf(element);
    const octets = text === undefined ? undefined : collapse(text) === '' ? Buffer.alloc(0) : base64Octets(text);
    if (octets === undefined) this.#invalid(path, 'invalid_type', 'is not an xs:base64Binary');
    else if (sha256 !== undefined && hashOf(octets) !== sha256.toLowerCase()) {
      this.#invalid(path, 'invalid', 'does not have the sha256 given');
    } else return octets.toString('base64');
    return undefined;
  }

  #attached(element: XmlElement, contentId: string, sha256: string | undefined, path: string): string | undefined {
    const named = attributeOf(element, '', 'contentId') !== undefined;
    if (!named || element.children.length === 0) return this.#parts.take(contentId, sha256);
    this.#wrong(path, 'unexpected_text', 'names an attached part and must be empty');
    return undefined;
  }

  #map(element: XmlElement, item: string, path: string, read: (entry: XmlElement, path: string) => unknown): object {
    this.#attributes(element, { kind: item === 'entry' ? 'stringMap' : 'settings' }, path);
    const members = new Map<string, unknown>();
    for (const [index, entry] of (childElements(element) ?? []).entries()) {
      const where = join(path, `${item}.${index}`);
      if (!isNamed(entry, commonNamespace, item) || entry.attributes.length > 0) {
        this.#wrong(where, 'unexpected_element', `must be ${item} of ${commonNamespace}, without attributes`);
        continue;
      }
      const name = this.#named(entry, 'name', 'string', where);
      const value = read(entry, where);
      if (typeof name !== 'string' || value === undefined) continue;
      if (name === '__proto__') this.#invalid(where, 'invalid', 'cannot be a name');
      else if (members.has(name)) this.#invalid(where, 'repeated', 'names the same thing again');
      else members.set(name, value);
    }
    if (!childElements(element)) this.#wrong(path, 'unexpected_text', 'holds text beside its elements');
    return Object.fromEntries(members);
  }

  #setting(entry: XmlElement, path: string): unknown {
    const chosen = childElements(entry)?.[1];
    const type = chosen && settingTypes.get(chosen.local);
    if (type) return this.#named(entry, chosen.local, type, path);
    this.#wrong(
      path,
      'unexpected_element',
      'must hold name and one of stringValue, booleanValue, integerValue, decimalValue',
    );
    return undefined;
  }

  /** The text of one of the two children, `name` and the value, of a map's entry. */
  #named(entry: XmlElement, local: string, type: Parameters<typeof readScalar>[0], path: string): unknown {
    const children = childElements(entry);
    const child = children?.[local === 'name' ? 0 : 1];
    if (children?.length === 2 && child && isNamed(child, commonNamespace, local) && child.attributes.length === 0) {
      return this.#text(type, child, join(path, local));
    }
    this.#wrong(join(path, local), 'unexpected_element', 'an entry holds its name and one value, in that order');
    return undefined;
  }

  /** The only attributes are xsi:nil where the schema allows it, xsi:type that says what is so anyway, and Binary's two. */
  #attributes(element: XmlElement, type: SoapType, path: string): void {
    for (const { namespace, local, name, value } of element.attributes) {
      if (namespace === xmlSchema.instance && local === 'type' && isTypeName(element, value, type)) continue;
      if (namespace === xmlSchema.instance && local === 'nil' && readScalar('boolean', value) === false) continue;
      if (namespace === '' && type.kind === 'binary' && (local === 'contentId' || local === 'sha256')) continue;
      this.#wrong(path, 'unexpected_attribute', `the attribute ${name} is not accepted`);
    }
  }

  #wrong(field: string, code: string, message: string): void {
    this.#malformed = true;
    this.#invalid(field, code, message);
  }

  #invalid(field: string, code: string, message: string): void {
    if (this.#errors.length < mostErrors) this.#errors.push({ field, code, message });
  }
}

const settingTypes = new Map([
  ['stringValue', 'string'],
  ['booleanValue', 'boolean'],
  ['integerValue', 'long'],
  ['decimalValue', 'decimal'],
] as const) as ReadonlyMap<string, 'string' | 'boolean' | 'long' | 'decimal'>;

const builtinNames = { binary: 'Binary', stringMap: 'StringMap', settings: 'Settings' } as const;

function isTypeName(element: XmlElement, value: string, type: SoapType): boolean {
  const [local, prefix = ''] = collapse(value).split(':').reverse();
  const namespace = lookup(element.scope, prefix) ?? '';
  if (type.kind === 'scalar') return namespace === xmlSchema.types && local === type.name;
  if ('name' in type) return namespace === type.namespace && local === type.name;
  return namespace === commonNamespace && local === builtinNames[type.kind];
}

function hashOf(octets: Buffer): string {
  return createHash('sha256').update(octets).digest('hex');
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
