import { Member } from '../../../src/areas/organizations/entities.ts';
import { invitationCode } from '../../../src/areas/organizations/invitations.ts';
import {
  acceptInvitation,
  inviteMember,
  listMembers,
  removeMember,
  resendInvitation,
} from '../../../src/areas/organizations/member-operations.ts';
import {
  addDomain,
  createOrganization,
  createOrgUnit,
  createRole,
  getOrganization,
  listOrganizations,
  updateOrganization,
  verifyDomain,
} from '../../../src/areas/organizations/operations.ts';
import { done } from '../../areas/through.ts';
import type { Case, Party } from '../case.ts';

const invited = (party: Party) =>
  done('rest', party, inviteMember, {
    org_id: party.id,
    email: `p${party.next()}@stonebridge.example`,
    role: 'member',
  });

const own = async ({ id }: Party) => ({ org_id: id });

export const organizationCases: Case[] = [
  {
    op: createOrganization,
    input: () => ({ name: 'Acme — East', external_id: 'CUST-4021', plan: 'enterprise', data_region: 'us' }),
  },
  {
    op: listOrganizations,
    async input(party) {
      await done('rest', party, createOrganization, { name: `Acme — ${party.next()}` });
      return { parent_id: party.id, limit: 5 };
    },
  },
  { op: getOrganization, path: own },
  { op: updateOrganization, path: own, input: () => ({ status: 'active', settings: { enforce_mfa: true } }) },
  { op: createOrgUnit, path: own, input: () => ({ name: 'Clinical', parent_ou_id: null }) },
  { op: addDomain, path: own, input: () => ({ domain: 'stonebridge.example' }) },
  {
    op: verifyDomain,
    async path(party) {
      const claim = { org_id: party.id, domain: `d${party.next()}.example` };
      const { domain_id } = await done('rest', party, addDomain, claim);
      return { org_id: party.id, domain_id };
    },
  },
  { op: inviteMember, path: own, input: () => ({ email: 'admin@stonebridge.example', role: 'admin' }) },
  {
    op: resendInvitation,
    path: async party => ({ org_id: party.id, member_id: (await invited(party)).member_id }),
  },
  {
    op: acceptInvitation,
    path: own,
    async input(party) {
      const { member_id } = await invited(party);
      const row = await party.kit.app.db.fork('system').findOneOrFail(Member, { id: member_id });
      return { code: invitationCode(party.kit.app.services.keyring, row) };
    },
  },
  {
    op: listMembers,
    path: async party => {
      await invited(party);
      return { org_id: party.id };
    },
    input: () => ({ limit: 5 }),
  },
  {
    op: removeMember,
    path: async party => ({ org_id: party.id, member_id: (await invited(party)).member_id }),
  },
  { op: createRole, path: own, input: () => ({ name: 'Clerk', scopes: ['secure_email:read', 'org:read'] }) },
];
