import type { InferEntity } from '@mikro-orm/core';
import { createdAt, id, idOf, line, oneOf } from '../../db/columns.ts';
import { tenantEntity } from '../../db/tenancy.ts';

/** What happens to outgoing content. Each organisation has one that holds unless a request names another. */
export const DlpPolicy = tenantEntity({
  name: 'DlpPolicy',
  tableName: 'dlp_policies',
  properties: {
    id: id('pol'),
    name: line(200),
    onMatch: oneOf('allow', 'encrypt', 'quarantine', 'block'),
    /** The scan profile that decides whether content matches; null: everything does. */
    profileId: idOf().nullable(),
    createdAt: createdAt(),
  },
});
export type DlpPolicy = InferEntity<typeof DlpPolicy>;

export const dlpEntities = [DlpPolicy];
