import { expect } from 'chai';
import { tellEnded } from '../src/certificate-watch.ts';
import type { Services } from '../src/core/services.ts';
import { type Kit, startKit } from './kit/app.ts';

describe('the start of a server', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  const ended = (now: Date): string[] => {
    const uses: string[] = [];
    const log = { error: ({ use }: { use: string }) => void uses.push(use) } as unknown as Services['log'];
    tellEnded({ ...kit.app.services, clock: { now: () => now }, log }, kit.set.server.certificate);
    return uses;
  };

  it('names what of its own has ended, and nothing that has not', () => {
    expect(ended(kit.clock.now())).to.deep.equal([]);
    expect(ended(new Date('2126-01-01'))).to.deep.equal(['listeners', 'signing', 'approved_authority']);
  });
});
