import { expect } from 'chai';
import { AllowedAddress, ApiKey, ClientCertificate } from '../../src/areas/access/entities.ts';
import { ApprovalSettings, ApprovalWebhook } from '../../src/areas/approvals/entities.ts';
import { registerApprovalWebhook } from '../../src/areas/approvals/operations.ts';
import { DlpPolicy } from '../../src/areas/dlp/entities.ts';
import { Domain, Member, Organization, OrgUnit, Role } from '../../src/areas/organizations/entities.ts';
import { createOrganization, updateOrganization } from '../../src/areas/organizations/operations.ts';
import { SecureMessage } from '../../src/areas/secure-email/entities.ts';
import { isSensitive } from '../../src/core/operation.ts';
import { bothDoors, done } from '../areas/through.ts';
import type { Kit, Tenant } from '../kit/app.ts';
import { type Case, type Party, party, startContractKit } from './case.ts';
import { cases } from './cases.ts';
import { say } from './say.ts';

/**
 * What a thief of a key and its certificate may do alone. None of it loosens a control: what it adds holds no right that
 * the thief lacks, and nothing of it makes a key, approves a request or sends a mail.
 */
const harmless = [
  'CreateOrganization',
  'CreateOrgUnit',
  'AddDomain',
  'VerifyDomain',
  'AcceptInvitation',
  'CreateRole',
  'CreateCertificateChallenge',
  'CancelAuthorizationRequest',
];

const controls = [
  ApiKey,
  ClientCertificate,
  AllowedAddress,
  ApprovalWebhook,
  ApprovalSettings,
  Organization,
  OrgUnit,
  Domain,
  Member,
  Role,
  DlpPolicy,
  SecureMessage,
];

describe('a stolen key with its certificate, while nobody approves,', () => {
  let kit: Kit;
  let thief: Party;
  before(async () => {
    kit = await startContractKit();
    thief = await party(kit, 'Acme Health', 'health.test');
  });
  after(() => kit.close());

  /** Every row of every table that decides who may do what; keys without the time of their last use. */
  const stored = () =>
    Promise.all(
      controls.map(async entity => {
        const rows = await kit.app.db.fork('system').find(entity as typeof ApiKey, {}, { orderBy: { id: 'asc' } });
        return rows.map(row => ({ ...JSON.parse(JSON.stringify(row)), lastUsedAt: null }));
      }),
    );

  async function expectDenied({ op, path, input }: Case, changes: Record<string, unknown> = {}, as: Tenant = thief) {
    const good = { ...(await path?.(thief)), ...(await input?.(thief)), ...changes };
    const before = await stored();
    const approve = kit.responder.decide;
    kit.responder.decide = () => 'deny';
    try {
      for (const door of bothDoors) {
        const { status, error } = await say(door, as, op, good);
        expect({ status, error }, door).to.deep.equal({
          status: door === 'rest' ? 403 : 400,
          error: 'approval_denied',
        });
      }
    } finally {
      kit.responder.decide = approve;
    }
    expect(await stored()).to.deep.equal(before);
  }

  const changing = cases.filter(({ op }) => !op.readOnly && !harmless.includes(op.soap));
  for (const each of changing) {
    it(`changes nothing by ${each.op.soap} [BAS-012]`, () => expectDenied(each));
  }

  describe('changes nothing by UpdateOrganization', () => {
    const update = cases.find(({ op }) => op === updateOrganization)!;
    let child: Party;
    let other: Party;
    before(async () => {
      child = await party(kit, 'Child', 'child.test', { parent: thief });
      other = await party(kit, 'Other', 'other.test', { parent: thief });
    });
    const beneath = (changes: object) => expectDenied({ op: update.op }, { org_id: child.id, ...changes });

    it('that suspends', () => beneath({ status: 'suspended' }));
    it('that reactivates', () => beneath({ status: 'active' }));
    it('that moves', () => beneath({ parent_id: other.id }));
    it('that switches a setting', () => beneath({ settings: { enforce_mfa: false } }));
  });

  describe('changes nothing in an organisation that it made itself', () => {
    let puppet: Tenant;
    before(async () => {
      const { org_id } = await done('rest', thief, createOrganization, { name: 'Puppet' });
      puppet = kit.caller({ ...thief, orgId: org_id });
    });

    for (const each of changing.filter(({ op }) => op.pathParameters.length === 0)) {
      it(`by ${each.op.soap}: who is asked follows from the key`, async () => {
        const asked = kit.responder.requests.length;
        // The kit's own webhook is at a private address, which nobody has allowed the puppet.
        const elsewhere = each.op === registerApprovalWebhook ? { url: 'https://approvals.puppet.test/' } : {};
        await expectDenied(each, elsewhere, puppet);
        expect(kit.responder.requests.slice(asked).map(({ operation }) => operation)).to.deep.include.members([
          each.op.soap,
        ]);
      });
    }
  });

  it('and what needs nobody is this list, no more and no less', async () => {
    const free: string[] = [];
    for (const { op, path, input } of cases) {
      const good = { ...(await path?.(thief)), ...(await input?.(thief)) };
      if (!op.readOnly && !isSensitive(op, good)) free.push(op.soap);
    }
    expect(free).to.have.members(harmless);
  });
});
