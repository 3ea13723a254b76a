import type { Request } from 'express';
import { type FieldError, Refusal } from '../../core/errors.ts';
import type { Operation } from '../../core/operation.ts';
import { hasBody } from './body.ts';
import { parseJsonObject } from './json.ts';
import { type JsonSchema, objectSchema, typeOf } from './json-schema.ts';

/** What a request says to an operation, with JSON types but not yet checked against its schema. */
export type ReadInput = (request: Request, octets: Buffer) => Record<string, unknown>;

/** Path members, then the query (GET, DELETE) or a JSON body (POST, PUT, PATCH). */
export function inputReader(op: Operation): ReadInput {
  const { schema } = objectSchema(op.input, 'input');
  const properties = new Map(Object.entries(schema.properties ?? {}));
  for (const name of op.pathParameters) properties.delete(name);
  const inQuery = op.method === 'GET' || op.method === 'DELETE';
  return (request, octets) => {
    const query = readQuery(request.url, inQuery ? properties : new Map());
    const body = inQuery ? refuseBody(request) : readJson(request, octets);
    refuseMembers(body, op.pathParameters);
    return { ...body, ...query, ...request.params };
  };
}

function refuseBody(request: Request): Record<string, unknown> {
  if (hasBody(request)) throw new Refusal('malformed', `A ${request.method} request must have no body.`);
  return {};
}

function readJson(request: Request, octets: Buffer): Record<string, unknown> {
  if (octets.length === 0) return {};
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    throw new Refusal('unsupported_media_type', 'Content-Type must be application/json.');
  }
  return parseJsonObject(octets);
}

/** What the path says, a body cannot say again, perhaps differently. */
function refuseMembers(body: Record<string, unknown>, inPath: readonly string[]): void {
  const errors = inPath.filter(name => Object.hasOwn(body, name)).map(unknownField);
  if (errors.length > 0) throw new Refusal('validation_failed', undefined, { errors });
}

function readQuery(target: string, properties: ReadonlyMap<string, JsonSchema>): Record<string, unknown> {
  const at = target.indexOf('?');
  if (at < 0) return {};
  const values = Map.groupBy(new URLSearchParams(target.slice(at + 1)), ([name]) => name);
  const errors: FieldError[] = [];
  const query: [string, unknown][] = [];
  for (const [name, pairs] of values) {
    const property = properties.get(name);
    const given = pairs.map(([, value]) => value);
    if (property === undefined) errors.push(unknownField(name));
    else if (typeOf(property) !== 'array' && given.length > 1) errors.push(repeated(name));
    else query.push([name, typed(property, given)]);
  }
  if (errors.length > 0) throw new Refusal('validation_failed', undefined, { errors });
  return Object.fromEntries(query);
}

/** A list is repeated or separated by commas. What is not of the type stays text, for the schema to refuse. */
function typed(property: JsonSchema, given: readonly string[]): unknown {
  if (typeOf(property) !== 'array') return scalar(property, given[0]!);
  return given.flatMap(value => value.split(',')).map(value => scalar(property.items ?? {}, value));
}

function scalar(property: JsonSchema, value: string): unknown {
  const type = typeOf(property);
  if ((type === 'integer' || type === 'number') && /^-?\d{1,15}(?:\.\d{1,15})?$/.test(value)) return Number(value);
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  return value;
}

const unknownField = (field: string): FieldError => ({
  field,
  code: 'unknown_field',
  message: 'is not a field of this request',
});

const repeated = (field: string): FieldError => ({ field, code: 'repeated', message: 'may be given once' });
