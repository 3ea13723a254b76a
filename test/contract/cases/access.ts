import {
  createCertificateChallenge,
  getCertificate,
  listCertificates,
  registerCertificate,
  renewCertificate,
  revokeCertificate,
  rotateCertificate,
  setCertificatePolicy,
} from '../../../src/areas/access/certificate-operations.ts';
import {
  addAllowedAddress,
  createApiKey,
  issueApiKey,
  listAllowedAddresses,
  listApiKeys,
  listAuditEvents,
  listScopes,
  removeAllowedAddress,
  revokeApiKey,
  rotateApiKey,
} from '../../../src/areas/access/operations.ts';
import { getSigningCertificates } from '../../../src/areas/access/signing-certificates.ts';
import { createOrganization } from '../../../src/areas/organizations/operations.ts';
import { newRequest } from '../../../src/core/authority.ts';
import { signDetached } from '../../../src/core/detached-signature.ts';
import { done } from '../../areas/through.ts';
import { type Pair, pair } from '../../kit/certificates.ts';
import type { Case, Party } from '../case.ts';

const madeKey = async (party: Party) => {
  const wish = { name: `key ${party.next()}`, scopes: ['org:read'] };
  return { key_id: (await done('rest', party, createApiKey, wish)).key_id };
};

/** The same for every party at the same place of its life, so that thumbprints can be compared. */
const issued = new Map<string, Promise<Pair>>();
function newCertificate({ kit, next }: Party): Promise<Pair> {
  const name = `CN=certificate ${next()}, O=Acme`;
  if (!issued.has(name)) issued.set(name, kit.set.authority.client(name, 'P-256').then(pair));
  return issued.get(name)!;
}

async function offer(party: Party) {
  const { certificate, privateKey } = await newCertificate(party);
  const { challenge, text } = await done('rest', party, createCertificateChallenge);
  return { certificate_pem: certificate, challenge, proof: signDetached(privateKey, text) };
}

const madeCertificate = async (party: Party) => {
  const wish = { ...(await offer(party)), uses: ['request'] };
  return { certificate_id: (await done('rest', party, registerCertificate, wish)).certificate_id };
};

export const accessCases: Case[] = [
  {
    op: createApiKey,
    input: ({ id }) => ({
      name: 'Verification service (read-only)',
      scopes: ['org:read', 'secure_email:read'],
      org_id: id,
      ip_allowlist: ['127.0.0.1'],
      expires_at: '2099-07-02T00:00:00Z',
      doors: ['rest'],
    }),
  },
  {
    op: issueApiKey,
    path: async ({ id }) => ({ org_id: id }),
    input: () => ({ name: 'East region server', scopes: ['org:read'] }),
  },
  { op: listApiKeys, input: () => ({ limit: 5 }) },
  { op: rotateApiKey, path: madeKey },
  { op: revokeApiKey, path: madeKey },
  { op: listScopes },
  { op: createCertificateChallenge, varying: ['challenge', 'text'] },
  { op: registerCertificate, input: async party => ({ ...(await offer(party)), uses: ['approval'] }) },
  { op: listCertificates, input: () => ({ limit: 5 }) },
  {
    op: rotateCertificate,
    path: madeCertificate,
    input: async party => ({ ...(await offer(party)), overlap_seconds: 3600 }),
  },
  {
    op: setCertificatePolicy,
    path: madeCertificate,
    input: () => ({
      signature_algorithms: ['ecdsa-sha256'],
      signed_headers: ['To', 'MessageID'],
      answer_algorithm: 'rsa-pss-sha256',
      signature_confirmation: true,
    }),
  },
  {
    op: renewCertificate,
    path: madeCertificate,
    input: async () => ({ certificate_request: (await newRequest('CN=anything', 'P-256')).request }),
    varying: ['thumbprint', 'serial_number', 'certificate_pem'],
  },
  { op: getCertificate, path: madeCertificate },
  { op: getSigningCertificates },
  { op: revokeCertificate, path: madeCertificate },
  { op: listAllowedAddresses, input: () => ({ limit: 5 }) },
  { op: addAllowedAddress, input: () => ({ cidr: '198.51.100.0/24', label: 'Office' }) },
  {
    op: removeAllowedAddress,
    async path(party) {
      const block = { cidr: `203.0.113.${party.next()}` };
      return { address_id: (await done('rest', party, addAllowedAddress, block)).address_id };
    },
  },
  {
    op: listAuditEvents,
    async input(party) {
      await done('rest', party, createOrganization, { name: `Acme — ${party.next()}` });
      return { operation: 'CreateOrganization', limit: 5 };
    },
    varying: ['door'],
  },
];
