import { expect } from 'chai';
import { z } from 'zod';
import type { Caller } from '../../src/core/caller.ts';
import { type Operation, operation, type Scope } from '../../src/core/operation.ts';
import { checkGrant, grantableScopes, holdsScope, ownScope, scopeCatalogue } from '../../src/core/scopes.ts';
import { refusalFrom } from '../kit/refusal.ts';

const requiring = (scope: Scope, summary = 'Do it.'): Operation =>
  operation({
    rest: 'GET /v3/x',
    soap: 'X',
    scope,
    summary,
    input: z.strictObject({}),
    output: z.strictObject({}),
    handle: async () => ({}),
  });

const holding = (...scopes: string[]) => ({ key: { scopes: new Set(scopes) } }) as unknown as Pick<Caller, 'key'>;

describe('scopes', () => {
  it('are held by name, or by the documented alias', () => {
    expect(holdsScope(new Set(['verify:read']), 'verify:read')).to.equal(true);
    expect(holdsScope(new Set(['identity:read']), 'verify:read')).to.equal(true);
    expect(holdsScope(new Set(['verify:read']), 'identity:read')).to.equal(true);
    for (const other of ['verify:write', 'verify:', 'verify:read2', 'constructor', '__proto__']) {
      expect(holdsScope(new Set([other]), 'verify:read'), other).to.equal(false);
    }
  });

  it('let every key see to its own requests', () => {
    expect(holdsScope(new Set(), ownScope)).to.equal(true);
    expect(holdsScope(new Set(), 'org:read')).to.equal(false);
  });

  it('exist when some operation requires them, the alias with its scope', () => {
    expect(grantableScopes([requiring('org:read')])).to.deep.equal(new Set(['org:read']));
    expect(grantableScopes([requiring('verify:read')])).to.deep.equal(new Set(['verify:read', 'identity:read']));
  });

  it('are handed on by those who hold them only, each once', async () => {
    const operations = [requiring('org:read'), requiring('org:write')];
    const grant = async (wanted: string[], ...held: string[]) => checkGrant(wanted, holding(...held), operations);
    expect(await grant(['org:read', 'org:read'], 'org:read')).to.deep.equal(['org:read']);
    expect((await refusalFrom(grant(['org:write'], 'org:read'))).code).to.equal('scope_missing');
    expect((await refusalFrom(grant(['org:all'], 'org:all'))).code).to.equal('validation_failed');
  });

  it('are listed with the words of all operations that require them', () => {
    const operations = [requiring('org:read', 'Read one.'), requiring('org:read', 'Read many')];
    expect(scopeCatalogue(operations)).to.deep.equal([
      { scope: 'org:read', product: 'Organizations', grants: 'Read one. Read many.' },
    ]);
  });

  it('of a resource without a product cannot be listed', () => {
    expect(() => scopeCatalogue([requiring('mystery:read')])).to.throw('mystery:read');
  });
});
