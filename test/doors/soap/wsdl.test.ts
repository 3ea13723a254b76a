import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import soap from 'soap';
import { z } from 'zod';
import { area, operation } from '../../../src/core/operation.ts';
import * as s from '../../../src/core/schema.ts';
import { buildModel } from '../../../src/doors/soap/model.ts';
import { generate } from '../../../src/doors/soap/wsdl.ts';
import { sampleAreas } from './sample-areas.ts';

const baseUrl = 'https://soap.example:9443';

/** One operation with this input, in an area of its own. */
function taking(input: z.ZodObject, soapName = 'DoIt') {
  const handle = async () => ({});
  const output = z.strictObject({});
  const scope = 'x:write';
  const op = operation({ rest: 'POST /v3/x', soap: soapName, scope, summary: '.', input, output, handle });
  return area('x', 'X', 'v3', { op });
}

const building = (...members: z.ZodObject[]) => {
  return () => buildModel(members.map((input, index) => taking(input, `DoIt${index}`)));
};

describe('the WSDL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wsdl-'));
  const files = generate(sampleAreas, baseUrl);

  before(() => {
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
  });
  after(() => rmSync(folder, { recursive: true }));

  it('is one file per area and the schema they share', () => {
    expect([...files.keys()]).to.deep.equal(['samples.wsdl', 'house-moves.wsdl', 'common.xsd']);
  });

  it('is the same text every time', () => {
    expect([...generate(sampleAreas, baseUrl)]).to.deep.equal([...files]);
  });

  it('names the configured address and no other', () => {
    expect(files.get('samples.wsdl')).to.include(`location="${baseUrl}/soap/v3/samples"`);
    expect(files.get('common.xsd')).not.to.include(baseUrl);
  });

  it('loads in node-soap with every operation, its request and its result', async () => {
    const client = await soap.createClientAsync(join(folder, 'samples.wsdl'));
    const { SamplesPort } = client.describe().SamplesService;
    expect(Object.keys(SamplesPort)).to.deep.equal(['EchoEverything', 'TouchNothing']);
    expect(SamplesPort.EchoEverything.input.request).to.include({ orgId: 'xs:string', dueAt: 'xs:dateTime' });
    expect(SamplesPort.TouchNothing.output.result.where).to.include({ street: 'xs:string' });
  });

  it('says of every operation which scope it takes and whether it needs approval', () => {
    const text = files.get('samples.wsdl');
    expect(text).to.include(
      'Answer what was asked. Scope: samples:write. May need approval. Urgent samples cost more.',
    );
    expect(text).to.include('Do nothing. Scope: samples:read.<');
  });

  it('puts a type that two areas use into the common schema, and no other', () => {
    expect(files.get('common.xsd')).to.include('complexType name="PostalAddress"').and.not.include('"Folder"');
    expect(files.get('samples.wsdl')).to.include('complexType name="Folder"').and.not.include('name="PostalAddress"');
  });
});

describe('a schema that XSD cannot say', () => {
  const refusals: [string, z.ZodObject, RegExp][] = [
    ['a union', z.strictObject({ bad_one: z.union([z.string(), z.int()]) }), /DoIt0 input bad_one/],
    ['a tuple', z.strictObject({ bad_one: z.tuple([z.string(), z.int()]) }), /DoIt0 input bad_one/],
    ['an open map', z.strictObject({ bad_one: z.record(z.string(), z.int()) }), /DoIt0 input bad_one: .*open map/],
    ['an unknown value', z.strictObject({ bad_one: z.unknown() }), /DoIt0 input bad_one/],
    ['a list of lists', z.strictObject({ bad_one: z.array(z.array(z.string())) }), /bad_one: a list holds neither/],
    ['a list of nulls', z.strictObject({ bad_one: z.array(z.string().nullable()) }), /bad_one: a list holds neither/],
    ['a nullable list', z.strictObject({ bad_one: z.array(z.string()).nullable() }), /bad_one: a list cannot be null/],
    ['enumerated numbers', z.strictObject({ bad_one: z.literal([1, 2]) }), /bad_one: only strings/],
    ['a name in camel case', z.strictObject({ badOne: z.string() }), /badOne: names are snake_case/],
    ['two names that become one', z.strictObject({ a_1: z.string(), a1: z.string() }), /same element name/],
    ['a name that common.xsd takes', z.strictObject({ f: s.named('BastionFault', {}) }), /BastionFault is taken/],
  ];
  for (const [what, input, message] of refusals) {
    it(`is refused with operation and field: ${what}`, () => {
      expect(building(input)).to.throw(message);
    });
  }

  it('is refused when a type has the name of a message', () => {
    expect(building(z.strictObject({ a: s.named('DoIt0Response', { x: z.string() }) }))).to.throw(/DoIt0Response/);
  });

  it('may name a request like its operation; the type is then called a request', () => {
    const model = buildModel([taking(s.named('DoIt', { x: z.string() }))]);
    expect(model.areas[0]!.operations.get('DoIt')!.request.name).to.equal('DoItRequest');
  });

  it('is refused when one name stands for two types', () => {
    const one = z.strictObject({ a: s.named('Thing', { x: z.string() }) });
    const other = z.strictObject({ a: s.named('Thing', { x: z.int() }) });
    expect(building(one, other)).to.throw(/DoIt1 input a \(Thing\): another type is called Thing/);
    expect(building(one, one)).not.to.throw();
  });
});
