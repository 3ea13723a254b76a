import {
  addDomain,
  createOrganization,
  createOrgUnit,
  createRole,
  getOrganization,
  inviteMember,
  listOrganizations,
  updateOrganization,
  verifyDomain,
} from '../../../src/areas/organizations/operations.ts';
import { done } from '../../areas/through.ts';
import type { Case, Party } from '../case.ts';

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
  { op: createRole, path: own, input: () => ({ name: 'Clerk', scopes: ['secure_email:read', 'org:read'] }) },
];
