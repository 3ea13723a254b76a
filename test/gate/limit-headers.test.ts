import { expect } from 'chai';
import { listApprovalWebhooks } from '../../src/areas/approvals/operations.ts';
import { listOrganizations } from '../../src/areas/organizations/operations.ts';
import { type Answer, bothDoors, type TestedDoor, through } from '../areas/through.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';

describe('the rate limit stands on every refusal of a proven caller', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit({ config: { rateLimit: 4 } });
  });
  after(() => kit.close());

  const reader = () => kit.organization('Reader', { parent: kit.tenant, scopes: ['org:read'] });
  const list = (door: TestedDoor, tenant: Tenant, limit: number) => through(door, tenant, listOrganizations, { limit });

  const refusals: Record<string, (door: TestedDoor) => Promise<Answer>> = {
    scope_missing: async door => through(door, await reader(), listApprovalWebhooks, {}),
    not_found: async door => {
      const nowhere = kit.caller({ ...(await reader()), orgId: 'org_01k00000000000000000000000' });
      return list(door, nowhere, 1);
    },
    validation_failed: async door => list(door, await reader(), 0),
    rate_limited: async door => {
      const tenant = await reader();
      for (let sent = 0; sent < 4; sent++) await list(door, tenant, 1);
      return list(door, tenant, 1);
    },
  };
  for (const door of bothDoors) {
    for (const [code, refused] of Object.entries(refusals)) {
      it(`${code} over ${door} [BAS-026]`, async () => {
        const { outcome, headers } = await refused(door);
        expect(outcome).to.equal(code);
        expect(headers['x-ratelimit-limit']).to.equal('4');
        expect(Number(headers['x-ratelimit-remaining'])).to.be.within(0, 3);
        expect(Number(headers['x-ratelimit-reset'])).to.be.within(1, 60);
        if (code === 'rate_limited') expect(headers['retry-after']).to.equal(headers['x-ratelimit-reset']);
      });
    }
  }
});
