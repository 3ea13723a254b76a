import { execFileSync } from 'node:child_process';
import { createHash, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';
import { areas } from '../../../src/areas.ts';
import { openApi } from '../../../src/doors/rest/openapi.ts';
import { certificates } from '../../kit/certificates.ts';

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
      // An organisation may demand approval for whatever changes something.
      expect('202' in described.responses, op.soap).to.equal(!op.readOnly);
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

  it('names each refusal that an operation says it can meet, and no other', () => {
    for (const op of operations) {
      const described = document.paths[op.path][op.method.toLowerCase()];
      const refusals = Object.entries<{ $ref?: string }>(described.responses).filter(
        ([status]) => Number(status) >= 400,
      );
      const named = refusals.flatMap(([, { $ref }]) => {
        const { description } = document.components.responses[$ref!.split('/').at(-1)!];
        return [...description.matchAll(/^- `(\w+)`/gm)].map(match => match[1]!);
      });
      expect(named.toSorted(), op.soap).to.deep.equal(described['x-bastion-errors'].toSorted());
    }
  });

  it('says what every member of a request is for, but for the ids in a path', () => {
    const silent = operations.flatMap(op => {
      const { parameters, requestBody } = document.paths[op.path][op.method.toLowerCase()];
      const members = Object.entries<{ description?: string }>(
        requestBody?.content['application/json'].schema.properties ?? {},
      );
      const queries = parameters.filter((each: { in?: string }) => each.in === 'query');
      const all = [...members, ...queries.map((each: { name: string }) => [each.name, each] as const)];
      return all.filter(([, { description }]) => !description).map(([name]) => `${op.soap}.${name}`);
    });
    expect(silent).to.deep.equal([]);
  });

  it('shows an example of every request and every answer', () => {
    for (const op of operations) {
      const { parameters, requestBody, responses } = document.paths[op.path][op.method.toLowerCase()];
      for (const each of parameters.filter(({ in: place }: { in?: string }) => place === 'path')) {
        expect(each.example, `${op.soap} ${each.name}`).to.be.a('string');
      }
      if (requestBody) expect(requestBody.content['application/json'].example, op.soap).to.be.an('object');
      expect(responses[200].content['application/json'].example, op.soap).to.include.keys('request_id');
    }
  });

  it('tells how to sign in words that make a signature', async () => {
    const script = document.info.description.match(/```sh\n(.*?)```/s)[1];
    const { elliptic } = await certificates();
    const values = {
      method: 'POST',
      target: '/v3/x?y=1',
      timestamp: '1795268898',
      nonce: 'nonce-01',
      body: '{"a":"é"}',
    };
    const folder = mkdtempSync(join(tmpdir(), 'bastion-signing-'));
    try {
      writeFileSync(join(folder, 'key.pem'), elliptic.key);
      const env = { ...process.env, ...values, key_file: join(folder, 'key.pem') };
      const signature = execFileSync('sh', ['-c', `${script}\nprintf %s "$signature"`], { env, encoding: 'utf8' });
      const hash = createHash('sha256').update(values.body).digest('hex');
      const text = [values.method, values.target, values.timestamp, values.nonce, hash].join('\n');
      expect(verify('sha256', Buffer.from(text), elliptic.publicKey, Buffer.from(signature, 'base64'))).to.equal(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('promises request_id in every answer [BAS-003]', () => {
    for (const op of operations) {
      const { responses } = document.paths[op.path][op.method.toLowerCase()];
      expect(responses[200].content['application/json'].schema.required, op.soap).to.include('request_id');
    }
    expect(document.components.schemas.Error.required).to.include('request_id');
  });

  it('has one name for what waits for approval, so that a generated client has one type for it', () => {
    const held = operations
      .filter(op => !op.readOnly)
      .map(op => document.paths[op.path][op.method.toLowerCase()].responses[202].content['application/json'].schema);
    expect(new Set(held.map(schema => schema.$ref))).to.deep.equal(new Set(['#/components/schemas/PendingApproval']));
    expect(document.components.schemas.PendingApproval.required).to.include('request_id');
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
