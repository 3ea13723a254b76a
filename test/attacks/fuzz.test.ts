import { expect } from 'chai';
import { fuzz } from './fuzz.ts';

describe('mutated signed messages', () => {
  it('are refused or say what was signed, none is an error of ours, and none costs more than its length: 1,500 of them', async () => {
    const { finding, sent, accepted } = await fuzz({ seed: 11, more: count => count < 1500 });
    expect(finding).to.equal(undefined);
    expect(sent).to.equal(1500);
    expect(accepted, 'edits of what is not signed, such as white space in tags').to.be.within(20, 700);
  }).timeout(120_000);
});
