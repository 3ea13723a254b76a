import { z } from 'zod';
import type { Area, Operation } from '../../core/operation.ts';

/**
 * The operations as SOAP sees them: named structures with ordered elements. Everything that SOAP needs (the WSDL, the
 * reader, the writer) is derived from this model, and the model from the operations' schemas.
 *
 * JSON names are snake_case, element names the same words in lowerCamelCase. What XSD cannot say is refused when the
 * model is built, with the operation and the field.
 */

const address = 'http://bastioncommunications.com/soap';

/** Namespace of the types that several areas use, of the fault and of the `Context` header. */
export const commonNamespace = `${address}/common`;

/** XML Schema's own namespaces. */
export const xmlSchema = {
  types: 'http://www.w3.org/2001/XMLSchema',
  instance: 'http://www.w3.org/2001/XMLSchema-instance',
} as const;

export interface Scalar {
  readonly kind: 'scalar';
  /** Local name of the XML Schema type. */
  readonly name: 'string' | 'boolean' | 'int' | 'long' | 'decimal' | 'dateTime' | 'date';
}

/** Forms that every partner finds in common.xsd. */
export interface Builtin {
  readonly kind: 'binary' | 'stringMap' | 'settings';
}

export interface Enumeration {
  readonly kind: 'enumeration';
  readonly name: string;
  namespace: string;
  readonly values: readonly string[];
}

export interface Structure {
  readonly kind: 'structure';
  readonly name: string;
  namespace: string;
  /** In the order of the sequence. */
  fields: readonly Field[];
}

export interface Field {
  readonly json: string;
  readonly xml: string;
  readonly type: SoapType;
  /** A list: the element repeats. */
  readonly repeated: boolean;
  readonly required: boolean;
  /** Required in JSON and may be null there: the element is left out. */
  readonly nullWhenAbsent: boolean;
  /** `xsi:nil="true"` says null (an empty list for a repeated element), because absence says something else. */
  readonly nillable: boolean;
  readonly documentation: string | undefined;
}

export type NamedType = Enumeration | Structure;
export type SoapType = Scalar | Builtin | NamedType;

export interface SoapOperation {
  /** Element name of the request wrapper; the answer's is this with `Response`. */
  readonly name: string;
  readonly namespace: string;
  readonly action: string;
  readonly operation: Operation;
  /** Content of the wrapper's one child, `request`. */
  readonly request: Structure;
  /** Content of the answer wrapper's one child, `result`. */
  readonly result: Structure;
}

export interface SoapArea {
  readonly name: string;
  readonly product: string;
  readonly version: string;
  readonly namespace: string;
  /** Path of the endpoint: `/soap/v3/organizations`. */
  readonly path: string;
  /** Types of this area alone, by name. */
  readonly types: readonly NamedType[];
  readonly operations: ReadonlyMap<string, SoapOperation>;
}

export interface SoapModel {
  readonly areas: readonly SoapArea[];
  /** Types that several areas use, by name. */
  readonly types: readonly NamedType[];
}

/** @throws Error naming operation and field, for a schema that XSD cannot express or that contradicts another. */
export function buildModel(areas: readonly Area[]): SoapModel {
  const types = new Types();
  const drafts = areas.map(area => draft(area, types));
  const owners = placeTypes(drafts);
  const named = [...types.all.values()].sort(byName);
  refuseNamesakes(drafts, types.all);
  return {
    areas: drafts.map(area => ({ ...area, types: named.filter(type => owners.get(type) === area.namespace) })),
    types: named.filter(type => owners.get(type) === commonNamespace),
  };
}

/** Code generators put elements and types into one space of class names. */
function refuseNamesakes(areas: readonly AreaDraft[], types: ReadonlyMap<string, NamedType>): void {
  for (const name of areas.flatMap(area => [...area.operations.keys()])) {
    for (const element of [name, `${name}Response`]) {
      if (types.has(element)) throw new Error(`${name}: a type must not be called ${element}, like a message`);
    }
  }
}

type AreaDraft = Omit<SoapArea, 'types'>;

