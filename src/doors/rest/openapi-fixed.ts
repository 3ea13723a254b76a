import { readFileSync } from 'node:fs';
import { codes } from '../../core/errors.ts';
import type { JsonSchema } from './json-schema.ts';

/** The parts of the description that are the same whatever Bastion does. */

export const introduction = readFileSync(new URL('introduction.md', import.meta.url), 'utf8');

export const exampleRequestId = 'req_01kwh0wwm07kq2xj5s9d3v8m1c';

/** In a header of every call, computed by what signs it: no parameters of an operation. */
const proof = (name: string, description: string) => ({ type: 'apiKey', in: 'header', name, description });

export const securitySchemes = {
  clientCertificate: {
    type: 'mutualTLS',
    description: 'A client certificate of an approved authority, registered with Bastion for requests.',
  },
  apiKey: { type: 'http', scheme: 'bearer', description: 'The API key. By itself it opens nothing.' },
  thumbprint: proof(
    'Bastion-Cert-Thumbprint',
    'SHA-256 of the client certificate, 64 hex digits, with or without colons.',
  ),
  timestamp: proof('Bastion-Timestamp', 'Unix time in seconds, ten digits, at most 60 seconds off.'),
  nonce: proof(
    'Bastion-Nonce',
    '8 to 128 of A-Z, a-z, 0-9, - and _; a string that this certificate has not used before.',
  ),
  signature: proof(
    'Bastion-Signature',
    'Base64 signature by the key of the client certificate; the introduction says what it covers.',
  ),
};

interface HeaderParameter {
  readonly name: string;
  readonly in: 'header';
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}

const header = (name: string, required: boolean, description: string, schema: JsonSchema): HeaderParameter => ({
  name,
  in: 'header',
  required,
  description,
  schema: { type: 'string', ...schema },
});

export const headerParameters = {
  OrgId: header('Bastion-Org-Id', false, 'Acts on this organisation beneath the key’s own; absent: on the key’s own.', {
    pattern: '^org_[0-9a-hjkmnp-tv-z]{26}$',
  }),
  IdempotencyKey: header(
    'Idempotency-Key',
    false,
    'The same request under the same key within 24 hours happens once and answers alike.',
    { minLength: 1, maxLength: 255 },
  ),
  Prefer: header(
    'Prefer',
    false,
    '`respond-async` answers 202 at once when approval is needed, instead of after up to 45 seconds.',
    { examples: ['respond-async'] },
  ),
};

const integerHeader = (description: string) => ({ description, schema: { type: 'integer' } });
const requestId = { description: 'The request_id of the body.', schema: { type: 'string' } };

export const requestIdHeaders = { 'Bastion-Request-Id': requestId, 'X-Request-Id': requestId };

export const rateHeaders = {
  'X-RateLimit-Limit': integerHeader('Requests a minute that the key may send.'),
  'X-RateLimit-Remaining': integerHeader('What is left of them.'),
  'X-RateLimit-Reset': integerHeader('Seconds until all are available again.'),
};

/** What is answered whatever was asked. */
export const fixedSchemas: Record<string, JsonSchema> = {
  FieldError: {
    type: 'object',
    properties: {
      field: { type: 'string', description: 'Dotted path of the field as it was sent.' },
      code: { type: 'string' },
      message: { type: 'string' },
    },
    required: ['field', 'code', 'message'],
  },
  Error: {
    type: 'object',
    properties: {
      error: { type: 'string', enum: Object.keys(codes) },
      message: { type: 'string' },
      request_id: { type: 'string' },
      authorization_request_id: { type: 'string', description: 'Of a request that was held for approval.' },
      errors: { type: 'array', items: { $ref: '#/components/schemas/FieldError' } },
    },
    required: ['error', 'message', 'request_id', 'errors'],
  },
  PendingApproval: {
    type: 'object',
    properties: {
      status: { type: 'string', const: 'pending' },
      authorization_request_id: { type: 'string' },
      expires_at: { type: 'string', format: 'date-time', description: 'No approval counts after this instant.' },
      request_id: { type: 'string' },
    },
    required: ['status', 'authorization_request_id', 'expires_at', 'request_id'],
  },
};

export const pendingExample = {
  status: 'pending',
  authorization_request_id: 'areq_01kwh0wwm0n4s6b8r1t3y5q7w9',
  expires_at: '2026-07-02T09:01:00Z',
};
