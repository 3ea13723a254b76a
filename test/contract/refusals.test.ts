import { expect } from 'chai';
import { z } from 'zod';
import { newId } from '../../src/core/ids.ts';
import type { Operation } from '../../src/core/operation.ts';
import { grantableScopes, ownScope } from '../../src/core/scopes.ts';
import { AuditEvent } from '../../src/db/audit.ts';
import { createKey } from '../../src/operator.ts';
import { bothDoors } from '../areas/through.ts';
import type { Kit, Tenant } from '../kit/app.ts';
import { type Case, type Party, party, startContractKit } from './case.ts';
import { cases, operations } from './cases.ts';
import { type Said, say } from './say.ts';

describe('every operation, through both doors,', () => {
  let kit: Kit;
  /** The caller: beneath Acme, beside West; Globex is another tenant. */
  let east: Party;
  let strangers: Map<string, Party>;

  before(async () => {
    kit = await startContractKit();
    const acme = await party(kit, 'Acme Health', 'health.test');
    east = await party(kit, 'East', 'east.test', { parent: acme });
    strangers = new Map([
      ['another tenant', await party(kit, 'Globex', 'globex.test', { certificate: kit.set.otherPartner })],
      ['a sibling', await party(kit, 'West', 'west.test', { parent: acme })],
      ['the organisation above', acme],
    ]);
  });
  after(() => kit.close());

  const inputOf = async ({ path, input }: Case) => ({ ...(await path?.(east)), ...(await input?.(east)) });

  describe('refuses a key that holds every scope but its own', () => {
    const keys = new Map<string, Promise<{ id: string; tenant: Tenant }>>();
    const keyWithout = (scope: string) => {
      if (!keys.has(scope)) keys.set(scope, makeKey(scope));
      return keys.get(scope)!;
    };
    async function makeKey(scope: string) {
      const scopes = [...grantableScopes(operations)].filter(each => each !== scope);
      const { id, secret } = await createKey(kit.app, east.id, { name: `all but ${scope}`, scopes });
      return { id, tenant: kit.caller({ ...east, apiKey: secret }) };
    }

    for (const each of cases.filter(({ op }) => op.scope !== ownScope)) {
      it(`${each.op.soap} [BAS-030] [BAS-078]`, async () => {
        const { id, tenant } = await keyWithout(each.op.scope);
        const input = await inputOf(each);
        for (const door of bothDoors) {
          const { status, error } = await say(door, tenant, each.op, input);
          expect({ status, error }, door).to.deep.equal({
            status: door === 'rest' ? 403 : 400,
            error: 'scope_missing',
          });
          const row = { actorId: id, operation: each.op.soap, door, outcome: 'refused', code: 'scope_missing' };
          expect(await kit.app.db.fork('system').count(AuditEvent, row), `audit rows over ${door}`).to.equal(1);
        }
      });
    }

    it('and only what a key asked for itself needs no scope', () => {
      const open = operations.filter(op => op.scope === ownScope).map(op => op.soap);
      expect(open.toSorted()).to.deep.equal(['CancelAuthorizationRequest', 'GetAuthorizationRequest']);
    });
  });

  describe('refuses bad input by the name of the field', () => {
    for (const each of cases) {
      const { op } = each;
      describe(op.soap, () => {
        let good: Record<string, unknown>;
        before(async () => {
          good = await inputOf(each);
        });

        it('unknown members, constructor and toString among them [BAS-032]', async () => {
          for (const name of ['surplus', 'constructor', 'toString']) {
            for (const door of bothDoors) {
              const said = await say(door, east, op, good, { surplus: { [name]: 'x' } });
              expectRefusal(said, door === 'rest' ? 422 : 400, 'validation_failed', [
                door === 'rest' ? name : name.replace('S', '_s'),
              ]);
            }
          }
        });

        const required = requiredOf(op);
        if (required.length > 0) {
          it(`missing members: ${required.join(', ')} [BAS-028]`, async () => {
            for (const name of required) {
              for (const door of bothDoors) {
                if (door === 'rest' && op.pathParameters.includes(name)) continue;
                // Repeated elements cannot be missing: none is an empty list.
                const error = door === 'soap' && Array.isArray(good[name]) ? 'validation_failed' : 'malformed';
                expectRefusal(await say(door, east, op, good, { omitted: name }), 400, error, [name]);
              }
            }
          });
        }

        const texts = Object.entries(textsOf(op));
        if (texts.length > 0) {
          it(`texts that are too long: ${texts.map(([name]) => name).join(', ')} [BAS-032]`, async () => {
            for (const [name, longest] of texts) {
              const input = { ...good, [name]: 'x'.repeat(longest + 1) };
              for (const door of bothDoors) {
                expectRefusal(await say(door, east, op, input), door === 'rest' ? 422 : 400, 'validation_failed', [
                  name,
                ]);
              }
            }
          });
        }

        if (op.pathParameters.length > 0) {
          it(`what is no id: ${op.pathParameters.join(', ')} [BAS-032]`, async () => {
            for (const name of op.pathParameters) {
              const id = String(good[name]);
              for (const wrong of [
                '__proto__',
                '.',
                id.toUpperCase(),
                `${id} `,
                `${id}x`,
                'x'.repeat(4000),
                "' or 1=1",
              ]) {
                for (const door of bothDoors) {
                  if (door === 'rest' && wrong === '.') continue;
                  const said = await say(door, east, op, { ...good, [name]: wrong });
                  expectRefusal(said, door === 'rest' ? 422 : 400, 'validation_failed', [name]);
                }
              }
              expectRefusal(await say('rest', east, op, { ...good, [name]: `${id}\0` }), 400, 'malformed', []);
            }
          });
        }

        it('an element named __proto__', async () => {
          const said = await say('soap', east, op, good, { surplus: { ['__proto__']: 'x' } });
          expectRefusal(said, 400, 'validation_failed', ['__proto__']);
        });

        if (op.method !== 'GET' && op.method !== 'DELETE') {
          it('values of another type [BAS-032]', async () => {
            for (const name of Object.keys(op.input.shape).filter(each => !op.pathParameters.includes(each))) {
              for (const wrong of [{ deep: [] }, [[]], 1.5]) {
                const { status, fields } = await say('rest', east, op, { ...good, [name]: wrong });
                expect(status, name).to.equal(422);
                expect(fields.map(field => field.split('.')[0])).to.deep.equal([name]);
              }
            }
          });

          it('NUL and __proto__ in a JSON body [BAS-028]', async () => {
            const path = op.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(good[name]));
            for (const body of ['{"__proto__":{"scopes":["org:write"]}}', '{"name":"a\\u0000b"}', '{"a":"\u0000"}']) {
              const answer = await east.rest.call(op.method, path, body);
              expect([answer.status, answer.body.error], body).to.deep.equal([400, 'malformed']);
            }
          });
        }
      });
    }
  });

  describe('answers for what belongs to others exactly as for what does not exist', () => {
    for (const each of cases.filter(({ op }) => op.pathParameters.length > 0)) {
      const { op } = each;
      it(`${op.soap}: ${op.pathParameters.join(', ')} [BAS-031] [BAS-052]`, async () => {
        const good = await inputOf(each);
        const theirs = new Map<string, Record<string, string>>();
        for (const [who, stranger] of strangers) theirs.set(who, await each.path!(stranger));
        for (const door of bothDoors) {
          for (const name of op.pathParameters) {
            const unknown = newId(String(good[name]).split('_')[0]!);
            const missing = await say(door, east, op, { ...good, [name]: unknown });
            expectRefusal(missing, door === 'rest' ? 404 : 400, 'not_found', []);
            for (const [who, path] of theirs) {
              const foreign = await say(door, east, op, { ...good, [name]: path[name] });
              expect(foreign, `${name} of ${who} over ${door}`).to.deep.equal(missing);
            }
          }
        }
      });
    }
  });
});

function expectRefusal(said: Said, status: number, error: string, fields: string[]): void {
  expect({ status: said.status, error: said.error, fields: said.fields }, said.text).to.deep.equal({
    status,
    error,
    fields,
  });
}

function requiredOf(op: Operation): string[] {
  const members = Object.entries(op.input.shape as Record<string, z.ZodType>);
  return members.filter(([, schema]) => !schema.safeParse(undefined).success).map(([name]) => name);
}

/** Text members outside the path with their greatest length; a form such as an instant or an id is shorter than 1000. */
function textsOf(op: Operation): Record<string, number> {
  const { properties = {} } = z.toJSONSchema(op.input, { io: 'input', unrepresentable: 'any' });
  const texts = Object.entries(properties as Record<string, { type?: string; maxLength?: number }>)
    .filter(([name, { type }]) => type === 'string' && !op.pathParameters.includes(name))
    .map(([name, { maxLength = 1000 }]) => [name, maxLength] as const);
  return Object.fromEntries(texts);
}