function draft(area: Area, types: Types): AreaDraft {
  const namespace = `${address}/${area.version}/${area.name}`;
  const operations = area.operations.map((operation): [string, SoapOperation] => [
    operation.soap,
    {
      name: operation.soap,
      namespace,
      action: `${namespace}/${operation.soap}`,
      operation,
      request: types.read(operation, operation.input, 'input', `${operation.soap}Request`),
      result: types.read(operation, operation.output, 'output', `${operation.soap}Result`),
    },
  ]);
  const byElement = new Map(operations);
  if (byElement.size < operations.length) throw new Error(`${area.name}: two operations share a SOAP name`);
  const path = `/soap/${area.version}/${area.name}`;
  return { name: area.name, product: area.product, version: area.version, namespace, path, operations: byElement };
}

/** A type belongs to the one area that reaches it, or else to the common schema; so does all it is made of. */
function placeTypes(areas: readonly AreaDraft[]): Map<NamedType, string> {
  const owners = new Map<NamedType, string>();
  for (const { namespace, operations } of areas) {
    const reached = new Set<NamedType>();
    for (const { request, result } of operations.values()) {
      reach(request, reached);
      reach(result, reached);
    }
    for (const type of reached) owners.set(type, owners.has(type) ? commonNamespace : namespace);
  }
  for (const [type, namespace] of owners) type.namespace = namespace;
  return owners;
}

function reach(type: SoapType, reached: Set<NamedType>): void {
  if (type.kind !== 'structure' && type.kind !== 'enumeration') return;
  if (reached.has(type)) return;
  reached.add(type);
  if (type.kind === 'structure') for (const field of type.fields) reach(field.type, reached);
}

/** What z.toJSONSchema writes, as far as the vocabulary of core/schema goes. */
interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  description?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  prefixItems?: unknown;
  additionalProperties?: unknown;
  anyOf?: JsonSchema[];
  oneOf?: unknown;
  allOf?: unknown;
  binary?: boolean;
}

/** Names that common.xsd gives meaning to. */
const taken = new Set(
  'StringMap StringMapEntry Settings Setting Binary Sha256 BastionFault FieldError Context'.split(' '),
);

class Types {
  readonly all = new Map<string, NamedType>();
  #definitions: Record<string, JsonSchema> = {};
  #read = new Set<string>();

  /** The structure of an operation's input or output. */
  read(operation: Operation, schema: z.ZodType, io: 'input' | 'output', name: string): Structure {
    const document = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonSchema;
    this.#definitions = document.$defs ?? {};
    this.#read = new Set();
    // A request is often named like its operation; the element has that name, and generators make one class of the two.
    const isNamesake = document.$ref === `#/$defs/${operation.soap}`;
    const root = isNamesake ? this.#definitions[operation.soap]! : document;
    const type = this.#type(root, name, `${operation.soap} ${io}`);
    if (type.kind !== 'structure') throw new Error(`${operation.soap} ${io}: must be a structure`);
    return type;
  }

