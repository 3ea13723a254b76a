import { codes, type ErrorCode } from '../../core/errors.ts';
import type { Area, Operation } from '../../core/operation.ts';
import { type JsonSchema, objectSchema } from './json-schema.ts';
import {
  callHeaders,
  errorSchemas,
  idempotencyHeader,
  introduction,
  pendingSchema,
  preferHeader,
  rateHeaders,
  requestIdHeaders,
  securitySchemes,
} from './openapi-fixed.ts';

/** The OpenAPI 3.1 description of the REST door: everything in it that can be derived from the operations is. */
export function openApi(areas: readonly Area[], url: string) {
  const schemas = new SchemaBook();
  schemas.addAll(Object.entries(errorSchemas));
  return {
    openapi: '3.1.1',
    info: {
      title: 'Bastion',
      version: '3.0.0',
      summary: 'Email security and compliance over signed REST calls.',
      description: introduction,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: url === '' ? '/' : url }],
    security: [{ clientCertificate: [], apiKey: [], requestSignature: [] }],
    tags: areas.map(area => ({ name: area.product })),
    paths: paths(areas, schemas),
    components: {
      schemas: schemas.all(),
      responses: errorResponses(),
      parameters: { ...callHeaders, IdempotencyKey: idempotencyHeader, Prefer: preferHeader },
      headers: { ...requestIdHeaders, ...rateHeaders },
      securitySchemes,
    },
  };
}

/** Named types; the same name always means the same thing. */
class SchemaBook {
  readonly #schemas = new Map<string, JsonSchema>();

  addAll(schemas: Iterable<readonly [string, JsonSchema]>): void {
    for (const [name, schema] of schemas) {
      const known = this.#schemas.get(name);
      if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
        throw new Error(`the name ${name} stands for two different types`);
      }
      this.#schemas.set(name, schema);
    }
  }

  all(): Record<string, JsonSchema> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function paths(areas: readonly Area[], schemas: SchemaBook) {
  const found: Record<string, Record<string, unknown>> = {};
  for (const area of areas) {
    for (const op of area.operations) {
      found[op.path] = { ...found[op.path], [op.method.toLowerCase()]: operationObject(area, op, schemas) };
    }
  }
  return found;
}

function operationObject(area: Area, op: Operation, schemas: SchemaBook) {
  const input = objectSchema(op.input, 'input');
  const output = objectSchema(op.output, 'output');
  schemas.addAll([...input.named, ...output.named]);
  const errors = errorsOf(op);
  return {
    operationId: op.soap,
    tags: [area.product],
    summary: op.summary,
    description: description(op),
    'x-bastion-scope': op.scope,
    'x-bastion-sensitive': op.sensitive !== undefined,
    'x-bastion-errors': errors,
    parameters: [...inputParameters(op, input.schema), ...headerParameters(op)],
    ...requestBody(op, input.schema),
    responses: {
      200: answer('Done.', withRequestId(output.schema)),
      ...(op.sensitive && { 202: held() }),
      ...Object.fromEntries(
        statusesOf(errors).map(status => [status, { $ref: `#/components/responses/Error${status}` }]),
      ),
    },
  };
}

function description(op: Operation): string {
  const lines = [op.description, `Scope: \`${op.scope}\`.`];
  if (op.sensitive) {
    const when = typeof op.sensitive === 'object' ? op.sensitive.because : 'always';
    lines.push(`Sensitive (${when}): it is carried out only after the approval webhook has approved it.`);
  } else if (!op.readOnly) {
    lines.push('Not sensitive by itself; an organisation may demand approval for it.');
  }
  return lines.filter(line => line !== undefined).join('\n\n');
}

const takesBody = (op: Operation): boolean => op.method !== 'GET' && op.method !== 'DELETE';

function inputParameters(op: Operation, { properties = {}, required = [] }: JsonSchema) {
  const names = takesBody(op) ? op.pathParameters : [...op.pathParameters, ...queryMembers(op, properties)];
  return names.map(name => {
    const { description, ...schema } = properties[name]!;
    const inPath = op.pathParameters.includes(name);
    return { name, in: inPath ? 'path' : 'query', required: inPath || required.includes(name), description, schema };
  });
}

