import { z } from 'zod';
import { area, operation } from '../../../src/core/operation.ts';
import * as s from '../../../src/core/schema.ts';

/** Two areas that use every word of the schema vocabulary, and one type in common. */

const Address = s.named('PostalAddress', {
  street: s.line(200),
  zip_code: s.nullable(z.string()),
});

const Folder: z.ZodObject = s.named('Folder', { name: s.line(100), folders: z.lazy(() => s.list(Folder)) });

const everything = {
  org_id: s.id('org'),
  title: s.line(200).describe('Shown to <people> & machines.'),
  body_html: s.text(100_000).optional(),
  note: s.nullable(s.text(1000)).optional(),
  state: z.enum(['active', 'suspended']),
  urgent: z.boolean(),
  limit: s.pageInput.limit,
  size: s.count(),
  ratio: z.number().optional(),
  due_at: s.dateTime(),
  born: z.iso.date().optional(),
  labels: s.list(s.line(50)),
  recipients: s.list(z.strictObject({ email: s.email(), name: s.line(100).optional() })).optional(),
  address: Address,
  root: Folder.optional(),
  variables: s.stringMap().optional(),
  settings: s.settings().optional(),
  content: s.binary().optional(),
};

const Everything = z.strictObject(everything);

const echo = operation({
  rest: 'POST /v3/samples',
  soap: 'EchoEverything',
  scope: 'samples:write',
  summary: 'Answer what was asked.',
  sensitive: { when: input => input.urgent, because: 'Urgent samples cost more.' },
  input: Everything,
  output: Everything,
  handle: async (_, input) => input,
});

const touch = operation({
  rest: 'GET /v3/samples',
  soap: 'TouchNothing',
  scope: 'samples:read',
  summary: 'Do nothing.',
  input: z.strictObject({}),
  output: s.named('Touched', { at: s.dateTime(), where: s.nullable(Address) }),
  handle: async () => ({ at: '2026-01-01T00:00:00Z', where: null }),
});

const move = operation({
  rest: 'POST /v3/moves',
  soap: 'MoveHouse',
  scope: 'moves:write',
  summary: 'Move.',
  input: z.strictObject({ to: Address }),
  output: s.named('Moved', { id: s.id('mov') }),
  handle: async () => ({ id: 'mov_00000000000000000000000000' }),
});

export const sampleAreas = [
  area('samples', 'Samples & Trials', 'v3', { echo, touch }),
  area('house-moves', 'House Moves', 'v3', { move }),
];
