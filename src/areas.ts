import * as certificates from './areas/access/certificate-operations.ts';
import { accessEntities } from './areas/access/entities.ts';
import * as access from './areas/access/operations.ts';
import { getSigningCertificates } from './areas/access/signing-certificates.ts';
import { approvalEntities } from './areas/approvals/entities.ts';
import * as approvals from './areas/approvals/operations.ts';
import { dlpEntities } from './areas/dlp/entities.ts';
import { organizationEntities } from './areas/organizations/entities.ts';
import { organizationJobs } from './areas/organizations/jobs.ts';
import * as members from './areas/organizations/member-operations.ts';
import * as organizations from './areas/organizations/operations.ts';
import { secureEmailEntities } from './areas/secure-email/entities.ts';
import { secureEmailJobs } from './areas/secure-email/jobs.ts';
import * as secureEmail from './areas/secure-email/operations.ts';
import { area } from './core/operation.ts';

/** Documented among the organisations, made of the same parts as the other operations on keys. */
const { issueApiKey, ...accessOperations } = access;

/** Everything Bastion does. An operation is served because its module exports it. */
export const areas = [
  area('organizations', 'Organizations & Tenancy', 'v3', { ...organizations, ...members, issueApiKey }),
  area('access', 'API Keys & Access', 'v3', { ...accessOperations, ...certificates, getSigningCertificates }),
  area('approvals', 'Approvals', 'v3', approvals),
  area('secure-email', 'Email Encryption', 'v3', secureEmail),
];

export const areaEntities = [
  ...organizationEntities,
  ...accessEntities,
  ...approvalEntities,
  ...dlpEntities,
  ...secureEmailEntities,
];

export const areaJobs = [...organizationJobs, ...secureEmailJobs];
