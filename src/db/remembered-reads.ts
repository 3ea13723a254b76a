import { type CountOptions, type EntityMetadata, type EntityName, type FindOptions, Utils } from '@mikro-orm/core';
import type { AbstractSqlDriver } from '@mikro-orm/sql';

/**
 * The ORM builds the SQL of each read anew, which costs several times what the database needs to answer it. Reads by plain
 * comparisons come in few shapes: the SQL of a shape is built once, with a mark in the place of each string, and every later
 * read of that shape puts its own strings there. A read that is not plain goes the ORM's own way.
 */
interface Plan {
  readonly sql: string;
  /** For each parameter: which string of the read it is, or its value in all reads of the shape. */
  readonly slots: readonly (number | { readonly fixed: unknown })[];
}

const mostPlans = 1000;

// biome-ignore lint/suspicious/noExplicitAny: what a mixin's constructor has to be
type DriverClass = new (...args: any[]) => AbstractSqlDriver;
// biome-ignore lint/suspicious/noExplicitAny: entities of every shape
type Any = any;

export function rememberingReads<Driver extends DriverClass>(Driver: Driver) {
  return class extends Driver {
    readonly #plans = new Map<string, Plan | undefined>();

    override async find(entity: EntityName<Any>, where: Any, options: FindOptions<Any, Any, Any, Any> = {}) {
      const meta = this.metadata.get(entity);
      const read = plainRead(meta, where, options);
      const plan = read && (await this.#planOf('find', read, () => this.#findSql(meta, where, options)));
      if (!plan) return super.find(entity, where, options);
      const rows = await this.#run(plan, read, options);
      return rows.map(row => this.mapResult(row, meta)) as Any[];
    }

    override async count(entity: EntityName<Any>, where: Any, options: CountOptions<Any> = {}): Promise<number> {
      const meta = this.metadata.get(entity);
      const read = plainRead(meta, where, options);
      const plan = read && (await this.#planOf('count', read, () => this.#countSql(meta, where)));
      if (!plan) return super.count(entity, where, options);
      const [row] = await this.#run(plan, read, options);
      return Number(row!.count);
    }

    async #findSql(meta: EntityMetadata, where: unknown, options: object): Promise<Sql> {
      // biome-ignore lint/complexity/useLiteralKeys: private upstream; what find() itself builds, without running it
      const build = this['createQueryBuilderFromOptions'];
      return (await build.call(this, meta, marked(where) as Any, { populate: [], orderBy: [], ...options })).toQuery();
    }

    async #countSql(meta: EntityMetadata, where: unknown): Promise<Sql> {
      return this.createQueryBuilder(meta.class)
        .where(marked(where) as Any)
        .count()
        .toQuery();
    }

    async #planOf(kind: string, read: PlainRead, build: () => Promise<Sql>): Promise<Plan | undefined> {
      const shape = `${kind} ${read.shape}`;
      if (!this.#plans.has(shape)) {
        const plan = planOf(await build(), read.strings.length);
        if (this.#plans.size >= mostPlans) this.#plans.clear();
        this.#plans.set(shape, plan);
      }
      return this.#plans.get(shape);
    }

    #run({ sql, slots }: Plan, { strings }: PlainRead, options: object) {
      const { ctx, loggerContext } = options as { ctx?: Any; loggerContext?: Any };
      const values = slots.map(slot => (typeof slot === 'number' ? strings[slot] : slot.fixed));
      const connection = this.getConnection('write');
      return this.rethrow(connection.execute<Record<string, unknown>[]>(sql, values, 'all', ctx, loggerContext));
    }
  };
}

