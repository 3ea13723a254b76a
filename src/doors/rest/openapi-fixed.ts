import { codes } from '../../core/errors.ts';
import type { JsonSchema } from './json-schema.ts';

/** The parts of the description that are the same whatever Bastion does. */

export const introduction = `Every call passes four controls: the source address is registered; the TLS client certificate is
registered and signs the request; the API key has the scope; sensitive operations wait for your approval webhook.

The signature covers five lines joined by a line feed: method, request target as sent (path and query), timestamp,
nonce, and the lowercase hex SHA-256 of the raw body. \`openssl dgst -sha256 -sign key.pem | base64 -w0\` makes it.
With \`Bastion-Signature-Version: 2\` it covers host, organisation, key and the deciding headers as well.

Refusals are \`{ error, message, request_id, errors }\`. Lists are paginated: hand \`next_cursor\` back as \`cursor\`.`;

export const securitySchemes = {
  clientCertificate: {
    type: 'mutualTLS',
    description: 'A client certificate of an approved authority, registered with Bastion for requests.',
  },
  apiKey: { type: 'http', scheme: 'bearer', description: 'The API key. By itself it opens nothing.' },
  requestSignature: {
    type: 'apiKey',
    in: 'header',
    name: 'Bastion-Signature',
    description: 'Base64 signature by the client certificate’s key; see the introduction for what it covers.',
  },
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

/** On every call, beside those of the security schemes. */
export const callHeaders: Record<string, HeaderParameter> = {
  OrgId: header('Bastion-Org-Id', false, 'Acts on this organisation beneath the key’s own; absent: on the key’s own.', {
    pattern: '^org_[0-9a-z]{26}$',
  }),
  CertThumbprint: header(
    'Bastion-Cert-Thumbprint',
    true,
    'SHA-256 of the client certificate, 64 hex digits, with or without colons.',
    {
      minLength: 64,
      maxLength: 95,
    },
  ),
  Timestamp: header('Bastion-Timestamp', true, 'Unix time in seconds, at most 60 seconds off.', {
    pattern: '^[0-9]{10}$',
  }),
  Nonce: header('Bastion-Nonce', true, 'A string that this certificate has not used before.', {
    pattern: '^[A-Za-z0-9_-]{8,128}$',
  }),
  SignatureVersion: header('Bastion-Signature-Version', false, 'What the signature covers; 1 when absent.', {
    enum: ['1', '2'],
  }),
};

export const idempotencyHeader = header(
  'Idempotency-Key',
  false,
  'The same request under the same key within 24 hours happens once and answers alike.',
  { minLength: 1, maxLength: 255 },
);

export const preferHeader = header(
  'Prefer',
  false,
  '`respond-async` answers 202 at once when approval is needed, instead of after up to 45 seconds.',
  { examples: ['respond-async'] },
);

const integerHeader = (description: string) => ({ description, schema: { type: 'integer' } });
const requestId = { description: 'The request_id of the body.', schema: { type: 'string' } };

export const requestIdHeaders = { 'Bastion-Request-Id': requestId, 'X-Request-Id': requestId };

export const rateHeaders = {
  'X-RateLimit-Limit': integerHeader('Requests a minute that the key may send.'),
  'X-RateLimit-Remaining': integerHeader('What is left of them.'),
  'X-RateLimit-Reset': integerHeader('Seconds until all are available again.'),
};

export const errorSchemas: Record<string, JsonSchema> = {
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
};

export const pendingSchema: JsonSchema = {
  type: 'object',
  properties: {
    status: { type: 'string', const: 'pending' },
    authorization_request_id: { type: 'string' },
    expires_at: { type: 'string', format: 'date-time', description: 'No approval counts after this instant.' },
  },
  required: ['status', 'authorization_request_id', 'expires_at'],
};
