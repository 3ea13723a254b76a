import { expect } from 'chai';
import { z } from 'zod';
import { type Kit, startKit } from '../kit/app.ts';

/**
 * The published contract of this version, member by member, written down from the documentation and not from the code:
 * what integrators built on it read must be there, in the documented type. More may be there.
 */
describe('the documented answers', () => {
  let kit: Kit;
  /** A sub-organisation. */
  let org: string;
  before(async () => {
    kit = await startKit();
    org = (await kit.organization('East', { parent: kit.tenant })).id;
  });
  after(() => kit.close());

  async function expectDocumented(documented: z.ZodRawShape, method: string, path: string, body?: object) {
    const answer = await kit.rest.call(method, path, body);
    expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
    const { error } = z.object({ ...documented, request_id: idOf('req') }).safeParse(answer.body);
    expect(error && z.prettifyError(error), JSON.stringify(answer.body)).to.equal(undefined);
    return answer.body;
  }

  const place = {
    org_id: idOf('org'),
    name: z.string(),
    parent_id: idOf('org'),
    path: z.string().regex(/^org_\w+\/org_\w+$/),
    status: z.enum(['active', 'suspended']),
  };

  it('POST /v3/organizations [BAS-056]', async () => {
    const wish = {
      name: 'Stonebridge Health — East',
      parent_id: kit.tenant.id,
      external_id: 'CUST-4021',
      plan: 'enterprise',
      data_region: 'us',
    };
    const made = await expectDocumented({ ...place, created_at: instant() }, 'POST', '/v3/organizations', wish);
    expect(made).to.include({ name: wish.name, parent_id: kit.tenant.id, status: 'active' });
    expect(made.path).to.equal(`${kit.tenant.id}/${made.org_id}`);
  });

  it('GET /v3/organizations', async () => {
    const item = z.object({ ...place, mailbox_count: z.int() });
    const documented = { organizations: z.array(item).min(1), next_cursor: z.string().nullable() };
    await expectDocumented(documented, 'GET', `/v3/organizations?parent_id=${kit.tenant.id}&limit=50`);
  });

  it('PATCH /v3/organizations/{org_id}', async () => {
    const documented = {
      org_id: idOf('org'),
      status: place.status,
      settings: z.object({ enforce_mfa: z.literal(true) }),
    };
    const body = { status: 'active', settings: { enforce_mfa: true } };
    await expectDocumented(documented, 'PATCH', `/v3/organizations/${org}`, body);
  });

  it('GET /v3/organizations/{org_id} [BAS-058]', async () => {
    const documented = {
      ...place,
      settings: z.object({ enforce_mfa: z.boolean() }),
      usage: z.object({ mailboxes: z.int(), seats: z.int() }),
    };
    await expectDocumented(documented, 'GET', `/v3/organizations/${org}`);
  });

  it('POST /v3/organizations/{org_id}/org-units [BAS-064]', async () => {
    const documented = { ou_id: idOf('ou'), name: z.literal('Clinical'), path: z.literal('/Clinical') };
    const body = { name: 'Clinical', parent_ou_id: null };
    await expectDocumented(documented, 'POST', `/v3/organizations/${org}/org-units`, body);
  });

  it('POST /v3/organizations/{org_id}/domains [BAS-065]', async () => {
    const txt = (host: string, value: RegExp) =>
      z.object({ type: z.literal('TXT'), host: z.literal(host), value: z.string().regex(value) });
    const mx = z.object({ type: z.literal('MX'), host: z.literal('@'), value: z.string(), priority: z.int() });
    const records = z.tuple([txt('@', /^bastion-verify=\w+$/), mx, txt('bastion._domainkey', /^v=DKIM1; k=rsa; p=/)]);
    const documented = {
      domain_id: idOf('dom'),
      domain: z.literal('stonebridge.example'),
      status: z.literal('pending'),
      dns_records: records.rest(z.object({ type: z.string(), host: z.string(), value: z.string() })),
    };
    const body = { domain: 'stonebridge.example' };
    await expectDocumented(documented, 'POST', `/v3/organizations/${org}/domains`, body);
  });

  it('POST /v3/organizations/{org_id}/members', async () => {
    const body = { email: 'admin@stonebridge.example', role: 'admin' };
    const documented = {
      member_id: idOf('mem'),
      email: z.literal(body.email),
      role: z.literal('admin'),
      status: z.literal('invited'),
    };
    await expectDocumented(documented, 'POST', `/v3/organizations/${org}/members`, body);
  });

  it('POST /v3/organizations/{org_id}/roles', async () => {
    const body = { name: 'Billing clerk', scopes: ['secure_email:read', 'org:read'] };
    const documented = { role_id: idOf('role'), name: z.literal(body.name), scopes: z.array(z.string()) };
    const { scopes } = await expectDocumented(documented, 'POST', `/v3/organizations/${org}/roles`, body);
    expect(scopes).to.deep.equal(body.scopes);
  });

  it('POST /v3/organizations/{org_id}/api-keys', async () => {
    const body = { name: 'East region server', scopes: ['secure_email:write'] };
    const documented = {
      key_id: idOf('key'),
      org_id: z.literal(org),
      scopes: z.tuple([z.literal('secure_email:write')]),
      secret: z.string().regex(/^sk_live_/),
      created_at: instant(),
    };
    await expectDocumented(documented, 'POST', `/v3/organizations/${org}/api-keys`, body);
  });

  describe('of API keys', () => {
    let keyId: string;

    it('POST /v3/api-keys', async () => {
      const body = {
        name: 'Verification service (read-only)',
        scopes: ['secure_email:read', 'org:read'],
        org_id: org,
        ip_allowlist: ['127.0.0.1/32'],
        expires_at: '2099-07-02T00:00:00Z',
      };
      const documented = {
        key_id: idOf('key'),
        name: z.literal(body.name),
        scopes: z.array(z.string()).length(2),
        org_id: z.literal(org),
        secret: z.string().regex(/^sk_live_/),
        created_at: instant(),
      };
      keyId = (await expectDocumented(documented, 'POST', '/v3/api-keys', body)).key_id;
    });

    it('GET /v3/api-keys', async () => {
      const item = z.object({
        key_id: idOf('key'),
        name: z.string(),
        scopes: z.array(z.string()),
        last_used_at: instant().nullable(),
      });
      const { keys } = await expectDocumented({ keys: z.array(item).min(1) }, 'GET', '/v3/api-keys');
      expect(keys.map((key: { key_id: string }) => key.key_id)).to.include(keyId);
    });

    it('POST /v3/api-keys/{key_id}/rotate', async () => {
      const documented = {
        key_id: z.literal(keyId),
        secret: z.string().regex(/^sk_live_/),
        previous_valid_until: instant(),
      };
      const rotated = await expectDocumented(documented, 'POST', `/v3/api-keys/${keyId}/rotate`);
      const hours = (Date.parse(rotated.previous_valid_until) - kit.clock.now().getTime()) / 3_600_000;
      expect(hours).to.be.within(23.9, 24);
    });

    it('DELETE /v3/api-keys/{key_id}', async () => {
      const documented = { key_id: z.literal(keyId), status: z.literal('revoked') };
      await expectDocumented(documented, 'DELETE', `/v3/api-keys/${keyId}`);
    });
  });

  it('GET /v3/scopes [BAS-089] [BAS-090]', async () => {
    const item = z.object({
      scope: z.string().regex(/^[a-z_]+:[a-z]+$/),
      product: z.string().min(1),
      grants: z.string().min(1),
    });
    const { scopes } = await expectDocumented({ scopes: z.array(item) }, 'GET', '/v3/scopes');
    const products = new Map(scopes.map(({ scope, product }: z.infer<typeof item>) => [scope, product]));
    expect(products.get('secure_email:write')).to.equal('Email Encryption');
    expect(products.get('org:write')).to.equal('Organizations');
    expect(products.get('keys:write')).to.equal('API Keys & Access');
  });

  it('POST /v3/secure-email/send [BAS-104]', async () => {
    const body = {
      from: 'billing@acme.test',
      to: ['patient@example.com'],
      subject: 'Your statement',
      body_html: '<p>Your latest statement is attached.</p>',
      expires_in: 604_800,
      allow_recall: true,
    };
    const documented = {
      message_id: idOf('msg'),
      status: z.string(),
      delivery_method: z.literal('tls'),
      dlp_action: z.enum(['allow', 'encrypt']),
      expires_at: instant(),
    };
    const before = kit.clock.now().getTime();
    const { expires_at } = await expectDocumented(documented, 'POST', '/v3/secure-email/send', body);
    expect((Date.parse(expires_at) - before) / 1000).to.be.closeTo(604_800, 5);
    await kit.settle();
  });
});

function idOf(prefix: string) {
  return z.string().startsWith(`${prefix}_`);
}

/** As in every documented example: UTC, whole seconds. */
function instant() {
  return z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
}
