import { createHash } from 'node:crypto';
import { OctetContent } from '../../core/content.ts';
import { escapeAttribute } from './canonical.ts';
import { commonNamespace, type Field, type SoapOperation, type SoapType, type Structure, xmlSchema } from './model.ts';
import { writeScalar } from './values.ts';

/**
 * Values to XML, driven by the model alone: no value can become markup. The text is exclusive canonical XML (without
 * comments, no inclusive prefixes) as long as the default namespace around it is not rendered, so it is signed as it
 * stands: elements carry no prefix, and a namespace is declared where it changes.
 */

/** Takes the octets of an attached part and gives its Content-ID; without it binary values stand inline. */
export type Attach = (octets: Buffer) => string;

export function encodeRequest(operation: SoapOperation, input: unknown, attach?: Attach): string {
  return wrapped(operation, operation.name, 'request', operation.request, input, attach);
}

export function encodeAnswer(operation: SoapOperation, output: unknown, attach?: Attach): string {
  return wrapped(operation, `${operation.name}Response`, 'result', operation.result, output, attach);
}

function wrapped(
  { namespace }: SoapOperation,
  wrapper: string,
  child: string,
  type: Structure,
  value: unknown,
  attach: Attach | undefined,
): string {
  const content = new Encoder(attach).element(child, namespace, namespace, type, value);
  return `<${wrapper} xmlns="${escapeAttribute(namespace)}">${content}</${wrapper}>`;
}

/** A global element of a structure, such as BastionFault. */
export function encodeElement(name: string, type: Structure, value: unknown): string {
  return new Encoder(undefined).element(name, type.namespace, '', type, value);
}

class Encoder {
  readonly #attach: Attach | undefined;

  constructor(attach: Attach | undefined) {
    this.#attach = attach;
  }

  /** @param around the default namespace where the element stands */
  element(name: string, namespace: string, around: string, type: SoapType, value: unknown): string {
    const declaration = namespace === around ? '' : ` xmlns="${escapeAttribute(namespace)}"`;
    switch (type.kind) {
      case 'scalar':
        return `<${name}${declaration}>${writeScalar(type.name, value)}</${name}>`;
      case 'enumeration':
        return `<${name}${declaration}>${writeScalar('string', value)}</${name}>`;
      case 'binary':
        return this.#binary(name, declaration, value);
      case 'stringMap':
        return `<${name}${declaration}>${stringMap(namespace, value as Record<string, string>)}</${name}>`;
      case 'settings':
        return `<${name}${declaration}>${settings(namespace, value as Record<string, unknown>)}</${name}>`;
      case 'structure':
        return `<${name}${declaration}>${this.#content(type, namespace, value as Record<string, unknown>)}</${name}>`;
    }
  }

  #content(type: Structure, around: string, value: Record<string, unknown>): string {
    let out = '';
    for (const field of type.fields) out += this.#field(type, field, around, value[field.json]);
    return out;
  }

  #field({ name, namespace }: Structure, field: Field, around: string, value: unknown): string {
    if (value === undefined || value === null) {
      if (field.required) throw new TypeError(`${name}.${field.json} is missing`);
      return value === null && field.nillable ? nil(field.xml, namespace, around) : '';
    }
    if (!field.repeated) return this.element(field.xml, namespace, around, field.type, value);
    const items = value as unknown[];
    if (items.length === 0 && field.nillable) return nil(field.xml, namespace, around);
    return items.map(item => this.element(field.xml, namespace, around, field.type, item)).join('');
  }

  #binary(name: string, declaration: string, value: unknown): string {
    const octets = value instanceof OctetContent ? value.octets : Buffer.from(String(value), 'base64');
    if (!this.#attach) return `<${name}${declaration}>${octets.toString('base64')}</${name}>`;
    const sha256 = createHash('sha256').update(octets).digest('hex');
    const contentId = escapeAttribute(this.#attach(octets));
    return `<${name}${declaration} contentId="${contentId}" sha256="${sha256}"></${name}>`;
  }
}

function nil(name: string, namespace: string, around: string): string {
  const declaration = namespace === around ? '' : ` xmlns="${escapeAttribute(namespace)}"`;
  return `<${name}${declaration} xmlns:xsi="${xmlSchema.instance}" xsi:nil="true"></${name}>`;
}

/** Entries belong to the common schema, the element around them to the schema that uses the map. */
function common(around: string): string {
  return around === commonNamespace ? '' : ` xmlns="${commonNamespace}"`;
}

function stringMap(around: string, map: Record<string, string>): string {
  return Object.entries(map)
    .map(([name, value]) => {
      const content = `<name>${writeScalar('string', name)}</name><value>${writeScalar('string', value)}</value>`;
      return `<entry${common(around)}>${content}</entry>`;
    })
    .join('');
}

function settings(around: string, map: Record<string, unknown>): string {
  return Object.entries(map)
    .map(([name, value]) => {
      const content = `<name>${writeScalar('string', name)}</name>${setting(value)}`;
      return `<setting${common(around)}>${content}</setting>`;
    })
    .join('');
}

function setting(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return `<booleanValue>${value}</booleanValue>`;
    case 'number':
      if (Number.isSafeInteger(value)) return `<integerValue>${value}</integerValue>`;
      return `<decimalValue>${writeScalar('decimal', value)}</decimalValue>`;
    default:
      return `<stringValue>${writeScalar('string', value)}</stringValue>`;
  }
}
