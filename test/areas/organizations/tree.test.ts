import { expect } from 'chai';
import { DlpPolicy } from '../../../src/areas/dlp/entities.ts';
import {
  createOrganization,
  getOrganization,
  listOrganizations,
  updateOrganization,
} from '../../../src/areas/organizations/operations.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, pattern, type TestedDoor, through } from '../through.ts';

interface Row {
  org_id: string;
  path: string;
  name: string;
}

describe('the tree of organisations', () => {
  let kit: Kit;
  let rival: Tenant;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  const create = (door: TestedDoor, input: Record<string, unknown>, tenant = kit.tenant): Promise<Row> =>
    done(door, tenant, createOrganization, input);
  const get = (org_id: string): Promise<Row> => done('rest', kit.tenant, getOrganization, { org_id });
  const list = async (door: TestedDoor, input: Record<string, unknown>): Promise<string[]> =>
    (await done(door, kit.tenant, listOrganizations, input)).organizations.map((row: Row) => row.org_id);

  it('answers the same through both doors', async () => {
    const asked = { name: 'East', external_id: 'CUST-4021', plan: 'enterprise', data_region: 'us' };
    const [overRest, overSoap] = [await create('rest', asked), await create('soap', asked)];
    expect(pattern(overRest)).to.deep.equal(pattern(overSoap));
    const created = { org_id: 'org_…', name: 'East', parent_id: 'org_…', path: 'org_…/org_…', status: 'active' };
    expect(pattern(overRest)).to.deep.include({
      ...created,
      created_at: 'instant',
      data_region: 'us',
      plan: 'enterprise',
    });
  });

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('nests beneath the account without parent_id [BAS-051] [BAS-053]', async () => {
        const { org_id, path } = await create(door, { name: 'Nested' });
        expect(path).to.equal(`${kit.tenant.id}/${org_id}`);
      });

      it('nests beneath any organisation of the account through parent_id [BAS-072]', async () => {
        const parent = await create(door, { name: 'Parent' });
        const child = await create(door, { name: 'Child', parent_id: parent.org_id });
        expect(child.path).to.equal(`${parent.path}/${child.org_id}`);
      });

      it('refuses a parent of another account exactly like one that never was', async () => {
        const foreign = await through(door, kit.tenant, createOrganization, { name: 'x', parent_id: rival.id });
        const unknown = await through(door, kit.tenant, createOrganization, {
          name: 'x',
          parent_id: `org_${'0'.repeat(26)}`,
        });
        expect(foreign).to.deep.equal({ outcome: 'validation_failed', output: undefined, fields: ['parent_id'] });
        expect(unknown).to.deep.equal(foreign);
      });

      it('refuses names and regions that break a rule', async () => {
        for (const wrong of [{ name: '' }, { name: 'a\nb' }, { name: 'x', data_region: 'EU west' }]) {
          expect(await through(door, kit.tenant, createOrganization, wrong)).to.include({
            outcome: 'validation_failed',
          });
        }
      });

      it('lists one level with parent_id, the whole tree beneath without [BAS-055] [BAS-073]', async () => {
        const parent = await create(door, { name: 'Level 1' });
        const child = await create(door, { name: 'Level 2', parent_id: parent.org_id });
        const grandchild = await create(door, { name: 'Level 3', parent_id: child.org_id });
        expect(await list(door, { parent_id: parent.org_id })).to.deep.equal([child.org_id]);
        expect(await list(door, { limit: 200 })).to.include.members([parent.org_id, child.org_id, grandchild.org_id]);
        expect(await list(door, { limit: 200 })).to.not.include(kit.tenant.id);
      });

      it('shows the ancestry of each organisation in its path [BAS-056]', async () => {
        const parent = await create(door, { name: 'Line' });
        const child = await create(door, { name: 'Line', parent_id: parent.org_id });
        const { organizations } = await done(door, kit.tenant, listOrganizations, { parent_id: parent.org_id });
        expect(organizations).to.deep.equal([
          {
            org_id: child.org_id,
            name: 'Line',
            parent_id: parent.org_id,
            path: [kit.tenant.id, parent.org_id, child.org_id].join('/'),
            status: 'active',
            mailbox_count: 0,
          },
        ]);
      });

      it('pages through every organisation once, each page as long as limit says [BAS-057]', async () => {
        const parent = await create(door, { name: 'Pages' });
        const children: string[] = [];
        for (const name of ['1', '2', '3', '4', '5']) {
          children.push((await create(door, { name, parent_id: parent.org_id })).org_id);
        }
        const seen: string[][] = [];
        let cursor: string | null = null;
        do {
          const asked = { parent_id: parent.org_id, limit: 2, ...(cursor && { cursor }) };
          const answer: { organizations: Row[]; next_cursor: string | null } = await done(
            door,
            kit.tenant,
            listOrganizations,
            asked,
          );
          seen.push(answer.organizations.map(row => row.org_id));
          cursor = answer.next_cursor;
        } while (cursor);
        expect(seen.map(page => page.length)).to.deep.equal([2, 2, 1]);
        expect(seen.flat()).to.deep.equal(children.reverse());
      });

      it('refuses limits outside 1 to 200, and cursors that it did not make for this list [BAS-057]', async () => {
        for (const limit of [0, 201, -1]) {
          expect((await through(door, kit.tenant, listOrganizations, { limit })).fields).to.deep.equal(['limit']);
        }
        await create(door, { name: 'One more' });
        const { next_cursor } = await done(door, kit.tenant, listOrganizations, { limit: 1 });
        for (const wrong of [
          { cursor: `A${next_cursor}` },
          { cursor: next_cursor, parent_id: kit.tenant.id },
          { cursor: 'nonsense' },
        ]) {
          expect((await through(door, kit.tenant, listOrganizations, wrong)).outcome).to.equal('cursor_invalid');
        }
      });

      it('reads settings, usage, limits and the place in the tree [BAS-058]', async () => {
        const { org_id } = await create(door, { name: 'Whole' });
        expect(pattern(await done(door, kit.tenant, getOrganization, { org_id }))).to.deep.equal({
          org_id: 'org_…',
          name: 'Whole',
          parent_id: 'org_…',
          path: 'org_…/org_…',
          status: 'active',
          external_id: null,
          plan: null,
          data_region: null,
          settings: {},
          usage: { mailboxes: 0, seats: 0 },
          limits: { seats: null },
          created_at: 'instant',
        });
      });

      it('shows the data region of the nearest organisation that has one', async () => {
        const top = await create(door, { name: 'EU', data_region: 'eu' });
        const middle = await create(door, { name: 'CA', parent_id: top.org_id, data_region: 'ca' });
        const bottom = await create(door, { name: 'Inherits', parent_id: middle.org_id });
        expect(bottom).to.include({ data_region: 'ca' });
      });

      it('merges settings into those that are stored [BAS-059]', async () => {
        const { org_id } = await create(door, { name: 'Settings' });
        await done(door, kit.tenant, updateOrganization, { org_id, settings: { enforce_mfa: true, theme: 'dark' } });
        const { settings } = await done(door, kit.tenant, updateOrganization, { org_id, settings: { theme: 'light' } });
        expect(settings).to.deep.equal({ enforce_mfa: true, theme: 'light' });
      });

      it('takes a policy of the organisation as its default, and no other', async () => {
        const { org_id } = await done(door, kit.tenant, createOrganization, { name: 'Settled' });
        const policyIn = (organization: string) =>
          kit.app.run.act(organization, { kind: 'cli', name: 'test.policy' }, async ({ em, now }) => {
            return em.create(DlpPolicy, { name: 'Strict', onMatch: 'block', profileId: null, createdAt: now }).id;
          });
        const choose = (id: unknown) =>
          through(door, kit.tenant, updateOrganization, { org_id, settings: { default_dlp_policy: id } });
        for (const wrong of ['pol_hipaa_default', await policyIn(kit.tenant.id), true]) {
          const { outcome, fields } = await choose(wrong);
          expect({ outcome, fields: fields.length }).to.deep.equal({ outcome: 'validation_failed', fields: 1 });
        }
        const own = await policyIn(org_id);
        expect((await choose(own)).output.settings).to.deep.equal({ default_dlp_policy: own });
      });

      it('refuses settings under names that are none', async () => {
        const { org_id } = await create(door, { name: 'Settings' });
        for (const key of ['Enforce MFA', 'constructor.prototype', 'x'.repeat(65)]) {
          const { outcome } = await through(door, kit.tenant, updateOrganization, { org_id, settings: { [key]: 'x' } });
          expect(outcome, key).to.equal('validation_failed');
        }
      });

      it('stops the keys of a suspended organisation and of all beneath it, and reactivates it with its data [BAS-061] [BAS-062]', async () => {
        const child = await kit.organization('Child', { parent: kit.tenant });
        const grandchild = await kit.organization('Grandchild', { parent: child });
        const org_id = child.id;
        await done(door, child, updateOrganization, { org_id, settings: { kept: true } });
        const { status } = await done(door, kit.tenant, updateOrganization, { org_id, status: 'suspended' });
        expect(status).to.equal('suspended');
        for (const stopped of [child, grandchild]) {
          const { outcome } = await through(door, stopped, getOrganization, { org_id: stopped.id });
          expect(outcome).to.equal('organization_suspended');
        }
        await done(door, kit.tenant, updateOrganization, { org_id, status: 'active' });
        expect((await done(door, child, getOrganization, { org_id })).settings).to.include({ kept: true });
        await done(door, grandchild, getOrganization, { org_id: grandchild.id });
      });

      it('lets no organisation suspend or move itself, or set its own limits', async () => {
        const org_id = kit.tenant.id;
        const { org_id: other } = await create(door, { name: 'Other' });
        for (const [change, outcome] of [
          [{ status: 'suspended' }, 'conflict'],
          [{ parent_id: other }, 'conflict'],
          [{ limits: { seats: 1 } }, 'validation_failed'],
        ] as const) {
          const answer = await through(door, kit.tenant, updateOrganization, { org_id, ...change });
          expect(answer.outcome).to.equal(outcome);
        }
      });

      it('carries everything beneath along when an organisation moves', async () => {
        const from = await create(door, { name: 'From' });
        const to = await create(door, { name: 'To' });
        const moved = await create(door, { name: 'Moved', parent_id: from.org_id });
        const beneath = await create(door, { name: 'Beneath', parent_id: moved.org_id });
        const answer = await done(door, kit.tenant, updateOrganization, { org_id: moved.org_id, parent_id: to.org_id });
        expect(answer).to.include({ parent_id: to.org_id, path: `${to.path}/${moved.org_id}` });
        expect((await get(beneath.org_id)).path).to.equal(`${to.path}/${moved.org_id}/${beneath.org_id}`);
        expect(await list(door, { parent_id: from.org_id })).to.deep.equal([]);
      });

      it('refuses to move an organisation beneath itself or out of the account', async () => {
        const top = await create(door, { name: 'Top' });
        const bottom = await create(door, { name: 'Bottom', parent_id: top.org_id });
        for (const parent_id of [top.org_id, bottom.org_id, rival.id]) {
          const answer = await through(door, kit.tenant, updateOrganization, { org_id: top.org_id, parent_id });
          expect(answer).to.deep.include({ outcome: 'validation_failed', fields: ['parent_id'] });
        }
        expect((await get(bottom.org_id)).path).to.equal(bottom.path);
      });
    });
  }

  it('requires a name [BAS-054]', async () => {
    const answer = await through('rest', kit.tenant, createOrganization, { plan: 'enterprise' });
    expect(answer).to.deep.include({ outcome: 'malformed', fields: ['name'] });
  });

  it('holds a change of status, place or settings for approval, and no other', async () => {
    const { org_id } = await create('rest', { name: 'Held' });
    const { org_id: parent_id } = await create('rest', { name: 'Parent' });
    const before = kit.responder.requests.length;
    await done('rest', kit.tenant, updateOrganization, { org_id, name: 'Renamed', limits: { seats: 5 } });
    expect(kit.responder.requests).to.have.lengthOf(before);
    const held = [{ parent_id }, { status: 'suspended' }, { status: 'active' }, { settings: { enforce_mfa: false } }];
    for (const change of held) await done('rest', kit.tenant, updateOrganization, { org_id, ...change });
    expect(kit.responder.requests).to.have.lengthOf(before + held.length);
  });

  it('lets only one of two crossing moves through, so that the tree stays a tree', async () => {
    for (let round = 0; round < 5; round++) {
      const [a, b] = [await create('rest', { name: 'A' }), await create('rest', { name: 'B' })];
      const moves = [
        { org_id: a.org_id, parent_id: b.org_id },
        { org_id: b.org_id, parent_id: a.org_id },
      ];
      const answers = await Promise.all(moves.map(move => through('rest', kit.tenant, updateOrganization, move)));
      expect(answers.map(({ outcome }) => outcome).sort()).to.deep.equal(['ok', 'validation_failed']);
      const paths = [(await get(a.org_id)).path, (await get(b.org_id)).path];
      expect(paths.filter(path => path.split('/').length === 2)).to.have.lengthOf(1);
    }
  });

  it('refuses a place too deep for its path', async () => {
    let parent_id = kit.tenant.id;
    let depth = 1;
    for (; depth < 40; depth++) {
      const answer = await through('rest', kit.tenant, createOrganization, { name: `${depth}`, parent_id });
      if (answer.outcome !== 'ok') {
        expect(answer).to.deep.include({ outcome: 'validation_failed', fields: ['parent_id'] });
        break;
      }
      parent_id = answer.output.org_id;
    }
    expect(depth).to.equal(22);
  });

  it('keeps the tree of one account out of sight of another', async () => {
    const { org_id } = await create('rest', { name: 'Hidden' });
    const seen = await done('rest', rival, listOrganizations, { limit: 200 });
    expect(seen.organizations).to.deep.equal([]);
    for (const op of [getOrganization, updateOrganization]) {
      expect((await through('rest', rival, op, { org_id })).outcome).to.equal('not_found');
    }
    expect((await through('rest', rival, listOrganizations, { parent_id: org_id })).outcome).to.equal('not_found');
  });
});
