import type { Configuration } from '@mikro-orm/core';
import { type AbstractSqlConnection, SqliteDriver, type SqlitePlatform } from '@mikro-orm/sql';

/**
 * MikroORM's SQLite driver, except that it reads a foreign key over two columns as one and not as two; the schema would
 * differ from the entities for ever.
 */
export class BastionSqliteDriver extends SqliteDriver {
  constructor(config: Configuration) {
    super(config);
    const platform = this.getPlatform() as SqlitePlatform;
    // Private upstream, so it cannot be overridden in a subclass.
    Object.assign(platform.getSchemaHelper()!, {
      getForeignKeys: (connection: AbstractSqlConnection, table: string) => foreignKeys(platform, connection, table),
    });
  }
}

interface ForeignKeyRow {
  readonly id: number;
  readonly seq: number;
  readonly table: string;
  readonly from: string;
  readonly to: string;
  readonly on_update: string;
  readonly on_delete: string;
}

async function foreignKeys(platform: SqlitePlatform, connection: AbstractSqlConnection, table: string) {
  const rows = await connection.execute<ForeignKeyRow[]>(`pragma foreign_key_list(${platform.quoteIdentifier(table)})`);
  const grouped = [...Map.groupBy(rows, row => row.id).values()];
  const keys = grouped.map(columns => foreignKey(platform, table, columns));
  return Object.fromEntries(keys.map(key => [key.constraintName, key]));
}

function foreignKey(platform: SqlitePlatform, table: string, columns: ForeignKeyRow[]) {
  const [first] = columns as [ForeignKeyRow];
  const inOrder = columns.toSorted((a, b) => a.seq - b.seq);
  const columnNames = inOrder.map(column => column.from);
  return {
    constraintName: platform.getIndexName(table, columnNames, 'foreign'),
    columnNames,
    localTableName: table,
    referencedTableName: first.table,
    referencedColumnNames: inOrder.map(column => column.to),
    updateRule: first.on_update.toLowerCase(),
    deleteRule: first.on_delete.toLowerCase(),
  };
}