interface Sql {
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** Undefined when some mark is not one whole parameter: the ORM changes that string on its way, or writes it into the text. */
function planOf({ sql, params }: Sql, strings: number): Plan | undefined {
  const marks = new Map<unknown, number>(Array.from({ length: strings }, (_, index) => [markOf(index), index]));
  const slots = params.map(fixed => marks.get(fixed) ?? { fixed });
  const own = slots.filter(slot => typeof slot === 'number');
  return own.length === strings && new Set(own).size === strings ? { sql, slots } : undefined;
}

interface PlainRead {
  readonly shape: string;
  /** In the order in which the condition says them. */
  readonly strings: readonly string[];
}

/** Dealt with before the driver is asked, or of no matter to SQL without joins. */
const besideTheSql = new Set([
  ...['em', 'ctx', 'logging', 'loggerContext', 'filters', 'flushMode', 'strict', 'failHandler'],
  ...['disableIdentityMap', 'refresh', 'populateWhere', '_populateWhere'],
]);
const inTheSql = new Set(['orderBy', 'limit', 'lockMode', 'flags']);

function plainRead(meta: EntityMetadata, where: unknown, options: object): PlainRead | undefined {
  const parts = [meta.className];
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || besideTheSql.has(name) || isEmpty(value)) continue;
    if (!inTheSql.has(name) || !isData(value)) return undefined;
    parts.push(name, JSON.stringify(value));
  }
  const strings: string[] = [];
  const condition = conditionShape(meta, where, strings);
  return condition === undefined ? undefined : { shape: `${parts.join(' ')} ${condition}`, strings };
}

/** `{ property: string or null, or { $operator: … } }`, joined by $and and $or. */
function conditionShape(meta: EntityMetadata, where: unknown, strings: string[]): string | undefined {
  return objectShape(where, (name, value) => {
    if (name === '$and' || name === '$or') return listShape(value, each => conditionShape(meta, each, strings));
    if (!holdsPlainText(meta, name)) return undefined;
    return isObject(value) ? comparisonShape(value, strings) : leafShape(value, strings);
  });
}

/** What a converted property is compared with is not what the database is asked for. */
function holdsPlainText(meta: EntityMetadata, name: string): boolean {
  const property = meta.properties[name];
  return property?.kind === 'scalar' && property.runtimeType === 'string' && !property.customType;
}

const operators = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin']);

const comparisonShape = (comparison: unknown, strings: string[]) =>
  objectShape(comparison, (operator, operand) => {
    if (!operators.has(operator)) return undefined;
    return Array.isArray(operand) ? listShape(operand, each => leafShape(each, strings)) : leafShape(operand, strings);
  });

function leafShape(value: unknown, strings: string[]): string | undefined {
  if (value === null) return 'null';
  if (typeof value !== 'string') return undefined;
  strings.push(value);
  return '?';
}

function objectShape(value: unknown, shape: (name: string, value: unknown) => string | undefined): string | undefined {
  if (!isObject(value) || isEmpty(value)) return undefined;
  let text = '';
  for (const name in value) {
    const part = shape(name, value[name]);
    if (part === undefined) return undefined;
    text += `${name}:${part},`;
  }
  return `{${text}}`;
}

function listShape(list: unknown, shape: (each: unknown) => string | undefined): string | undefined {
  if (!Array.isArray(list) || list.length === 0) return undefined;
  const parts = list.map(shape);
  return parts.includes(undefined) ? undefined : `[${parts.join()}]`;
}

const markOf = (index: number) => `\u0001${index}\u0001`;

/** The condition with a mark in the place of each string, in the order of its shape. */
function marked(where: unknown, next = { index: 0 }): unknown {
  if (typeof where === 'string') return markOf(next.index++);
  if (Array.isArray(where)) return where.map(each => marked(each, next));
  if (!isObject(where)) return where;
  return Object.fromEntries(Object.entries(where).map(([name, value]) => [name, marked(value, next)]));
}

/** Raw SQL hides behind symbols. */
const isObject = (value: unknown): value is Record<string, unknown> =>
  Utils.isPlainObject(value) && Object.getOwnPropertySymbols(value).length === 0;

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;

/** Whether its JSON says all of it. */
const isData = (value: unknown): boolean =>
  typeof value === 'object' && value !== null
    ? (Array.isArray(value) || isObject(value)) && Object.values(value).every(isData)
    : typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value === null;
