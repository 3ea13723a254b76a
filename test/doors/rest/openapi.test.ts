import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';
import { areas } from '../../../src/areas.ts';
import { openApi } from '../../../src/doors/rest/openapi.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document of every shape
const document = JSON.parse(JSON.stringify(openApi(areas, 'https://bastion.example'))) as any;
const operations = areas.flatMap(area => area.operations);

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect(errors).to.equal(undefined);
    expect(valid).to.equal(true);
  });

  it('has every operation under its method and path, with its scope, sensitivity and errors', () => {
    for (const op of operations) {
      const described = document.paths[op.path][op.method.toLowerCase()];
      expect(described.operationId).to.equal(op.soap);
      expect(described['x-bastion-scope']).to.equal(op.scope);
      expect(described.description).to.include(`\`${op.scope}\``);
      expect(described['x-bastion-sensitive']).to.equal(op.sensitive !== undefined);
      expect('202' in described.responses, op.soap).to.equal(op.sensitive !== undefined);
      expect(described['x-bastion-errors']).to.include('scope_missing');
      expect(Object.keys(described.responses)).to.include.members(['200', '401', '403', '404', '422', '429']);
    }
  });

  it('puts the version of its product into every path [BAS-002]', () => {
    for (const path of Object.keys(document.paths)) expect(path).to.match(/^\/v[123]\//);
  });

  it('leads every reference to something that is there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(match => match[1]!);
    expect(references.length).to.be.above(100);
    for (const reference of new Set(references)) {
      // biome-ignore lint/suspicious/noExplicitAny: walks the document
      const target = reference.split('/').reduce((at: any, name) => at?.[name], document);
      expect(target, reference).to.be.an('object');
    }
  });

  it('promises request_id in every answer [BAS-003]', () => {
    for (const op of operations) {
      const { responses } = document.paths[op.path][op.method.toLowerCase()];
      expect(responses[200].content['application/json'].schema.required, op.soap).to.include('request_id');
    }
    expect(document.components.schemas.Error.required).to.include('request_id');
  });

  it('describes path members as path parameters and everything else once', () => {
    for (const op of operations) {
      const { parameters, requestBody } = document.paths[op.path][op.method.toLowerCase()];
      const own = parameters.filter((each: { name?: string }) => each.name !== undefined);
      const inBody = Object.keys(requestBody?.content['application/json'].schema.properties ?? {});
      const names = [...own.map((each: { name: string }) => each.name), ...inBody];
      expect(names.toSorted(), op.soap).to.deep.equal(Object.keys(op.input.shape).toSorted());
      const inPath = own
        .filter((each: { in: string }) => each.in === 'path')
        .map((each: { name: string }) => each.name);
      expect(inPath, op.soap).to.deep.equal([...op.pathParameters]);
    }
  });
});