  /** @param name what a type without a name of its own is called */
  #type(schema: JsonSchema, name: string, where: string): SoapType {
    if (schema.$ref !== undefined) return this.#reference(schema.$ref, where);
    if (schema.binary) return { kind: 'binary' };
    if (schema.prefixItems || schema.anyOf || schema.oneOf || schema.allOf) {
      throw new Error(`${where}: XSD has no plain form for unions, tuples and intersections`);
    }
    if (schema.enum || schema.const !== undefined) return this.#enumeration(schema, name, where);
    if (schema.type === 'object') return this.#structure(schema, name, where);
    return scalar(schema, where);
  }

  #reference(reference: string, where: string): SoapType {
    const name = reference.replace('#/$defs/', '');
    if (name === 'StringMap') return { kind: 'stringMap' };
    if (name === 'Settings') return { kind: 'settings' };
    const definition = this.#definitions[name];
    if (!definition) throw new Error(`${where}: ${reference} cannot be followed; give the type a name`);
    return this.#type(definition, name, `${where} (${name})`);
  }

  #enumeration(schema: JsonSchema, name: string, where: string): Enumeration {
    const values = schema.enum ?? [schema.const];
    if (!values.every(value => typeof value === 'string')) throw new Error(`${where}: only strings can be enumerated`);
    const type: Enumeration = { kind: 'enumeration', name: this.#named(name, where), namespace: '', values };
    return this.#once(type, where);
  }

  #structure(schema: JsonSchema, name: string, where: string): Structure {
    if (schema.additionalProperties !== undefined && schema.additionalProperties !== false) {
      throw new Error(`${where}: XSD has no form for an open map; use stringMap or settings`);
    }
    const known = this.all.get(name);
    if (this.#read.has(name)) return known as Structure;
    this.#read.add(name);
    const type: Structure = { kind: 'structure', name: this.#named(name, where), namespace: '', fields: [] };
    // Registered before its fields are read: a structure may contain itself.
    if (!known) this.all.set(name, type);
    type.fields = this.#fields(schema, name, where);
    return this.#once(type, where);
  }

  #fields(schema: JsonSchema, owner: string, where: string): Field[] {
    const required = new Set(schema.required);
    const fields = Object.entries(schema.properties ?? {}).map(([json, member]) =>
      this.#field(json, member, required.has(json), owner, `${where} ${json}`),
    );
    const names = new Set(fields.map(field => field.xml));
    if (names.size < fields.length) throw new Error(`${where}: two members have the same element name`);
    return fields;
  }

  #field(json: string, member: JsonSchema, required: boolean, owner: string, where: string): Field {
    if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(json)) throw new Error(`${where}: names are snake_case`);
    const xml = elementName(json);
    const { schema, nullable } = withoutNull(member);
    const repeated = schema.type === 'array' && !schema.prefixItems;
    const item = repeated ? (schema.items ?? {}) : schema;
    if (repeated && (item.type === 'array' || withoutNull(item).nullable)) {
      throw new Error(`${where}: a list holds neither lists nor nulls`);
    }
    if (repeated && nullable) throw new Error(`${where}: a list cannot be null; leave it empty`);
    return {
      json,
      xml,
      type: this.#type(item, owner + xml[0]!.toUpperCase() + xml.slice(1), where),
      repeated,
      required: required && !nullable && !repeated,
      nullWhenAbsent: required && nullable,
      nillable: !required && (nullable || repeated),
      documentation: member.description ?? schema.description,
    };
  }

  #named(name: string, where: string): string {
    if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) throw new Error(`${where}: ${name} is not a type name`);
    if (taken.has(name)) throw new Error(`${where}: the type name ${name} is taken`);
    return name;
  }

  /** One name is one type everywhere: in requests, in answers, in every area. */
  #once<T extends NamedType>(type: T, where: string): T {
    const known = this.all.get(type.name);
    if (!known) this.all.set(type.name, type);
    else if (signature(known) !== signature(type)) throw new Error(`${where}: another type is called ${type.name}`);
    return (known as T | undefined) ?? type;
  }
}

function scalar(schema: JsonSchema, where: string): Scalar {
  switch (schema.type) {
    case 'boolean':
      return { kind: 'scalar', name: 'boolean' };
    case 'number':
      return { kind: 'scalar', name: 'decimal' };
    case 'integer':
      return { kind: 'scalar', name: isInt(schema.minimum) && isInt(schema.maximum) ? 'int' : 'long' };
    case 'string':
      if (schema.format === 'date-time') return { kind: 'scalar', name: 'dateTime' };
      return { kind: 'scalar', name: schema.format === 'date' ? 'date' : 'string' };
    default:
      throw new Error(`${where}: a schema of type ${JSON.stringify(schema.type)} has no XSD form`);
  }
}

const isInt = (bound: number | undefined): boolean => bound !== undefined && Math.abs(bound) < 2 ** 31;

/** `nullable` in its two JSON Schema forms. */
function withoutNull(schema: JsonSchema): { schema: JsonSchema; nullable: boolean } {
  if (Array.isArray(schema.type) && schema.type.length === 2 && schema.type.includes('null')) {
    const type = schema.type.find(each => each !== 'null')!;
    return { schema: { ...schema, type, ...(schema.enum && { enum: schema.enum.filter(notNull) }) }, nullable: true };
  }
  const [first, second] = schema.anyOf ?? [];
  if (schema.anyOf?.length === 2 && second!.type === 'null') return { schema: first!, nullable: true };
  return { schema, nullable: false };
}

const notNull = (value: unknown): boolean => value !== null;

function elementName(json: string): string {
  return json.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

const byName = (a: NamedType, b: NamedType): number => (a.name < b.name ? -1 : 1);

function signature(type: NamedType): string {
  if (type.kind === 'enumeration') return JSON.stringify(type.values);
  return JSON.stringify(
    type.fields.map(({ type: of, documentation: _, ...field }) => ({
      ...field,
      type: 'name' in of ? of.name : of.kind,
    })),
  );
}
