import { z } from 'zod';
import { Refusal } from '../../core/errors.ts';
import { operation } from '../../core/operation.ts';
import {
  dateTime,
  id,
  line,
  list,
  named,
  nullable,
  pageInput,
  pageOutput,
  text,
  timestamp,
} from '../../core/schema.ts';
import { page } from '../../db/list.ts';
import { PolicyView, policyInput, requireAnswerable } from './certificate-policy.ts';
import { ClientCertificate } from './entities.ts';
import { endingWithin } from './expiry.ts';
import {
  certificateStates,
  certificateView,
  certify,
  findCertificate,
  inheritedCertificates,
  lockCertificates,
  newChallenge,
  prepareOffer,
  readOffer,
  refuseLast,
  refuseOtherUse,
  register,
  requireReplaceable,
  revoke,
  rotate,
} from './registration.ts';

const uses = z.enum(['request', 'approval']);

const certificate = {
  certificate_id: id('cert'),
  thumbprint: z.string().describe('SHA-256 of the DER, 64 hex digits.'),
  subject: z.string().describe('Distinguished name.'),
  issuer: z.string().describe('Distinguished name.'),
  serial_number: z.string().describe('Hex digits.'),
  uses: list(uses),
  status: z.enum(certificateStates),
  not_before: dateTime(),
  not_after: dateTime(),
  retires_at: nullable(dateTime()).describe('When a rotation takes it out of force.'),
  last_used_at: nullable(dateTime()).describe('To the minute.'),
  policy: PolicyView,
  created_at: dateTime(),
};

const offer = {
  certificate_pem: text(60_000).describe('The certificate, then any intermediates, PEM.'),
  challenge: line(300).describe('Of CreateCertificateChallenge.'),
  proof: line(2000).describe(
    "Base64 of a signature of the challenge's text, made with the certificate's key (SHA-256).",
  ),
};

export const createCertificateChallenge = operation({
  rest: 'POST /v3/certificates/challenges',
  soap: 'CreateCertificateChallenge',
  scope: 'certificates:write',
  summary: 'Get a text to sign, which proves the possession of a key.',
  input: z.strictObject({}),
  output: named('CertificateChallenge', {
    challenge: z.string().describe('Hand this back with the signature.'),
    text: z.string().describe('The exact text to sign, lines separated by a line feed.'),
    expires_at: dateTime(),
  }),
  handle: async context => newChallenge(context),
});

export const registerCertificate = operation({
  rest: 'POST /v3/certificates',
  soap: 'RegisterCertificate',
  scope: 'certificates:write',
  sensitive: true,
  summary: 'Register a client certificate for requests or for approvals.',
  description:
    'It must chain to an approved authority and carry a strong key. One key never serves both uses: who asks must not ' +
    'approve. It counts for the organisation and all beneath it.',
  input: z.strictObject({
    ...offer,
    uses: list(uses, 1).min(1).describe('request: it calls Bastion. approval: it signs approvals.'),
  }),
  output: named('Certificate', certificate),
  prepare: prepareOffer,
  async handle(context, input, inherited) {
    const candidate = readOffer(context, input);
    refuseOtherUse(candidate, input.uses, [...inherited, ...(await lockCertificates(context.em))]);
    const row = await register(context, candidate, { uses: input.uses, policy: {} });
    return certificateView(row, context.now);
  },
});

export const getCertificate = operation({
  rest: 'GET /v3/certificates/{certificate_id}',
  soap: 'GetCertificate',
  scope: 'certificates:read',
  summary: "Read one of the organisation's own certificates.",
  input: z.strictObject({ certificate_id: id('cert') }),
  output: named('CertificateDetails', { ...certificate, certificate_pem: z.string() }),
  async handle({ em, now }, { certificate_id }) {
    const row = await findCertificate(em, certificate_id);
    return { ...certificateView(row, now), certificate_pem: row.pem };
  },
});

export const listCertificates = operation({
  rest: 'GET /v3/certificates',
  soap: 'ListCertificates',
  scope: 'certificates:read',
  summary: "List the organisation's own certificates, newest first.",
  input: z.strictObject({
    ending_within_days: z
      .int()
      .min(1)
      .max(3650)
      .optional()
      .describe('Only those in force that end within so many days and have no successor.'),
    ...pageInput,
  }),
  output: named('CertificateList', { certificates: list(named('CertificateItem', certificate)), ...pageOutput }),
  async handle(context, input) {
    const { ending_within_days: days } = input;
    const where = days === undefined ? {} : endingWithin(context.now, days);
    const { rows, next_cursor } = await page(context, ClientCertificate, {
      operation: 'ListCertificates',
      input,
      where,
    });
    return { certificates: rows.map(row => certificateView(row, context.now)), next_cursor };
  },
});

