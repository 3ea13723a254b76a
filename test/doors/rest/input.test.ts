import { expect } from 'chai';
import type { Request } from 'express';
import { z } from 'zod';
import { operation } from '../../../src/core/operation.ts';
import { line, list, named, nullable, pageInput } from '../../../src/core/schema.ts';
import { inputReader } from '../../../src/doors/rest/input.ts';
import { refusalFrom } from '../../kit/refusal.ts';

const output = z.strictObject({});
const handle = async () => ({});
const rest = { scope: 'a:read', summary: 'Test.', output, handle } as const;

const find = operation({
  ...rest,
  rest: 'GET /v3/things/{thing_id}',
  soap: 'FindThings',
  input: named('FindThings', {
    thing_id: line(40),
    ...pageInput,
    deep: z.boolean().optional(),
    ratio: z.number().optional(),
    parent_id: nullable(line(40)).optional(),
    tags: list(line(10)).optional(),
    sizes: list(z.int()).optional(),
  }),
});
const make = operation({
  ...rest,
  rest: 'POST /v3/things/{thing_id}/parts',
  soap: 'MakePart',
  input: z.strictObject({ thing_id: line(40), name: line(10) }),
});

interface Sent {
  url: string;
  params: Record<string, string>;
  headers: Record<string, string>;
}

const requestOf = (sent: Partial<Sent>): Request =>
  ({ url: '/v3/things/t1', params: { thing_id: 't1' }, headers: {}, method: 'GET', ...sent }) as unknown as Request;

const query = (text: string) => inputReader(find)(requestOf({ url: `/v3/things/t1${text}` }), Buffer.alloc(0));
const body = (
  text: string,
  headers: Record<string, string> = { 'content-type': 'application/json' },
  url = '/v3/things/t1/parts',
) => inputReader(make)(requestOf({ url, headers }), Buffer.from(text));
const refusal = (read: () => unknown) => refusalFrom((async () => read())());

describe('input of the REST door', () => {
  it('gives query parameters the types of the operation', () => {
    expect(query('?limit=20&deep=true&ratio=-0.5&parent_id=p+1&cursor=7')).to.deep.equal({
      thing_id: 't1',
      limit: 20,
      deep: true,
      ratio: -0.5,
      parent_id: 'p 1',
      cursor: '7',
    });
  });

  it('takes lists repeated and separated by commas', () => {
    const expected = { thing_id: 't1', tags: ['a', 'b', 'c'], sizes: [1, 2] };
    expect(query('?tags=a&tags=b,c&sizes=1,2')).to.deep.equal(expected);
  });

  it('leaves what is not of the type as text, for the schema to refuse', () => {
    for (const limit of ['', '1e3', '0x10', ' 1', '99999999999999999999', 'true']) {
      expect(query(`?limit=${encodeURIComponent(limit)}`)).to.deep.equal({ thing_id: 't1', limit });
    }
    expect(query('?deep=1')).to.deep.equal({ thing_id: 't1', deep: '1' });
  });

  it('refuses unknown and repeated parameters by name, all at once [BAS-032]', async () => {
    const { code, errors } = await refusal(() => query('?limit=1&limit=2&sort=up&__proto__=1&thing_id=t2'));
    expect(code).to.equal('validation_failed');
    expect(errors.map(error => [error.field, error.code])).to.deep.equal([
      ['limit', 'repeated'],
      ['sort', 'unknown_field'],
      ['__proto__', 'unknown_field'],
      ['thing_id', 'unknown_field'],
    ]);
  });

  it('refuses a query where there is a body', async () => {
    expect((await refusal(() => body('{"name":"a"}', undefined, '/v3/things/t1/parts?name=b'))).code).to.equal(
      'validation_failed',
    );
  });

  it('joins body and path', () => expect(body('{"name":"a"}')).to.deep.equal({ thing_id: 't1', name: 'a' }));

  it('refuses a body that says again what the path says', async () => {
    const { errors } = await refusal(() => body('{"name":"a","thing_id":"t2"}'));
    expect(errors).to.deep.equal([
      { field: 'thing_id', code: 'unknown_field', message: 'is not a field of this request' },
    ]);
  });

  it('reads no body as no fields', () => expect(body('', {})).to.deep.equal({ thing_id: 't1' }));

  for (const type of ['application/json', 'application/json;charset=utf-8', 'Application/JSON; charset="UTF-8"']) {
    it(`takes ${type}`, () => expect(body('{}', { 'content-type': type })).to.have.property('thing_id'));
  }
  for (const type of [
    '',
    'text/plain',
    'application/json; charset=utf-16',
    'application/jsonp',
    'application/x-www-form-urlencoded',
  ]) {
    it(`refuses the content type ${JSON.stringify(type)}`, async () =>
      expect((await refusal(() => body('{}', { 'content-type': type }))).code).to.equal('unsupported_media_type'));
  }
});
