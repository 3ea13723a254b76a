import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { areas } from '../../src/areas.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'README.md'), 'utf8');

describe('README.md', () => {
  it('counts the operations right', () => {
    const [, told] = /through both doors \((\d+) operations\)/.exec(page)!;
    expect(Number(told)).to.equal(areas.flatMap(area => area.operations).length);
  });

  it('names every product', () => {
    for (const { name } of areas) expect(page.toLowerCase(), name).to.include(name.replace('-', ' '));
  });

  it('leads to files that are there, and to headings of its own', () => {
    const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(
      ([, words]) => `#${words!.toLowerCase().replaceAll(' ', '-')}`,
    );
    for (const [, target] of page.matchAll(/\]\(([^)]+)\)/g)) {
      if (target!.startsWith('#')) expect(headings).to.include(target);
      else expect(existsSync(join(root, target!)), target).to.equal(true);
    }
  });
});
