import { expect } from 'chai';
import { bothDoors, type TestedDoor } from '../areas/through.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';

describe('the rate limit stands on every refusal of a proven caller', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit({ config: { rateLimit: 4 } });
  });
  after(() => kit.close());

  const reader = () => kit.organization('Reader', { parent: kit.tenant, scopes: ['org:read'] });
  interface Answer {
    readonly error: unknown;
    readonly headers: Record<string, string | string[] | undefined>;
  }
  async function read(door: TestedDoor, tenant: Tenant, path: string, operation: string, input = {}): Promise<Answer> {
    if (door === 'rest') {
      const { headers, body } = await tenant.rest.call('GET', path);
      return { headers, error: body.error };
    }
    const { headers, fault } = await tenant.soap.call(operation, input);
    return { headers, error: fault?.error };
  }
  const list = (door: TestedDoor, tenant: Tenant, limit = 1) =>
    read(door, tenant, `/v3/organizations?limit=${limit}`, 'ListOrganizations', { limit });

  const refusals: Record<string, (door: TestedDoor) => Promise<Answer>> = {
    scope_missing: async door => read(door, await reader(), '/v3/approval-webhooks', 'ListApprovalWebhooks'),
    not_found: async door => {
      const nowhere = kit.caller({ ...(await reader()), orgId: 'org_01k00000000000000000000000' });
      return list(door, nowhere);
    },
    validation_failed: async door => list(door, await reader(), 0),
    rate_limited: async door => {
      const tenant = await reader();
      for (let sent = 0; sent < 4; sent++) await list(door, tenant);
      return list(door, tenant);
    },
  };
  for (const door of bothDoors) {
    for (const [code, refused] of Object.entries(refusals)) {
      it(`${code} over ${door} [BAS-026]`, async () => {
        const { error, headers } = await refused(door);
        expect(error).to.equal(code);
        expect(headers['x-ratelimit-limit']).to.equal('4');
        expect(Number(headers['x-ratelimit-remaining'])).to.be.within(0, 3);
        expect(Number(headers['x-ratelimit-reset'])).to.be.within(1, 60);
        if (code === 'rate_limited') expect(headers['retry-after']).to.equal(headers['x-ratelimit-reset']);
      });
    }
  }
});
