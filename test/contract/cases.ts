import { areas } from '../../src/areas.ts';
import type { Case } from './case.ts';
import { accessCases } from './cases/access.ts';
import { approvalCases } from './cases/approvals.ts';
import { organizationCases } from './cases/organizations.ts';
import { secureEmailCases } from './cases/secure-email.ts';

export const cases: readonly Case[] = [...organizationCases, ...accessCases, ...approvalCases, ...secureEmailCases];

export const operations = areas.flatMap(area => area.operations);