const queryMembers = (op: Operation, properties: Record<string, JsonSchema>): string[] =>
  Object.keys(properties).filter(name => !op.pathParameters.includes(name));

function headerParameters(op: Operation) {
  const names = [
    ...Object.keys(callHeaders),
    ...(op.method === 'POST' ? ['IdempotencyKey'] : []),
    ...(op.readOnly ? [] : ['Prefer']),
  ];
  return names.map(name => ({ $ref: `#/components/parameters/${name}` }));
}

function requestBody(op: Operation, schema: JsonSchema) {
  const members = queryMembers(op, schema.properties ?? {});
  if (!takesBody(op) || members.length === 0) return {};
  const properties = Object.fromEntries(members.map(name => [name, schema.properties![name]!]));
  const required = members.filter(name => schema.required?.includes(name));
  const body = { ...schema, properties, ...(required.length > 0 ? { required } : { required: undefined }) };
  return { requestBody: { required: required.length > 0, content: json(body) } };
}

function withRequestId(schema: JsonSchema): JsonSchema {
  const request_id = {
    type: 'string',
    description: 'Name it when you ask for support.',
    examples: ['req_01jd4m6r7s8t9v0w1x2y3z4a5b'],
  };
  return {
    ...schema,
    properties: { ...schema.properties, request_id },
    required: [...(schema.required ?? []), 'request_id'],
  };
}

const json = (schema: JsonSchema) => ({ 'application/json': { schema } });

const headerRefs = (names: object) =>
  Object.fromEntries(Object.keys(names).map(name => [name, { $ref: `#/components/headers/${name}` }]));

const answer = (text: string, schema: JsonSchema, headers: object = {}) => ({
  description: text,
  headers: { ...headerRefs({ ...requestIdHeaders, ...rateHeaders }), ...headers },
  content: json(schema),
});

const held = () =>
  answer('The request waits for approval. Poll the address in Location.', withRequestId(pendingSchema), {
    Location: { description: 'Where its state can be read.', schema: { type: 'string' } },
  });

/** Codes that every call can meet, and those of this kind of operation. */
function errorsOf(op: Operation): ErrorCode[] {
  const always: ErrorCode[] = [
    'malformed',
    'key_invalid',
    'certificate_required',
    'certificate_invalid',
    'signature_invalid',
    'timestamp_invalid',
    'nonce_reused',
    'address_not_allowed',
    'scope_missing',
    'door_closed',
    'organization_suspended',
    'region_mismatch',
    'not_found',
    'validation_failed',
    'rate_limited',
    'internal',
    'unavailable',
  ];
  return [
    ...always,
    ...when(takesBody(op), 'too_large', 'unsupported_media_type'),
    ...when(!op.readOnly, 'conflict'),
    ...when(op.method === 'POST', 'idempotency_conflict', 'idempotency_in_flight'),
    ...when('cursor' in op.input.shape, 'cursor_invalid'),
    ...when(
      !op.readOnly,
      'approval_denied',
      'approval_expired',
      'approval_unavailable',
      'approval_failed',
      'approval_limit',
    ),
  ];
}

const when = (condition: boolean, ...found: ErrorCode[]): ErrorCode[] => (condition ? found : []);

const statusesOf = (errors: readonly ErrorCode[]): number[] =>
  [...new Set(errors.map(code => codes[code].status))].sort((a, b) => a - b);

/** One response per status, naming its codes. */
function errorResponses() {
  const byStatus = Map.groupBy(Object.keys(codes) as ErrorCode[], code => codes[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, found]) => [`Error${status}`, errorResponse(status, found)]).sort(),
  );
}

function errorResponse(status: number, found: readonly ErrorCode[]) {
  const lines = found.map(code => `- \`${code}\`: ${codes[code].message}`);
  const retry = {
    'Retry-After': { description: 'Seconds to wait before the same request.', schema: { type: 'integer' } },
  };
  const example = {
    error: found[0],
    message: codes[found[0]!].message,
    request_id: 'req_01jd4m6r7s8t9v0w1x2y3z4a5b',
    errors: [],
  };
  return {
    description: lines.join('\n'),
    headers: { ...headerRefs(requestIdHeaders), ...(status === 429 || status === 503 ? retry : {}) },
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' }, example } },
  };
}
