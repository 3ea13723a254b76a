import { expect } from 'chai';
import { createApiKey, issueApiKey, listApiKeys, rotateApiKey } from '../../../src/areas/access/operations.ts';
import {
  acceptInvitation,
  inviteMember,
  listMembers,
  removeMember,
  resendInvitation,
} from '../../../src/areas/organizations/member-operations.ts';
import { createRole, listOrganizations } from '../../../src/areas/organizations/operations.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, pattern, type TestedDoor, through } from '../through.ts';

interface Invited {
  readonly member_id: string;
  readonly email: string;
}

describe('a member', () => {
  let kit: Kit;
  let rival: Tenant;
  let n = 0;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());
  afterEach(() => {
    kit.responder.decide = () => 'approve';
  });

  const invite = (door: TestedDoor, role: string, tenant = kit.tenant): Promise<Invited> =>
    done(door, tenant, inviteMember, { org_id: tenant.id, email: `guest${++n}@example.org`, role });
  const mailsTo = async (email: string) => {
    await kit.settle();
    return kit.sink.mails.filter(({ raw }) => raw.includes(`To: ${email}`));
  };
  async function codeFor({ email }: Invited): Promise<string> {
    const { raw } = (await mailsTo(email)).at(-1)!;
    return String(raw)
      .replaceAll(/=\r?\n/g, '')
      .match(/mem_\w+\.[\w-]{44}/)![0];
  }
  const accept = (door: TestedDoor, code: string, tenant = kit.tenant) =>
    through(door, tenant, acceptInvitation, { org_id: tenant.id, code });
  const remove = ({ member_id }: Invited) =>
    done('rest', kit.tenant, removeMember, { org_id: kit.tenant.id, member_id });
  const holder = (apiKey: string, tenant = kit.tenant) => kit.caller({ ...tenant, apiKey });
  const isStranger = async (door: TestedDoor, caller: Tenant) => {
    const { outcome } = await through(door, caller, listOrganizations);
    expect(outcome).to.equal(door === 'rest' ? 'key_invalid' : 'FailedCheck');
  };

  /** Accepted, with a key that can make keys. */
  async function active(door: TestedDoor, scopes = ['keys:write', 'keys:read', 'org:read']) {
    const { role_id } = await done(door, kit.tenant, createRole, { org_id: kit.tenant.id, name: `R${++n}`, scopes });
    const member = await invite(door, role_id);
    const { member_id } = member;
    const { key_id, secret } = await done(door, kit.tenant, createApiKey, { name: 'theirs', scopes, member_id });
    await accept(door, await codeFor(member));
    return { ...member, key_id, caller: holder(secret) };
  }
  const mint = (door: TestedDoor, caller: Tenant, wish: object = {}) =>
    through(door, caller, createApiKey, { name: 'another', scopes: ['org:read'], ...wish });

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('accepts with the code that was mailed, once', async () => {
        const member = await invite(door, 'member');
        const code = await codeFor(member);
        const { output } = await accept(door, code);
        expect(pattern(output)).to.deep.equal({
          member_id: 'mem_…',
          email: member.email,
          role: 'member',
          ou_id: null,
          status: 'active',
          invitation_expires_at: null,
        });
        expect((await accept(door, code)).outcome).to.equal('conflict');
      });

      it('has keys that work from the acceptance to the removal', async () => {
        const member = await invite(door, 'admin');
        const { member_id } = member;
        const { output } = await mint(door, kit.tenant, { member_id });
        const caller = holder(output.secret);
        await isStranger(door, caller);
        await accept(door, await codeFor(member));
        await done(door, caller, listOrganizations);
        await remove(member);
        await isStranger(door, caller);
      });

      it('is not invited by a forged code, one of another organisation, or one that was replaced', async () => {
        const member = await invite(door, 'owner');
        const first = await codeFor(member);
        const foreign = await codeFor(await invite(door, 'owner', rival));
        const others = await codeFor(await invite(door, 'owner'));
        const mixed = `${member.member_id}.${others.split('.')[1]}`;
        const flipped = first.slice(0, -2) + (first.endsWith('AA') ? 'BB' : 'AA');
        for (const code of [foreign, mixed, flipped, member.member_id, `${member.member_id}.`, 'x']) {
          expect((await accept(door, code)).fields, code).to.deep.equal(['code']);
        }
        const { member_id } = member;
        kit.clock.advance(1);
        await done(door, kit.tenant, resendInvitation, { org_id: kit.tenant.id, member_id });
        const second = await codeFor(member);
        expect((await accept(door, first)).fields).to.deep.equal(['code']);
        expect((await accept(door, second)).outcome).to.equal('ok');
        const again = await through(door, kit.tenant, resendInvitation, { org_id: kit.tenant.id, member_id });
        expect(again.outcome).to.equal('conflict');
      });

      it('stands in the list until removed, and can be invited again afterwards', async () => {
        const member = await invite(door, 'member');
        const code = await codeFor(member);
        const list = async () => (await done(door, kit.tenant, listMembers, { org_id: kit.tenant.id })).members;
        expect((await list())[0]).to.deep.equal({ ...member });
        await remove(member);
        expect((await list()).map(({ email }: Invited) => email)).to.not.include(member.email);
        expect((await accept(door, code)).fields).to.deep.equal(['code']);
        await done(door, kit.tenant, inviteMember, { org_id: kit.tenant.id, email: member.email, role: 'member' });
      });

      it('makes keys that are his, with no scope beyond his role, and gone with him', async () => {
        const member = await active(door);
        const { output } = await mint(door, member.caller);
        const { keys } = await done(door, kit.tenant, listApiKeys, { limit: 200 });
        const made = keys.find(({ key_id }: { key_id: string }) => key_id === output.key_id);
        expect(made.member_id).to.equal(member.member_id);
        expect((await mint(door, member.caller, { scopes: ['org:write'] })).outcome).to.equal('scope_missing');
        const second = await mint(door, holder(output.secret), { scopes: ['org:read'] });
        expect(second.outcome, 'a key that cannot make keys').to.equal('scope_missing');
        await done(door, holder(output.secret), listOrganizations);
        await remove(member);
        await isStranger(door, holder(output.secret));
      });

      it('takes keys along that he made beneath, whether for all of it or for one organisation', async () => {
        const member = await active(door, ['keys:write', 'org:read', 'org:write']);
        const child = await kit.organization('Beneath', { parent: kit.tenant });
        const wish = { name: 'beneath', scopes: ['org:read'] };
        const issued = await done(door, member.caller, issueApiKey, { org_id: child.id, ...wish });
        const bound = await mint(door, member.caller, { org_id: child.id });
        const callers = [issued.secret, bound.output.secret].map(secret => holder(secret, child));
        for (const caller of callers) await done(door, caller, listOrganizations);
        await remove(member);
        for (const caller of callers) await isStranger(door, caller);
      });

      it('makes and rotates nobody else’s keys: they would outlast him', async () => {
        const member = await active(door);
        const other = await invite(door, 'owner');
        const foreign = await mint(door, member.caller, { member_id: other.member_id });
        expect(foreign.outcome).to.equal('scope_missing');
        expect((await mint(door, member.caller, { member_id: member.member_id })).outcome).to.equal('ok');
        const free = await mint(door, kit.tenant);
        const theirs = await mint(door, kit.tenant, { member_id: other.member_id });
        for (const { output } of [free, theirs]) {
          const { outcome } = await through(door, member.caller, rotateApiKey, { key_id: output.key_id });
          expect(outcome).to.equal('scope_missing');
        }
        expect((await through(door, member.caller, rotateApiKey, { key_id: member.key_id })).outcome).to.equal('ok');
      });
    });
  }

  it('whose removal comes before the approval gets nothing done', async () => {
    const member = await active('rest');
    kit.responder.decide = async ({ operation }) => {
      if (operation === 'CreateApiKey') await remove(member);
      return 'approve' as const;
    };
    expect((await mint('rest', member.caller)).outcome).to.equal('key_invalid');
  });

  it('is told the name of the organisation as text', async () => {
    const named = await kit.organization('<b>Acme & Sons</b>', { parent: kit.tenant });
    const member = await invite('rest', 'member', named);
    const [mail] = await mailsTo(member.email);
    expect(mail!.to).to.deep.equal([member.email]);
    expect(String(mail!.raw)).to.include('&#60;b&#62;Acme &#38; Sons');
  });

  it('is mailed the code when the relay is ready for it, and not once the member was removed', async () => {
    kit.sinkRules.recipient = () => '451 4.3.0 later';
    const [kept, gone] = [await invite('rest', 'member'), await invite('rest', 'member')];
    await kit.settle();
    await remove(gone);
    kit.sinkRules.recipient = undefined;
    expect([await mailsTo(kept.email), await mailsTo(gone.email)]).to.deep.equal([[], []]);
    kit.clock.advance(6000);
    expect(await mailsTo(kept.email)).to.have.length(1);
    expect(await mailsTo(gone.email)).to.deep.equal([]);
  });

  it('can accept for seven days', async () => {
    const [late, early] = [await invite('rest', 'member'), await invite('rest', 'member')];
    const codes = { late: await codeFor(late), early: await codeFor(early) };
    kit.clock.advance(7 * 86_400_000 - 60_000);
    expect((await accept('rest', codes.early)).outcome).to.equal('ok');
    kit.clock.advance(61_000);
    expect((await accept('rest', codes.late)).fields).to.deep.equal(['code']);
  });
});
