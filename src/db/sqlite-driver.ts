import { type Configuration, Utils } from '@mikro-orm/core';
import { type AbstractSqlConnection, BaseSqliteConnection, SqliteDriver, type SqlitePlatform } from '@mikro-orm/sql';
import { CompiledQuery } from 'kysely';
import { rememberingReads } from './remembered-reads.ts';

/**
 * MikroORM's SQLite driver, except that values travel beside the SQL and not in it, and that it reads a foreign key over two
 * columns as one and not as two; the schema would differ from the entities for ever.
 */
export class BastionSqliteDriver extends rememberingReads(SqliteDriver) {
  protected override readonly connection: BindingConnection;

  constructor(config: Configuration) {
    super(config);
    this.connection = new BindingConnection(config);
    const platform = this.getPlatform() as SqlitePlatform;
    // Private upstream, so it cannot be overridden in a subclass.
    Object.assign(platform.getSchemaHelper()!, {
      getForeignKeys: (connection: AbstractSqlConnection, table: string) => foreignKeys(platform, connection, table),
    });
  }
}

/**
 * MikroORM writes the values of a statement into its text: a stored body doubles in size, and hardly a statement comes twice.
 * Here they are bound, so that a statement is prepared once. What has no bound form (a fragment of SQL, a list) goes the
 * ORM's own way.
 */
class BindingConnection extends BaseSqliteConnection {
  // biome-ignore lint/suspicious/noExplicitAny: upstream's signature comes to this
  override async execute(query: any, parameters: any = [], method: any = 'all', transaction?: any, context?: any) {
    const values = bindable(query, parameters);
    if (!values) return super.execute(query, parameters, method, transaction, context);
    await this.ensureConnection();
    const result = await (transaction ?? this.getClient()).executeQuery(CompiledQuery.raw(query, values));
    // biome-ignore lint/suspicious/noExplicitAny: as above
    return this.transformRawResult<any>(result, method);
  }
}

/** `??` and `\\?` are MikroORM's marks for a name and for a question mark. */
function bindable(query: unknown, parameters: unknown): unknown[] | undefined {
  if (typeof query !== 'string' || !Array.isArray(parameters) || /\?\?|\\\?/.test(query)) return undefined;
  const values = parameters.map(value => (Utils.isPlainObject(value) ? JSON.stringify(value) : value));
  return values.every(isScalar) ? values : undefined;
}

const isScalar = (value: unknown): boolean =>
  value == null || typeof value !== 'object' || value instanceof Date || value instanceof Uint8Array;

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
