import { expect } from 'chai';
import type { Operation } from '../../src/core/operation.ts';
import { bothDoors, done, type TestedDoor, through } from '../areas/through.ts';
import type { Kit } from '../kit/app.ts';
import { type Party, party, startContractKit } from './case.ts';
import { cases, operations } from './cases.ts';

const lists = operations.filter(op => 'next_cursor' in op.output.shape);

describe('every list', () => {
  let kit: Kit;
  let acme: Party;
  let globex: Party;

  before(async () => {
    kit = await startContractKit();
    acme = await party(kit, 'Acme Health', 'health.test');
    globex = await party(kit, 'Globex', 'globex.test', { certificate: kit.set.otherPartner });
    for (const owner of [acme, globex]) await fill(owner);
  });
  after(() => kit.close());

  /** Three of everything that can be listed. */
  async function fill(owner: Party): Promise<void> {
    for (let n = 0; n < 3; n++) {
      await done('rest', owner, operation('CreateOrganization'), { name: `Child ${n}` });
      for (const name of [
        'RevokeApiKey',
        'RevokeCertificate',
        'RemoveAllowedAddress',
        'RemoveApprovalWebhook',
        'RemoveMember',
      ]) {
        await cases.find(({ op }) => op.soap === name)!.path!(owner);
      }
    }
  }

  /** Audit rows come from the walk itself, so it looks only at those that are there before. */
  const filterOf = (op: Operation, owner = acme) => ({
    ...(op.soap === 'ListAuditEvents' && { operation: 'CreateOrganization' }),
    ...(op.pathParameters.includes('org_id') && { org_id: owner.id }),
  });

  async function walk(door: TestedDoor, op: Operation): Promise<string[]> {
    const found: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await done(door, acme, op, { ...filterOf(op), limit: 1, ...(cursor && { cursor }) });
      const items = itemsOf(page);
      expect(items).to.have.lengthOf.at.most(1);
      found.push(...items.map(item => JSON.stringify(item)));
      cursor = page.next_cursor;
    }
    return found;
  }

  it('is among these', () => {
    expect(lists.map(op => op.soap)).to.include.members(['ListOrganizations', 'ListApiKeys', 'ListAuditEvents']);
    expect(operations.filter(op => op.soap.startsWith('List') && !lists.includes(op)).map(op => op.soap)).to.deep.equal(
      ['ListScopes'],
    );
  });

  for (const op of lists) {
    describe(op.soap, () => {
      for (const door of bothDoors) {
        it(`pages through everything once over ${door} [BAS-025]`, async () => {
          const whole = itemsOf(await done(door, acme, op, { ...filterOf(op), limit: 200 }));
          expect(whole).to.have.lengthOf.at.least(3);
          expect(await walk(door, op)).to.deep.equal(whole.map(item => JSON.stringify(item)));
        });

        it(`takes 1 to 200 as limit over ${door} [BAS-057]`, async () => {
          const filter = filterOf(op);
          for (const limit of [1, 200]) await done(door, acme, op, { ...filter, limit });
          for (const limit of [0, 201, -1]) {
            const { outcome, fields } = await through(door, acme, op, { ...filter, limit });
            expect({ outcome, fields }).to.deep.equal({ outcome: 'validation_failed', fields: ['limit'] });
          }
        });

        it(`refuses cursors that it did not give over ${door} [BAS-032]`, async () => {
          const filter = filterOf(op);
          const { next_cursor: own } = await done(door, acme, op, { ...filter, limit: 1 });
          const { next_cursor: foreign } = await done(door, globex, op, { ...filterOf(op, globex), limit: 1 });
          const another = lists.find(each => each !== op)!;
          const { next_cursor: other } = await done(door, acme, another, { ...filterOf(another), limit: 1 });
          expect([own, foreign, other].every(each => typeof each === 'string')).to.equal(true);
          const forged = own.replace(/^[^.]+/, Buffer.from('org_00000000000000000000000000').toString('base64url'));
          for (const cursor of [foreign, other, forged, `${own}A`, own.slice(0, -2), '0', "' or 1=1 --"]) {
            const { outcome } = await through(door, acme, op, { ...filter, limit: 1, cursor });
            expect(outcome, cursor).to.equal('cursor_invalid');
          }
        });
      }
    });
  }
});

const operation = (name: string): Operation => operations.find(op => op.soap === name)!;

/** The one list beside next_cursor. */
function itemsOf(page: Record<string, unknown>): Record<string, unknown>[] {
  return Object.values(page).find(Array.isArray) as Record<string, unknown>[];
}