const overlapSeconds = z
  .int()
  .min(0)
  .max(30 * 86_400)
  .optional()
  .describe('How long the old certificate stays in force; a day when absent.');

const replaced = {
  previous_certificate_id: id('cert'),
  previous_valid_until: dateTime().describe('Until then the old certificate is in force too.'),
};

const replacedView = ({ id: previous_certificate_id, retiresAt }: ClientCertificate) => ({
  previous_certificate_id,
  previous_valid_until: timestamp(retiresAt!),
});

export const rotateCertificate = operation({
  rest: 'POST /v3/certificates/{certificate_id}/rotate',
  soap: 'RotateCertificate',
  scope: 'certificates:write',
  sensitive: true,
  summary: 'Replace a certificate; the old one stays in force for an overlap.',
  description: 'The new certificate takes over uses and policy of the old one.',
  input: z.strictObject({
    certificate_id: id('cert'),
    ...offer,
    overlap_seconds: overlapSeconds,
  }),
  output: named('RotatedCertificate', { ...certificate, ...replaced }),
  prepare: prepareOffer,
  async handle(context, input, inherited) {
    const registered = await lockCertificates(context.em);
    const old = await findCertificate(context.em, input.certificate_id);
    requireReplaceable(old);
    const candidate = readOffer(context, input);
    refuseOtherUse(candidate, old.uses, [...inherited, ...registered]);
    const row = await rotate(context, old, candidate, input.overlap_seconds);
    return { ...certificateView(row, context.now), ...replacedView(old) };
  },
});

export const setCertificatePolicy = operation({
  rest: 'PUT /v3/certificates/{certificate_id}/policy',
  soap: 'SetCertificatePolicy',
  scope: 'certificates:write',
  sensitive: true,
  summary: 'Say what messages of a certificate must keep to, and how they are answered.',
  description:
    'It replaces the whole policy: what is left out is not asked for any more. It holds from the next request.',
  input: z.strictObject({ certificate_id: id('cert'), ...policyInput }),
  output: named('CertificateWithPolicy', certificate),
  async handle({ em, now, services }, { certificate_id, ...policy }) {
    requireAnswerable(policy, services);
    const row = await findCertificate(em, certificate_id);
    if (row.status === 'revoked') throw new Refusal('conflict', 'The certificate is revoked.');
    row.policy = policy;
    return certificateView(row, now);
  },
});

export const renewCertificate = operation({
  rest: 'POST /v3/certificates/{certificate_id}/renew',
  soap: 'RenewCertificate',
  scope: 'certificates:write',
  sensitive: true,
  summary: 'Have a certificate signed by Bastion, to replace one; the old one stays in force for an overlap.',
  description:
    'The request must be signed with its own key (PKCS#10), which proves its possession. Only its key is taken: the name, uses and ' +
    'policy stay those of the old certificate. Where Bastion issues no certificates it is a conflict; rotate with one of your own authority.',
  input: z.strictObject({
    certificate_id: id('cert'),
    certificate_request: text(20_000).describe('PKCS#10, PEM.'),
    overlap_seconds: overlapSeconds,
  }),
  output: named('RenewedCertificate', {
    ...certificate,
    certificate_pem: z.string().describe('The new certificate, PEM.'),
    ...replaced,
  }),
  prepare: inheritedCertificates,
  async handle(context, input, inherited) {
    const registered = await lockCertificates(context.em);
    const old = await findCertificate(context.em, input.certificate_id);
    requireReplaceable(old);
    const candidate = await certify(context, old, input.certificate_request);
    refuseOtherUse(candidate, old.uses, [...inherited, ...registered]);
    const row = await rotate(context, old, candidate, input.overlap_seconds);
    return { ...certificateView(row, context.now), certificate_pem: row.pem, ...replacedView(old) };
  },
});

export const revokeCertificate = operation({
  rest: 'DELETE /v3/certificates/{certificate_id}',
  soap: 'RevokeCertificate',
  scope: 'certificates:write',
  sensitive: true,
  summary: 'Revoke a certificate, at once and for good.',
  description: 'The last certificate in force for a use stays. Revoking it again answers the same.',
  input: z.strictObject({ certificate_id: id('cert') }),
  output: named('RevokedCertificate', { certificate_id: id('cert'), status: z.enum(['revoked']) }),
  prepare: inheritedCertificates,
  async handle({ em, now, emit }, { certificate_id }, inherited) {
    const registered = await lockCertificates(em);
    const row = await findCertificate(em, certificate_id);
    if (row.status === 'active') {
      refuseLast(row, [...inherited, ...registered], now);
      revoke({ emit }, row);
    }
    return { certificate_id, status: 'revoked' as const };
  },
});
