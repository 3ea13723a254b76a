import { expect } from 'chai';
import * as certificateOperations from '../../src/areas/access/certificate-operations.ts';
import * as keyOperations from '../../src/areas/access/operations.ts';
import * as organizations from '../../src/areas/organizations/operations.ts';
import type { Operation } from '../../src/core/operation.ts';
import { ownScope } from '../../src/core/scopes.ts';
import { type Kit, startKit, type Tenant } from '../kit/app.ts';
import { bothDoors, done, through } from './through.ts';

/** A request of each operation that is right in itself, for the organisation that is named. */
type Sample = (things: Things) => Record<string, unknown>;

interface Things {
  org_id: string;
  domain_id: string;
  key_id: string;
  certificate_id: string;
  address_id: string;
}

const offer = { certificate_pem: 'pem', challenge: 'challenge', proof: 'AAAA' };

const samples: Record<string, Sample> = {
  CreateOrganization: () => ({ name: 'x' }),
  ListOrganizations: () => ({}),
  GetOrganization: ({ org_id }) => ({ org_id }),
  UpdateOrganization: ({ org_id }) => ({ org_id, name: 'x' }),
  CreateOrgUnit: ({ org_id }) => ({ org_id, name: 'x' }),
  AddDomain: ({ org_id }) => ({ org_id, domain: 'x.example' }),
  VerifyDomain: ({ org_id, domain_id }) => ({ org_id, domain_id }),
  InviteMember: ({ org_id }) => ({ org_id, email: 'x@acme.test', role: 'member' }),
  CreateRole: ({ org_id }) => ({ org_id, name: 'x', scopes: ['org:read'] }),
  IssueApiKey: ({ org_id }) => ({ org_id, name: 'x', scopes: ['org:read'] }),
  CreateApiKey: () => ({ name: 'x', scopes: ['org:read'] }),
  ListApiKeys: () => ({}),
  RotateApiKey: ({ key_id }) => ({ key_id }),
  RevokeApiKey: ({ key_id }) => ({ key_id }),
  ListScopes: () => ({}),
  CreateCertificateChallenge: () => ({}),
  RegisterCertificate: () => ({ ...offer, uses: ['request'] }),
  ListCertificates: () => ({}),
  RotateCertificate: ({ certificate_id }) => ({ certificate_id, ...offer }),
  RevokeCertificate: ({ certificate_id }) => ({ certificate_id }),
  ListAllowedAddresses: () => ({}),
  AddAllowedAddress: () => ({ cidr: '192.0.2.0/24' }),
  RemoveAllowedAddress: ({ address_id }) => ({ address_id }),
  ListAuditEvents: () => ({}),
};

const access = { ...keyOperations, ...certificateOperations };
const operations: Operation[] = [...Object.values(organizations), ...Object.values(access)];

describe('what every operation of organizations and access refuses', () => {
  let kit: Kit;
  let rival: Tenant;
  let powerless: Tenant;
  let theirs: Things;
  before(async () => {
    kit = await startKit();
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
    powerless = kit.caller({ ...kit.tenant, apiKey: (await ownKey()).secret });
    theirs = await thingsOf(rival);
  });
  after(() => kit.close());

  const ownKey = () => done('rest', kit.tenant, access.createApiKey, { name: 'powerless', scopes: [ownScope] });

  async function thingsOf(tenant: Tenant): Promise<Things> {
    const { domain_id } = await done('rest', tenant, organizations.addDomain, {
      org_id: tenant.id,
      domain: 'globex.example',
    });
    const { keys } = await done('rest', tenant, access.listApiKeys);
    const { certificates } = await done('rest', tenant, access.listCertificates);
    const { addresses } = await done('rest', tenant, access.listAllowedAddresses);
    const { certificate_id } = certificates[0];
    return {
      org_id: tenant.id,
      domain_id,
      key_id: keys[0].key_id,
      certificate_id,
      address_id: addresses[0].address_id,
    };
  }

  it('is asked of each of them', () => {
    expect(Object.keys(samples).sort()).to.deep.equal(operations.map(op => op.soap).sort());
  });

  for (const door of bothDoors) {
    for (const op of operations) {
      const sample = samples[op.soap]!;

      it(`${op.soap} over ${door}: a key without ${op.scope}`, async () => {
        const asked = kit.responder.requests.length;
        expect((await through(door, powerless, op, sample(theirs))).outcome).to.equal('scope_missing');
        expect(kit.responder.requests.length, 'an approval was asked for').to.equal(asked);
      });

      if (op.pathParameters.length > 0) {
        it(`${op.soap} over ${door}: another organisation's ${op.pathParameters.join(', ')}`, async () => {
          expect(await through(door, kit.tenant, op, sample(theirs))).to.deep.equal({
            outcome: 'not_found',
            output: undefined,
            fields: [],
          });
        });
      }
    }
  }

  for (const op of operations) {
    it(`${op.soap} over rest: a member that it does not know`, async () => {
      const { outcome, fields } = await through('rest', kit.tenant, op, { ...sample(op), surprise: 'x' });
      if (op.method === 'DELETE') expect(outcome).to.be.oneOf(['malformed', 'validation_failed']);
      else expect({ outcome, fields }).to.deep.equal({ outcome: 'validation_failed', fields: ['surprise'] });
    });
  }

  const sample = (op: Operation) => samples[op.soap]!({ ...theirs, org_id: kit.tenant.id });
});
