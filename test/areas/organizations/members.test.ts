import { expect } from 'chai';
import { createApiKey, issueApiKey, listApiKeys } from '../../../src/areas/access/operations.ts';
import { acceptInvitation, inviteMember } from '../../../src/areas/organizations/member-operations.ts';
import {
  createOrganization,
  createOrgUnit,
  createRole,
  getOrganization,
  listOrganizations,
  updateOrganization,
} from '../../../src/areas/organizations/operations.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, pattern, type TestedDoor, through } from '../through.ts';

describe('units, members and roles', () => {
  let kit: Kit;
  let rival: Tenant;
  let n = 0;
  const fresh = (word: string) => `${word}${++n}`;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  /** As it came by mail. */
  async function codeSentTo(email: string): Promise<string> {
    await kit.settle();
    const mail = kit.sink.mails.findLast(({ raw }) => raw.includes(`To: ${email}`));
    return String(mail!.raw)
      .replaceAll(/=\r?\n/g, '')
      .match(/mem_\w+\.[\w-]{44}/)![0];
  }
  const accept = async (door: TestedDoor, email: string) =>
    done(door, kit.tenant, acceptInvitation, { org_id: kit.tenant.id, code: await codeSentTo(email) });

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      const inOwn = (input: object) => ({ org_id: kit.tenant.id, ...input });

      it('hangs a unit off the root, or off the unit that it names [BAS-064]', async () => {
        const name = fresh('Clinical');
        const root = await done(door, kit.tenant, createOrgUnit, inOwn({ name }));
        expect(pattern(root)).to.deep.equal({ ou_id: 'ou_…', name, parent_ou_id: null, path: `/${name}` });
        const nested = await done(door, kit.tenant, createOrgUnit, inOwn({ name: 'East', parent_ou_id: root.ou_id }));
        expect(nested).to.include({ path: `/${name}/East`, parent_ou_id: root.ou_id });
      });

      it('refuses a second unit at the same path, a slash in a name, and a unit of another organisation', async () => {
        const name = fresh('Unit');
        await done(door, kit.tenant, createOrgUnit, inOwn({ name }));
        expect((await through(door, kit.tenant, createOrgUnit, inOwn({ name }))).outcome).to.equal('conflict');
        const slash = await through(door, kit.tenant, createOrgUnit, inOwn({ name: 'a/b' }));
        expect(slash.fields).to.deep.equal(['name']);
        const theirs = await done(door, rival, createOrgUnit, { org_id: rival.id, name: fresh('Unit') });
        const foreign = inOwn({ name: fresh('Unit'), parent_ou_id: theirs.ou_id });
        expect((await through(door, kit.tenant, createOrgUnit, foreign)).fields).to.deep.equal(['parent_ou_id']);
      });

      it('invites with each built-in role or a custom one [BAS-067]', async () => {
        const role = await done(door, kit.tenant, createRole, inOwn({ name: fresh('Clerk'), scopes: ['org:read'] }));
        for (const held of ['owner', 'admin', 'member', 'readonly', role.role_id]) {
          const email = `${fresh('person')}@acme.test`;
          const member = await done(door, kit.tenant, inviteMember, inOwn({ email, role: held }));
          expect(pattern(member)).to.deep.equal({
            member_id: 'mem_…',
            email,
            role: pattern(held),
            ou_id: null,
            status: 'invited',
            invitation_expires_at: 'instant',
          });
        }
      });

      it('refuses unknown roles, and roles and units of another organisation', async () => {
        const role = await done(door, rival, createRole, { org_id: rival.id, name: fresh('R'), scopes: ['org:read'] });
        const unit = await done(door, rival, createOrgUnit, { org_id: rival.id, name: fresh('U') });
        const email = `${fresh('person')}@acme.test`;
        for (const [wrong, field] of [
          [{ email, role: 'root' }, 'role'],
          [{ email, role: role.role_id }, 'role'],
          [{ email, role: 'member', ou_id: unit.ou_id }, 'ou_id'],
          [{ email: 'nobody', role: 'member' }, 'email'],
        ] as const) {
          expect((await through(door, kit.tenant, inviteMember, inOwn(wrong))).fields).to.deep.equal([field]);
        }
      });

      it('places a member in a unit [BAS-074]', async () => {
        const { ou_id } = await done(door, kit.tenant, createOrgUnit, inOwn({ name: fresh('Unit') }));
        const invited = { email: `${fresh('person')}@acme.test`, role: 'member', ou_id };
        expect(await done(door, kit.tenant, inviteMember, inOwn(invited))).to.include({ ou_id });
      });

      it('invites a person once, whatever the case of the address', async () => {
        const name = fresh('person');
        await done(door, kit.tenant, inviteMember, inOwn({ email: `${name}@acme.test`, role: 'member' }));
        const again = inOwn({ email: `${name.toUpperCase()}@ACME.test`, role: 'member' });
        expect((await through(door, kit.tenant, inviteMember, again)).outcome).to.equal('conflict');
      });

      it('gives out no more seats than the organisation above allows, and counts them', async () => {
        const { org_id } = await done(door, kit.tenant, createOrganization, { name: 'Seats' });
        await done(door, kit.tenant, updateOrganization, { org_id, limits: { seats: 1 } });
        const invite = (email: string) => through(door, kit.tenant, inviteMember, { org_id, email, role: 'member' });
        expect((await invite('one@acme.test')).outcome).to.equal('ok');
        expect((await invite('two@acme.test')).outcome).to.equal('conflict');
        const { usage, limits } = await done(door, kit.tenant, getOrganization, { org_id });
        expect({ usage, limits }).to.deep.equal({ usage: { mailboxes: 0, seats: 1 }, limits: { seats: 1 } });
        await done(door, kit.tenant, updateOrganization, { org_id, limits: { seats: null } });
        expect((await invite('two@acme.test')).outcome).to.equal('ok');
      });

      it('refuses a role with unknown scopes, or with scopes that the caller does not hold', async () => {
        const unknown = inOwn({ name: fresh('R'), scopes: ['org:read', 'org:everything'] });
        expect((await through(door, kit.tenant, createRole, unknown)).fields).to.deep.equal(['scopes']);
        const clerk = await kit.organization('Clerks', { parent: kit.tenant, scopes: ['org:write'] });
        const beyond = { org_id: clerk.id, name: fresh('R'), scopes: ['keys:write'] };
        expect((await through(door, clerk, createRole, beyond)).outcome).to.equal('scope_missing');
      });

      it('bounds the keys of a member by exactly the scopes of a custom role [BAS-068]', async () => {
        const scopes = ['org:read', 'keys:read'];
        const role = await done(door, kit.tenant, createRole, inOwn({ name: fresh('Reader'), scopes }));
        const invited = { email: `${fresh('person')}@acme.test`, role: role.role_id };
        const { member_id } = await done(door, kit.tenant, inviteMember, inOwn(invited));
        const mint = (wanted: string[]) =>
          through(door, kit.tenant, createApiKey, { name: 'theirs', scopes: wanted, member_id });
        expect((await mint([...scopes, 'org:write'])).fields).to.deep.equal(['scopes']);
        const { output } = await mint(scopes);
        await accept(door, invited.email);
        const member = kit.caller({ ...kit.tenant, apiKey: output.secret });
        await done(door, member, listOrganizations);
        await done(door, member, listApiKeys);
        expect((await through(door, member, createOrganization, { name: 'x' })).outcome).to.equal('scope_missing');
      });

      it('gives the built-in roles what they say: all, all but controls, only reading [BAS-066]', async () => {
        const scopes = ['org:read', 'secure_email:write', 'keys:write'];
        for (const [role, refused] of [
          ['owner', []],
          ['admin', []],
          ['member', ['keys:write']],
          ['readonly', ['secure_email:write', 'keys:write']],
        ] as const) {
          const invited = inOwn({ email: `${fresh('person')}@acme.test`, role });
          const { member_id } = await done(door, kit.tenant, inviteMember, invited);
          for (const scope of scopes) {
            const wish = { name: role, scopes: [scope], member_id };
            const { outcome } = await through(door, kit.tenant, createApiKey, wish);
            const expected = (refused as readonly string[]).includes(scope) ? 'validation_failed' : 'ok';
            expect(outcome, `${role} ${scope}`).to.equal(expected);
          }
        }
      });

      it('issues a key that acts on one organisation only, with its scopes [BAS-069] [BAS-070]', async () => {
        const child = await kit.organization('Issued', { parent: kit.tenant });
        const { org_id: grandchild } = await done(door, child, createOrganization, { name: 'Beneath' });
        const issued = await done(door, kit.tenant, issueApiKey, {
          org_id: child.id,
          name: 'East region server',
          scopes: ['org:read', 'org:write'],
        });
        expect(pattern(issued)).to.deep.equal({
          key_id: 'key_…',
          org_id: 'org_…',
          name: 'East region server',
          scopes: ['org:read', 'org:write'],
          secret: 'secret',
          created_at: 'instant',
        });
        const holder = kit.caller({ ...child, apiKey: issued.secret });
        await done(door, holder, getOrganization, { org_id: child.id });
        for (const org_id of [grandchild, kit.tenant.id, rival.id]) {
          expect((await through(door, holder, getOrganization, { org_id })).outcome).to.equal('not_found');
        }
        expect((await done(door, holder, listOrganizations)).organizations).to.deep.equal([]);
        expect((await through(door, holder, createOrganization, { name: 'x' })).outcome).to.equal('scope_missing');
        expect((await through(door, holder, listApiKeys)).outcome).to.equal('scope_missing');
      });
    });
  }
});
