import { expect } from 'chai';
import type { Database, EntityManager } from '../../src/db/orm.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { acme, entities, Policy, rival } from './entities.ts';

const names = ['plain', "it's", 'back\\slash', 'what? ??', '\u00010\u0001', 'ünï', '%_', 'a"b`c', 'zz', ''];
type Row = Pick<Policy, 'id' | 'name'> & { note: string | null; mode: string | null };
type Condition = Record<string, unknown>;

describe('remembered reads', () => {
  let db: Database;
  let close: () => Promise<void>;
  let rows: Row[];

  before(async () => {
    ({ db, close } = await freshDatabase(entities));
    for (const tenant of [acme, rival]) {
      await transaction(db, tenant, async em => {
        names.forEach((name, index) => {
          em.create(Policy, {
            name,
            note: names[index % 4] ?? null,
            mode: [null, 'allow', 'block'][index % 3] as 'allow',
          });
        });
      });
    }
    const policies = await read(db, acme, em => em.findAll(Policy));
    rows = policies.map(({ id, name, note, mode }) => ({ id, name, note: note ?? null, mode: mode ?? null }));
  });

  after(() => close());

  /** How many queries the ORM built meanwhile. */
  async function built(work: (em: EntityManager) => Promise<unknown>): Promise<number> {
    const driver = db.orm.em.getDriver();
    const original = driver.createQueryBuilder.bind(driver) as (...args: unknown[]) => never;
    let count = 0;
    driver.createQueryBuilder = (...args: unknown[]) => {
      count += 1;
      return original(...args);
    };
    try {
      await read(db, acme, work);
    } finally {
      Reflect.deleteProperty(driver, 'createQueryBuilder');
    }
    return count;
  }

  it('build the SQL of a shape once', async () => {
    const find = (name: string) => (em: EntityManager) =>
      em.find(Policy, { name }, { orderBy: { id: 'asc' }, limit: 7 });
    expect(await built(find('plain'))).to.equal(1);
    expect(await built(find('zz'))).to.equal(0);
    expect(await built(em => em.count(Policy, { mode: 'allow' }))).to.equal(1);
    expect(await built(em => em.count(Policy, { mode: 'block' }))).to.equal(0);
  });

  it('of one shape keep to the organisation that asks', async () => {
    const idsOf = (tenant: typeof acme) =>
      read(db, tenant, async em => (await em.find(Policy, {})).map(({ id }) => id));
    const [own, others] = [await idsOf(acme), await idsOf(rival)];
    expect(own).to.have.length(names.length);
    expect(others).to.have.length(names.length);
    expect(own.filter(id => others.includes(id))).to.deep.equal([]);
    expect(await read(db, rival, em => em.findOne(Policy, { id: own[0]! }))).to.equal(null);
  });

  it('go the ORM\u2019s own way when they compare instants, numbers or converted values', async () => {
    const before = await read(db, acme, em => em.count(Policy, { createdAt: { $gt: new Date(0) }, size: 0 }));
    const after = await read(db, acme, em => em.count(Policy, { createdAt: { $lt: new Date(0) }, size: 0 }));
    expect([before, after]).to.deep.equal([names.length, 0]);
    expect(await read(db, acme, em => em.count(Policy, { settings: { any: 'thing' } }))).to.equal(0);
  });

  it('answer 400 random conditions as the rows themselves do, found and counted', async () => {
    const random = generator(20260101);
    for (let i = 0; i < 400; i++) {
      const condition = randomCondition(random);
      const expected = rows.filter(row => holds(row, condition));
      const ids = expected.map(({ id }) => id).toSorted();
      const [found, count] = await read(db, acme, async em => [
        (await em.find(Policy, condition as never, { orderBy: { id: 'asc' } })).map(({ id }) => id),
        await em.count(Policy, condition as never),
      ]);
      expect(found, JSON.stringify(condition)).to.deep.equal(ids);
      expect(count, JSON.stringify(condition)).to.equal(ids.length);
    }
  });
});

type Random = (below: number) => number;

/** Mulberry32: the same conditions on every run. */
function generator(seed: number): Random {
  let state = seed;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)]!;

function randomCondition(random: Random, depth = 0): Condition {
  if (depth < 2 && random(3) === 0) {
    const parts = Array.from({ length: 1 + random(3) }, () => randomCondition(random, depth + 1));
    return { [pick(random, ['$and', '$or'])]: parts };
  }
  const property = pick(random, ['name', 'note', 'mode']);
  if (random(4) === 0) return { [property]: pick(random, [null, { $ne: null }]) };
  if (random(3) === 0) {
    const values = Array.from({ length: 1 + random(4) }, () => pick(random, [...names, 'allow', 'block']));
    return { [property]: { $in: values } };
  }
  const value = pick(random, [...names, 'allow', 'block']);
  return { [property]: pick(random, [value, { $eq: value }]) };
}

/** SQL's answer: a comparison with null holds never. */
function holds(row: Row, condition: Condition): boolean {
  return Object.entries(condition).every(([name, value]) => {
    if (name === '$and') return (value as Condition[]).every(each => holds(row, each));
    if (name === '$or') return (value as Condition[]).some(each => holds(row, each));
    const stored = row[name as keyof Row];
    if (value === null) return stored === null;
    if (typeof value === 'string') return stored === value;
    const { $in, $eq, $ne } = value as { $in?: string[]; $eq?: string; $ne?: null };
    if ($ne === null) return stored !== null;
    return stored !== null && ($in ? $in.includes(stored) : stored === $eq);
  });
}
