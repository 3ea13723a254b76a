import { expect } from 'chai';
import { through } from '../areas/through.ts';
import type { Kit } from '../kit/app.ts';
import { type Party, party, startContractKit } from './case.ts';
import { cases } from './cases.ts';

describe('every changing operation, asked for the same thing several times at once,', () => {
  let kit: Kit;
  let acme: Party;
  before(async () => {
    kit = await startContractKit();
    acme = await party(kit, 'Acme Health', 'health.test');
  });
  after(() => kit.close());

  for (const { op, path, input } of cases.filter(each => !each.op.readOnly)) {
    it(`${op.soap} succeeds at least once, and else says why`, async () => {
      // Beneath another it starts with no rows of its own; only a root may have webhooks on this machine.
      const place = op.soap.endsWith('ApprovalWebhook') ? {} : { parent: acme };
      const fresh = await party(kit, 'Fresh', `d${acme.next()}.health.test`, place);
      const good = { ...(await path?.(fresh)), ...(await input?.(fresh)) };
      const answers = await Promise.all([1, 2, 3, 4].map(() => through('rest', fresh, op, good)));
      const outcomes = answers.map(({ outcome }) => outcome);
      expect(outcomes).to.include('ok');
      expect(outcomes.filter(outcome => !['ok', 'conflict', 'not_found'].includes(outcome))).to.deep.equal([]);
    });
  }
});
