import { expect } from 'chai';
import { listAuditEvents } from '../../../src/areas/access/operations.ts';
import { createOrganization, createOrgUnit, updateOrganization } from '../../../src/areas/organizations/operations.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, type TestedDoor, through } from '../through.ts';

interface Event {
  event_id: string;
  occurred_at: string;
  operation: string;
  outcome: string;
  code: string | null;
  target: string | null;
}

describe('the audit trail', () => {
  let kit: Kit;
  let rival: Tenant;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  const trail = async (door: TestedDoor, filter: object = {}, tenant = kit.tenant): Promise<Event[]> =>
    (await done(door, tenant, listAuditEvents, { limit: 200, ...filter })).audit_events;

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('shows what was done and what was refused, with its code, newest first', async () => {
        const { org_id } = await done(door, kit.tenant, createOrganization, { name: 'Traced' });
        await through(door, kit.tenant, createOrganization, { name: '' });
        const [refused, made] = await trail(door, { operation: 'CreateOrganization' });
        expect(refused).to.include({ outcome: 'refused', code: 'validation_failed', target: null });
        expect(made).to.include({ outcome: 'done', code: null, target: org_id, door, address: '127.0.0.1' });
      });

      it('keeps what was done in an organisation with that organisation', async () => {
        const child = await kit.organization('Child', { parent: kit.tenant });
        const { ou_id } = await done(door, kit.tenant, createOrgUnit, { org_id: child.id, name: 'Clinical' });
        const [event] = await trail(door, { operation: 'CreateOrgUnit' }, child);
        expect(event).to.include({ target: ou_id, actor_name: 'Acme key' });
      });

      it('names no other signer where the certificate of the connection signed', async () => {
        await done(door, kit.tenant, createOrganization, { name: 'Signed by one' });
        const [event] = await trail(door, { operation: 'CreateOrganization' });
        const { thumbprint } = kit.tenant.certificate;
        expect(event).to.include({ certificate_thumbprint: thumbprint, signer_thumbprint: null });
      });

      it('narrows by operation, outcome and time', async () => {
        const { org_id } = await done(door, kit.tenant, createOrganization, { name: 'Narrow' });
        await done(door, kit.tenant, updateOrganization, { org_id, name: 'Narrower' });
        const outcomes = (await trail(door, { outcome: 'refused' })).map(event => event.outcome);
        expect(new Set(outcomes)).to.deep.equal(new Set(['refused']));
        const [newest] = await trail(door);
        const since = new Date(new Date(newest!.occurred_at).getTime() + 3_600_000).toISOString();
        expect(await trail(door, { since })).to.deep.equal([]);
        const all = (await trail(door)).map(event => event.event_id);
        expect((await trail(door, { until: since })).map(event => event.event_id)).to.deep.equal(all);
      });

      it('shows no other organisation', async () => {
        const { org_id } = await done(door, rival, createOrganization, { name: 'Theirs' });
        const targets = (await trail(door)).map(event => event.target);
        expect(targets).to.not.include(org_id);
        expect((await trail(door, {}, rival)).map(event => event.target)).to.include(org_id);
      });

      it('takes a cursor back only with the filter that it came with', async () => {
        const { next_cursor } = await done(door, kit.tenant, listAuditEvents, { limit: 1, outcome: 'done' });
        const moved = { limit: 1, outcome: 'refused', cursor: next_cursor };
        expect((await through(door, kit.tenant, listAuditEvents, moved)).outcome).to.equal('cursor_invalid');
        await done(door, kit.tenant, listAuditEvents, { limit: 1, outcome: 'done', cursor: next_cursor });
        expect(
          (await through(door, rival, listAuditEvents, { outcome: 'done', cursor: next_cursor })).outcome,
        ).to.equal('cursor_invalid');
      });
    });
  }
});
