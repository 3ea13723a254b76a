import { codes, type ErrorCode } from '../../core/errors.ts';
import type { Area, Method, Operation } from '../../core/operation.ts';
import recordedExamples from './examples.json' with { type: 'json' };
import { type JsonSchema, objectSchema } from './json-schema.ts';
import {
  exampleRequestId,
  fixedSchemas,
  headerParameters,
  introduction,
  pendingExample,
  rateHeaders,
  requestIdHeaders,
  securitySchemes,
} from './openapi-fixed.ts';

/** The OpenAPI 3.1 description of the REST door: everything in it that can be derived from the operations is. */
export function openApi(areas: readonly Area[], url: string) {
  const schemas = new SchemaBook();
  schemas.addAll(Object.entries(fixedSchemas));
  const operations = areas.flatMap(area => area.operations);
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
    // All of them together, on every call.
    security: [Object.fromEntries(Object.keys(securitySchemes).map(name => [name, []]))],
    tags: areas.map(area => ({ name: area.product })),
    paths: paths(areas, schemas),
    components: {
      schemas: schemas.all(),
      responses: Object.assign({}, ...operations.map(op => errorResponses(op))),
      parameters: headerParameters,
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
    for (const op of area.operations.toSorted(inReadingOrder)) {
      found[op.path] = { ...found[op.path], [op.method.toLowerCase()]: operationObject(area, op, schemas) };
    }
  }
  return found;
}

const methods: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** By path: an area has its operations in the order of their names in the code, which says nothing to a reader. */
function inReadingOrder(a: Operation, b: Operation): number {
  if (a.path === b.path) return methods.indexOf(a.method) - methods.indexOf(b.method);
  return a.path < b.path ? -1 : 1;
}

export interface Example {
  readonly request: Record<string, unknown>;
  readonly answer: Record<string, unknown>;
}

/** Played by the contract tests, which keep them true. */
export const examples: Readonly<Record<string, Example | undefined>> = recordedExamples;

function operationObject(area: Area, op: Operation, schemas: SchemaBook) {
  const input = objectSchema(op.input, 'input');
  const output = objectSchema(op.output, 'output');
  schemas.addAll([...input.named, ...output.named]);
  const example = examples[op.soap];
  return {
    operationId: op.soap,
    tags: [area.product],
    summary: op.summary,
    description: description(op),
    'x-bastion-scope': op.scope,
    'x-bastion-sensitive': op.sensitive !== undefined,
    'x-bastion-errors': errorsOf(op),
    parameters: [...inputParameters(op, input.schema, example), ...headersOf(op)],
    ...requestBody(op, input.schema, example),
    responses: {
      200: answer('Done.', withRequestId(output.schema), example?.answer),
      ...(!op.readOnly && { 202: held() }),
      ...Object.fromEntries(
        errorsByStatus(op).map(([status, found]) => [status, { $ref: referenceTo(status, found) }]),
      ),
    },
  };
}

function description(op: Operation): string {
  const lines = [op.description, `**Scope:** \`${op.scope}\``, `**Approval:** ${approval(op)}`];
  return lines.filter(line => line !== undefined).join('\n\n');
}

function approval({ sensitive, readOnly }: Operation): string {
  if (readOnly) return 'never; it only reads.';
  if (sensitive === true) return 'always; it is carried out once the approval webhook has approved it.';
  if (sensitive) return `for some changes. ${sensitive.because}`;
  return 'only where an organisation demands it.';
}

const takesBody = (op: Operation): boolean => op.method !== 'GET' && op.method !== 'DELETE';

function inputParameters(op: Operation, { properties = {}, required = [] }: JsonSchema, example?: Example) {
  const names = takesBody(op) ? op.pathParameters : [...op.pathParameters, ...queryMembers(op, properties)];
  return names.map(name => {
    const { description, ...schema } = properties[name]!;
    const inPath = op.pathParameters.includes(name);
    const place = { name, in: inPath ? 'path' : 'query', required: inPath || required.includes(name) };
    return { ...place, description, schema, example: example?.request[name] };
  });
}

const queryMembers = (op: Operation, properties: Record<string, JsonSchema>): string[] =>
  Object.keys(properties).filter(name => !op.pathParameters.includes(name));

function headersOf(op: Operation) {
  const names: (keyof typeof headerParameters)[] = ['OrgId'];
  if (op.method === 'POST') names.push('IdempotencyKey');
  if (!op.readOnly) names.push('Prefer');
  return names.map(name => ({ $ref: `#/components/parameters/${name}` }));
}

function requestBody(op: Operation, schema: JsonSchema, example?: Example) {
  const members = queryMembers(op, schema.properties ?? {});
  if (!takesBody(op) || members.length === 0) return {};
  const properties = Object.fromEntries(members.map(name => [name, schema.properties![name]!]));
  const required = members.filter(name => schema.required?.includes(name));
  const body = { ...schema, properties, ...(required.length > 0 ? { required } : { required: undefined }) };
  const sent = example && Object.fromEntries(members.map(name => [name, example.request[name]]));
  return { requestBody: { required: required.length > 0, content: json(body, sent) } };
}

function withRequestId(schema: JsonSchema): JsonSchema {
  const request_id = {
    type: 'string',
    description: 'Name it when you ask for support.',
  };
  return {
    ...schema,
    properties: { ...schema.properties, request_id },
    required: [...(schema.required ?? []), 'request_id'],
  };
}

const json = (schema: JsonSchema, example?: object) => ({ 'application/json': { schema, example } });

const headerRefs = (names: object) =>
  Object.fromEntries(Object.keys(names).map(name => [name, { $ref: `#/components/headers/${name}` }]));

const answer = (text: string, schema: JsonSchema, example: object | undefined, headers: object = {}) => ({
  description: text,
  headers: { ...headerRefs({ ...requestIdHeaders, ...rateHeaders }), ...headers },
  content: json(schema, example && { ...example, request_id: exampleRequestId }),
});

const pendingReference = { $ref: '#/components/schemas/PendingApproval' };

const held = () =>
  answer('The request waits for approval. Poll the address in Location.', pendingReference, pendingExample, {
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

const errorsByStatus = (op: Operation): [number, ErrorCode[]][] =>
  [...Map.groupBy(errorsOf(op), code => codes[code].status)].sort(([a], [b]) => a - b);

/** Operations that can meet the same refusals share one response; its name says which those are. */
const nameOf = (status: number, found: readonly ErrorCode[]) => [status, ...found].join('.');

const referenceTo = (status: number, found: readonly ErrorCode[]) => `#/components/responses/${nameOf(status, found)}`;

const errorResponses = (op: Operation) =>
  Object.fromEntries(
    errorsByStatus(op).map(([status, found]) => [nameOf(status, found), errorResponse(status, found)]),
  );

function errorResponse(status: number, found: readonly ErrorCode[]) {
  const lines = found.map(code => `- \`${code}\`: ${codes[code].message}`);
  const retry = {
    'Retry-After': { description: 'Seconds to wait before the same request.', schema: { type: 'integer' } },
  };
  const [first] = found;
  const example = { error: first, message: codes[first!].message, request_id: exampleRequestId, errors: [] };
  return {
    description: lines.join('\n'),
    headers: { ...headerRefs(requestIdHeaders), ...(status === 429 || status === 503 ? retry : {}) },
    content: json({ $ref: '#/components/schemas/Error' }, example),
  };
}
