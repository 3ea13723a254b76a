import { type EntityMetadata, type EntityProperty, type MetadataStorage, ReferenceKind } from '@mikro-orm/core';
import { SealedType } from './columns.ts';
import { tenantFilter } from './tenancy.ts';

/** What every entity of the house must keep to, looked at once when the database is opened. */
export function checkEntities(metadata: MetadataStorage): void {
  const broken = [...metadata.getAll().values()].flatMap(meta =>
    violations(meta).map(what => `${meta.className}: ${what}`),
  );
  if (broken.length > 0) throw new Error(`entities break the rules: ${broken.join('; ')}`);
}

function violations(meta: EntityMetadata): string[] {
  const properties = Object.values(meta.properties);
  const found: string[] = [];
  if ('organizationId' in meta.properties && !(tenantFilter in meta.filters))
    found.push('is not made with tenantEntity');
  for (const property of properties) {
    if (property.kind === ReferenceKind.MANY_TO_MANY)
      found.push(`${property.name} is many-to-many, which no tenant guard sees`);
    if (property.customType instanceof SealedType && !('organizationId' in meta.properties))
      found.push(`${property.name} is sealed in a row of no organisation`);
    if (isInexact(property)) found.push(`${property.name} loses digits on SQLite`);
  }
  return found;
}

const isInexact = ({ runtimeType, columnTypes = [] }: EntityProperty): boolean =>
  runtimeType === 'bigint' || columnTypes.some(type => /^(decimal|numeric)/i.test(type));
