import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { clients } from '../interop/clients.ts';
import { guide, withPrograms } from '../interop/guide.ts';

describe('docs/PARTNERS.md', () => {
  const text = readFileSync(guide, 'utf8');

  it('shows the very programs that are run', () => {
    expect(text).to.equal(withPrograms(text));
  });

  for (const { name, folder } of clients) {
    it(`has a program for ${name}`, () => {
      expect(text).to.match(new RegExp(`^\`\`\`\\w+ test/interop/${folder}/`, 'm'));
    });
  }
});
