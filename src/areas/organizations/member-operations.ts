import { z } from 'zod';
import { invalid, notFound, Refusal } from '../../core/errors.ts';
import { operation } from '../../core/operation.ts';
import {
  dateTime,
  email,
  id,
  line,
  list,
  named,
  nullable,
  pageInput,
  pageOutput,
  secret,
  timestamp,
} from '../../core/schema.ts';
import { flushUnique } from '../../db/flush-unique.ts';
import { page } from '../../db/list.ts';
import { builtInRoles, Member, OrgUnit, Role } from './entities.ts';
import { memberInvitedBy, openUntil, sendInvitation } from './invitations.ts';
import { takeSeat } from './tree.ts';

const member = {
  member_id: id('mem'),
  email: email(),
  role: z.string(),
  ou_id: nullable(id('ou')),
  status: z.enum(['invited', 'active']),
  invitation_expires_at: nullable(dateTime()).describe('Until then the invitation can be accepted; null once it was.'),
};

const memberView = (row: Member) => ({
  member_id: row.id,
  email: row.email,
  role: row.role,
  ou_id: row.ouId ?? null,
  status: row.status,
  invitation_expires_at: row.status === 'invited' ? timestamp(row.invitationExpiresAt) : null,
});

export const inviteMember = operation({
  rest: 'POST /v3/organizations/{org_id}/members',
  soap: 'InviteMember',
  scope: 'org:write',
  sensitive: true,
  summary: 'Invite a person and give them a role.',
  description:
    'owner and admin may do everything, member everything but change controls, members and organisations, readonly only ' +
    'read; a custom role grants exactly its scopes. Keys made for the member never hold more, and work once the person has ' +
    'accepted: a code for AcceptInvitation is mailed to the address, good for seven days.',
  input: z.strictObject({
    org_id: id('org'),
    email: email().describe('Mail address of the person; kept in small letters.'),
    role: line(40).describe('owner, admin, member, readonly, or the id of a custom role of the organisation.'),
    ou_id: id('ou').optional().describe('The unit that the member is placed in.'),
  }),
  output: named('Member', member),
  async handle(context, { email: address, role, ou_id }) {
    const { em, organization, now, emit } = context;
    const isRole = builtInRoles.some(name => name === role) || (await em.findOne(Role, { id: role })) !== null;
    if (!isRole) throw invalid('role', 'is no built-in role and no role of the organisation', 'unknown');
    if (ou_id !== undefined && !(await em.findOne(OrgUnit, { id: ou_id }))) {
      throw invalid('ou_id', 'names no unit of the organisation', 'unknown');
    }
    await takeSeat(em, organization.id);
    const person = address.toLowerCase();
    const row = em.create(Member, {
      email: person,
      role,
      ouId: ou_id ?? null,
      status: 'invited',
      invitationExpiresAt: openUntil(now),
      createdAt: now,
    });
    await flushUnique(em, 'This person is a member already.');
    await sendInvitation(context, row);
    emit('member.invited', { member_id: row.id, role });
    return memberView(row);
  },
});

export const resendInvitation = operation({
  rest: 'POST /v3/organizations/{org_id}/members/{member_id}/invitations',
  soap: 'ResendInvitation',
  scope: 'org:write',
  sensitive: true,
  summary: 'Mail a new invitation to a member who has not accepted.',
  description: 'The code that was mailed before is worth nothing from then on.',
  input: z.strictObject({ org_id: id('org'), member_id: id('mem') }),
  output: named('InvitedMember', member),
  async handle(context, { member_id }) {
    const row = await context.em.findOne(Member, { id: member_id });
    if (!row) throw notFound();
    if (row.status !== 'invited') throw new Refusal('conflict', 'The member has accepted already.');
    row.invitationExpiresAt = openUntil(context.now);
    await sendInvitation(context, row);
    return memberView(row);
  },
});

export const acceptInvitation = operation({
  rest: 'POST /v3/organizations/{org_id}/invitations/accept',
  soap: 'AcceptInvitation',
  scope: 'org:write',
  summary: 'Accept an invitation with the code that was mailed to the person.',
  description: 'From then on the keys of the member work. A code is good once.',
  input: z.strictObject({
    org_id: id('org'),
    code: secret(line(200)).describe('From the mail: it proves that the person reads mail at the invited address.'),
  }),
  output: named('AcceptedMember', member),
  async handle(context, { code }) {
    const row = await memberInvitedBy(context, code);
    row.status = 'active';
    context.emit('member.accepted', { member_id: row.id, role: row.role });
    return memberView(row);
  },
});

export const listMembers = operation({
  rest: 'GET /v3/organizations/{org_id}/members',
  soap: 'ListMembers',
  scope: 'org:read',
  summary: 'List the members of an organisation, invited ones included, newest first.',
  input: z.strictObject({ org_id: id('org'), ...pageInput }),
  output: named('MemberList', { members: list(named('MemberItem', member)), ...pageOutput }),
  async handle(context, input) {
    const { rows, next_cursor } = await page(context, Member, { operation: 'ListMembers', input });
    return { members: rows.map(memberView), next_cursor };
  },
});

export const removeMember = operation({
  rest: 'DELETE /v3/organizations/{org_id}/members/{member_id}',
  soap: 'RemoveMember',
  scope: 'org:write',
  sensitive: true,
  summary: 'Remove a member; the keys of the member stop at once, and so do open invitations.',
  input: z.strictObject({ org_id: id('org'), member_id: id('mem') }),
  output: named('RemovedMember', { member_id: id('mem'), status: z.enum(['removed']) }),
  async handle({ em, emit }, { member_id }) {
    const row = await em.findOne(Member, { id: member_id });
    if (!row) throw notFound();
    em.remove(row);
    emit('member.removed', { member_id });
    return { member_id, status: 'removed' as const };
  },
});
