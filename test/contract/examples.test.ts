import { expect } from 'chai';
import { z } from 'zod';
import { examples } from '../../src/doors/rest/openapi.ts';
import { cases, operations } from './cases.ts';
import { recordExamples } from './examples.ts';

describe('the examples of the reference', () => {
  let recorded: Awaited<ReturnType<typeof recordExamples>>;
  before(async () => {
    recorded = await recordExamples();
  }).timeout(120_000);

  it('are of the operations that there are', () => {
    expect(Object.keys(examples)).to.deep.equal(Object.keys(recorded));
  });

  for (const op of operations) {
    it(`of ${op.soap} is what it answers today; else run \`npm run examples\``, () => {
      expect(examples[op.soap]).to.deep.equal(recorded[op.soap]);
    });

    it(`of ${op.soap} are of the described types and fit on a page`, () => {
      const { request, answer } = examples[op.soap]!;
      for (const [schema, value] of [
        [op.input, request],
        [op.output, answer],
      ] as const) {
        const { error } = schema.safeParse(value);
        expect(error && z.prettifyError(error)).to.equal(undefined);
        expect(JSON.stringify(value, undefined, 2).split('\n').length).to.be.below(80);
      }
    });
  }

  it('show what lists hold', () => {
    const listing = cases.filter(({ op }) => 'next_cursor' in op.output.shape);
    const empty = listing.filter(({ op }) =>
      Object.values(examples[op.soap]!.answer).some(value => Array.isArray(value) && value.length === 0),
    );
    expect(empty.map(({ op }) => op.soap)).to.deep.equal([]);
  });
});
