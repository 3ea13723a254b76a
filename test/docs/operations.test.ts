import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readConfig, variables } from '../../src/config.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/OPERATIONS.md'), 'utf8');
const rows = [...page.matchAll(/^\| `(BASTION_\w+)` \| (P?) ?\| (?:`([^`]*)`)? ?\|/gm)];

describe('docs/OPERATIONS.md', () => {
  it('has every variable, in order, with its default', () => {
    const defaults = Object.entries(variables.parse({}));
    const told = new Map(defaults.map(([name, value]) => [name, String(value)]));
    expect(rows.map(([, name]) => name)).to.deep.equal(Object.keys(variables.shape));
    for (const [, name, , value] of rows) expect(value ?? '', name).to.equal(told.get(name!) ?? '');
  });

  it('marks the variables that production needs', () => {
    const marked = rows.filter(row => row[2] === 'P').map(row => row[1]!);
    const refusal = (): unknown => readConfig({ BASTION_ENV: 'production' });
    for (const name of marked) expect(refusal, name).to.throw(name);
    expect(refusal).to.throw(Error).with.property('message').that.satisfies(namesOnly(marked));
  });
});

const namesOnly =
  (names: string[]) =>
  (message: string): boolean =>
    (message.match(/BASTION_\w+/g) ?? []).every(name => names.includes(name));
