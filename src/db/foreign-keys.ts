import { type EntityMetadata, type EntityProperty, type MikroORM, p, ReferenceKind } from '@mikro-orm/core';
import { type DatabaseSchema, type DatabaseTable, type SqlEntityManager, SqlSchemaGenerator } from '@mikro-orm/sql';

/** Properties that hold the id of another tenant entity's row. */
// biome-ignore lint/suspicious/noExplicitAny: entities of every shape
export type References = Record<string, () => any>;

const suffix = 'Row';

/**
 * For every reference an invisible relation over the same column. It is never read or written; the unit of work orders its
 * statements by it, so that a row is inserted after the one it points to.
 */
export function orderingRelations(references: References): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(references).map(([property, target]) => [
      property + suffix,
      () =>
        p
          .manyToOne(target())
          .name(columnName(property))
          .nullable()
          .persist(false)
          .hydrate(false)
          .hidden()
          .createForeignKeyConstraint(false),
    ]),
  );
}

/**
 * Foreign keys on (organization_id, reference) to (organization_id, id): not even a bug in Bastion, or a hand in the
 * database, can point one organisation's row at another's. MikroORM has no relation over such a pair when the primary key
 * is the id alone, so they are added to the schema that migrations are made from.
 */
export class SchemaGenerator extends SqlSchemaGenerator {
  static override register(orm: MikroORM): void {
    orm.config.registerExtension(
      '@mikro-orm/schema-generator',
      () => new SchemaGenerator(orm.em as unknown as SqlEntityManager),
    );
  }

  override getTargetSchema(schema?: string, includeWildcardSchema?: boolean): DatabaseSchema {
    const target = super.getTargetSchema(schema, includeWildcardSchema);
    for (const meta of this.metadata.getAll().values()) this.#addForeignKeys(target, meta);
    return target;
  }

  #addForeignKeys(schema: DatabaseSchema, meta: EntityMetadata): void {
    for (const relation of meta.relations.filter(isOrdering)) {
      const table = schema.getTable(meta.tableName)!;
      const target = schema.getTable(relation.targetMeta!.tableName)!;
      const columnNames = ['organization_id', relation.fieldNames[0]!];
      const constraintName = this.platform.getIndexName(table.name, columnNames, 'foreign');
      table.setForeignKeys({
        ...table.getForeignKeys(),
        [constraintName]: {
          constraintName,
          columnNames,
          localTableName: table.name,
          referencedColumnNames: ['organization_id', 'id'],
          referencedTableName: target.name,
        },
      });
      this.#addIndex(table, columnNames);
    }
  }

  #addIndex(table: DatabaseTable, columnNames: string[]): void {
    const keyName = this.platform.getIndexName(table.name, columnNames, 'index');
    const index = { keyName, columnNames, composite: true, constraint: false, primary: false, unique: false };
    table.setIndexes([...table.getIndexes(), index]);
  }
}

const isOrdering = (relation: EntityProperty): boolean =>
  relation.persist === false && relation.kind === ReferenceKind.MANY_TO_ONE && relation.name.endsWith(suffix);

const columnName = (property: string): string => property.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
