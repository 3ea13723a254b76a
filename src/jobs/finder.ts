import { isDeepStrictEqual } from 'node:util';
import type {
  JobParameters,
  JobState,
  JobsOverview,
  JobsQueryOptions,
  JobsResult,
  JobsSort,
  RemoveJobsOptions,
} from 'agenda';
import { type ExpressionBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { type JobColumns, toJob } from './row.ts';
import type { Store } from './store.ts';

type Tables = { jobs: JobColumns };
type Filter = Pick<JobsQueryOptions, 'id' | 'ids' | 'name' | 'names' | 'data'> & { notNames?: string[] };

/** Agenda's computed states, as SQL, so that filters and pages are the database's work. */
const stateOf = (now: number) => sql<JobState>`case
  when locked_at is not null then 'running'
  when failed_at is not null and (last_finished_at is null or failed_at >= last_finished_at) then 'failed'
  when repeat_interval is not null then 'repeating'
  when next_run_at > ${now} then 'scheduled'
  when next_run_at is not null then 'queued'
  else 'completed' end`;

const sortable = {
  nextRunAt: 'next_run_at',
  lastRunAt: 'last_run_at',
  lastFinishedAt: 'last_finished_at',
  priority: 'priority',
  name: 'name',
  data: 'data',
} as const satisfies Record<keyof JobsSort, keyof JobColumns>;

const newestFirst: JobsSort = { nextRunAt: 'desc', lastRunAt: 'desc' };

/** The questions that dashboards ask. */
export class Finder {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async byId(id: string): Promise<JobParameters | null> {
    const row = await this.#store.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? toJob(row, this.#store.skew()) : null;
  }

  async query(options: JobsQueryOptions = {}): Promise<JobsResult> {
    const matching = await this.#matching(options);
    const { total } = await matching
      .select(eb => eb.fn.countAll<number | string>().as('total'))
      .executeTakeFirstOrThrow();
    const state = stateOf(this.#store.now()).as('state');
    const rows = await paged(sorted(matching, options.sort ?? newestFirst), options)
      .selectAll()
      .select(state)
      .execute();
    const skew = this.#store.skew();
    return { total: Number(total), jobs: rows.map(row => ({ ...toJob(row, skew), state: row.state })) };
  }

  async overview(): Promise<JobsOverview[]> {
    const rows = await this.#store.db
      .selectFrom('jobs')
      .select(['name', 'disabled', stateOf(this.#store.now()).as('state')])
      .select(eb => eb.fn.countAll<number | string>().as('count'))
      .groupBy(['name', 'disabled', 'state'])
      .orderBy('name')
      .execute();
    const overviews = new Map<string, JobsOverview>();
    for (const { name, disabled, state, count } of rows) {
      const overview = overviews.get(name) ?? emptyOverview(name);
      overviews.set(name, overview);
      overview.total += Number(count);
      overview[state] += Number(count);
      if (disabled) overview.paused += Number(count);
    }
    return [...overviews.values()];
  }

  async names(): Promise<string[]> {
    const rows = await this.#store.db.selectFrom('jobs').select('name').distinct().orderBy('name').execute();
    return rows.map(row => row.name);
  }

  async queueSize(): Promise<number> {
    const due = this.#store.db.selectFrom('jobs').where('next_run_at', '<', this.#store.now());
    const { count } = await due.select(eb => eb.fn.countAll<number | string>().as('count')).executeTakeFirstOrThrow();
    return Number(count);
  }

  /** The filter as a condition; undefined when it names nothing, which must not mean everything. */
  async condition(filter: RemoveJobsOptions) {
    const wanted: Filter = { ...filter, id: filter.id?.toString(), ids: filter.ids?.map(String) };
    const given = [wanted.id, wanted.ids, wanted.name, wanted.names, wanted.notNames, wanted.data];
    return given.every(isEmpty) ? undefined : this.#where(wanted);
  }

  async #matching(options: JobsQueryOptions) {
    let matching = this.#store.db.selectFrom('jobs').where(await this.#where(options));
    if (options.search) matching = matching.where(sql`lower(name)`, 'like', containing(options.search));
    if (options.includeDisabled === false) matching = matching.where('disabled', '=', 0);
    if (options.state === 'paused') matching = matching.where('disabled', '=', 1);
    else if (options.state) matching = matching.where(stateOf(this.#store.now()), '=', options.state);
    return matching;
  }

  async #where(filter: Filter) {
    const ids = filter.data === undefined ? undefined : await this.#idsWithData(filter);
    return (eb: ExpressionBuilder<Tables, 'jobs'>) => eb.and([...plainConditions(eb, filter), ...anyOf(eb, 'id', ids)]);
  }

  /** Part of a JSON value is compared here: the databases have no common way to ask for it. */
  async #idsWithData({ data, ...filter }: Filter): Promise<string[]> {
    const query = this.#store.db.selectFrom('jobs').select(['id', 'data']);
    const rows = await query.where(eb => eb.and(plainConditions(eb, filter))).execute();
    return rows.filter(row => row.data !== null && contains(JSON.parse(row.data), data)).map(row => row.id);
  }
}

function plainConditions(eb: ExpressionBuilder<Tables, 'jobs'>, { id, ids, name, names, notNames }: Filter) {
  return [
    ...anyOf(eb, 'id', id ? [id] : nonEmpty(ids)),
    ...anyOf(eb, 'name', name ? [name] : nonEmpty(names)),
    ...(notNames?.length && !name && !names?.length ? [eb('name', 'not in', notNames)] : []),
  ];
}

/** No value at all matches nothing: both columns are never null. */
function anyOf(eb: ExpressionBuilder<Tables, 'jobs'>, column: 'id' | 'name', values: string[] | undefined) {
  if (!values) return [];
  return [values.length === 0 ? eb(column, 'is', null) : eb(column, 'in', values)];
}

function sorted<O>(
  query: SelectQueryBuilder<Tables, 'jobs', O>,
  sort: JobsSort,
): SelectQueryBuilder<Tables, 'jobs', O> {
  let ordered = query;
  for (const [member, direction] of Object.entries(sort)) {
    const column = sortable[member as keyof JobsSort];
    // Jobs without a value stay last in both directions.
    ordered = ordered.orderBy(eb => eb(column, 'is', null)).orderBy(column, direction);
  }
  return ordered.orderBy('id');
}

function paged<O>(
  query: SelectQueryBuilder<Tables, 'jobs', O>,
  { skip = 0, limit = 0 }: JobsQueryOptions,
): SelectQueryBuilder<Tables, 'jobs', O> {
  if (limit === 0 && skip === 0) return query;
  // Neither database knows an offset without a limit.
  return query.limit(limit || Number.MAX_SAFE_INTEGER).offset(skip);
}

const emptyOverview = (name: string): JobsOverview => ({
  name,
  total: 0,
  running: 0,
  scheduled: 0,
  queued: 0,
  completed: 0,
  failed: 0,
  repeating: 0,
  paused: 0,
});

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === '' || (Array.isArray(value) && value.length === 0);

const nonEmpty = (values: string[] | undefined): string[] | undefined => (values?.length ? values : undefined);

const containing = (text: string): string => `%${text.toLowerCase()}%`;

/** Whether `part` occurs in `whole`, members of objects compared by name. */
function contains(whole: unknown, part: unknown): boolean {
  if (!isObject(part) || !isObject(whole)) return isDeepStrictEqual(whole, part);
  return Object.entries(part).every(([key, value]) => contains(whole[key], value));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
