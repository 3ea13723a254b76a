import { expect } from 'chai';
import { addAllowedAddress, listAllowedAddresses, removeAllowedAddress } from '../../../src/areas/access/operations.ts';
import { listOrganizations } from '../../../src/areas/organizations/operations.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, pattern, type TestedDoor, through } from '../through.ts';

describe('allowed addresses', () => {
  let kit: Kit;
  let rival: Tenant;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  const listed = async (door: TestedDoor, tenant = kit.tenant): Promise<{ address_id: string; cidr: string }[]> =>
    (await done(door, tenant, listAllowedAddresses, { limit: 200 })).addresses;

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('are added after approval, in one spelling, and listed', async () => {
        const asked = kit.responder.requests.length;
        const added = await done(door, kit.tenant, addAllowedAddress, { cidr: '2001:DB8:0::/48', label: 'Office' });
        expect(kit.responder.requests.length).to.equal(asked + 1);
        const expected = { address_id: 'addr_…', cidr: '2001:db8::/48', label: 'Office', created_at: 'instant' };
        expect(pattern(added)).to.deep.equal(expected);
        expect(await listed(door)).to.deep.include(added);
        await done(door, kit.tenant, removeAllowedAddress, { address_id: added.address_id });
        expect(await listed(door)).to.not.deep.include(added);
      });

      it('are added once', async () => {
        const { address_id } = await done(door, kit.tenant, addAllowedAddress, { cidr: '192.0.2.7' });
        const again = await through(door, kit.tenant, addAllowedAddress, { cidr: '192.0.2.7/32' });
        expect(again.outcome).to.equal('conflict');
        await done(door, kit.tenant, removeAllowedAddress, { address_id });
      });

      it('are refused when they are none, or everybody', async () => {
        for (const cidr of [
          'localhost',
          '192.0.2.1/24',
          '192.0.2.0/33',
          '0.0.0.0/0',
          '::/0',
          '128.0.0.0/1',
          '010.0.0.1',
        ]) {
          const answer = await through(door, kit.tenant, addAllowedAddress, { cidr });
          expect(answer.fields, cidr).to.deep.equal(['cidr']);
        }
      });

      it('stay when they alone let the caller in', async () => {
        const own = (await listed(door)).find(({ cidr }) => cidr === '127.0.0.1/32')!;
        const locked = await through(door, kit.tenant, removeAllowedAddress, { address_id: own.address_id });
        expect(locked.outcome).to.equal('conflict');
        const wider = await done(door, kit.tenant, addAllowedAddress, { cidr: '127.0.0.0/8' });
        await done(door, kit.tenant, removeAllowedAddress, { address_id: own.address_id });
        await done(door, kit.tenant, listOrganizations);
        await done(door, kit.tenant, addAllowedAddress, { cidr: '127.0.0.1' });
        await done(door, kit.tenant, removeAllowedAddress, { address_id: wider.address_id });
      });

      it('that an organisation inherits are neither listed as its own nor missing to it', async () => {
        const child = await kit.organization('Child', { parent: kit.tenant });
        expect(await listed(door, child)).to.deep.equal([]);
        const { address_id } = await done(door, child, addAllowedAddress, { cidr: '127.0.0.1' });
        await done(door, child, removeAllowedAddress, { address_id });
        await done(door, child, listOrganizations);
      });

      it('of another organisation cannot be removed', async () => {
        const { address_id } = (await listed(door, rival))[0]!;
        const { outcome } = await through(door, kit.tenant, removeAllowedAddress, { address_id });
        expect(outcome).to.equal('not_found');
      });
    });
  }
});
