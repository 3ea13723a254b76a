import { raw } from '@mikro-orm/core';
import { expect } from 'chai';
import type { TenantEntityManager } from '../../src/core/operation.ts';
import type { Database } from '../../src/db/orm.ts';
import { restrict } from '../../src/db/restrict.ts';
import { TenancyViolation } from '../../src/db/tenancy.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, entities, Policy, rival } from './entities.ts';

describe('the entity manager of business code', () => {
  let db: Database;
  let close: () => Promise<void>;

  before(async () => {
    ({ db, close } = await freshDatabase(entities));
    await transaction(db, rival, async em => em.create(Policy, { id: 'pol_rival', name: 'of the rival' }));
  });
  after(() => close());

  const inside = <T>(work: (em: TenantEntityManager) => Promise<T>) =>
    transaction(db, acme, em => work(restrict(em, acme.id)));

  it('creates, finds, changes and removes', async () => {
    const names = await inside(async em => {
      const policy = em.create(Policy, { name: 'a' });
      await em.flush();
      policy.name = 'b';
      await em.persist(policy).flush();
      const found = (await em.find(Policy, {})).map(({ name }) => name);
      await em.remove(policy).flush();
      return [...found, await em.count(Policy, {})];
    });
    expect(names).to.deep.equal(['b', 0]);
  });

  const unreachable = [
    ...['getKysely', 'getConnection', 'getDriver', 'execute', 'createQueryBuilder', 'qb', 'callRoutine'],
    ...['fork', 'setFilterParams', 'getFilterParams', 'addFilter', 'transactional', 'begin', 'commit', 'rollback'],
    ...['merge', 'map', 'upsert', 'upsertMany', 'getUnitOfWork', 'getEntityFactory', 'getRepository', 'repo', 'config'],
    ...[
      'setTransactionContext',
      'getTransactionContext',
      'getContext',
      'getMetadata',
      'getEventManager',
      'stream',
      'driver',
    ],
  ];
  for (const name of unreachable) {
    it(`does not offer ${name}`, async () => {
      const error = await rejection(inside(async em => (em as unknown as Record<string, unknown>)[name]));
      expect(error).to.be.instanceOf(TenancyViolation);
    });
  }

  it('gives itself away when it chains, not the manager beneath', async () => {
    const error = await rejection(
      inside(async em => {
        const chained = em.persist([]) as unknown as Record<string, unknown>;
        return chained.fork;
      }),
    );
    expect(error).to.be.instanceOf(TenancyViolation);
  });

  const forbidden: Record<string, (em: TenantEntityManager) => Promise<unknown>> = {
    'switches the filter off in find': em => em.find(Policy, {}, { filters: false }),
    'names another organisation for the filter': em =>
      em.find(Policy, {}, { filters: { tenant: { system: true, id: '', reach: '' } } }),
    'switches the filter off in findAll': em => em.findAll(Policy, { filters: { tenant: false } }),
    'switches the filter off in nativeDelete': em => em.nativeDelete(Policy, {}, { filters: false }),
    'shares cached answers': em => em.find(Policy, {}, { cache: 1000 }),
    'has raw SQL as a value': em => em.find(Policy, { name: raw("'x' or 1 = 1") }),
    'has raw SQL as a key': em => em.find(Policy, { [raw('1 = 1) or (1')]: 1 }),
    'has raw SQL deep inside': em => em.find(Policy, { $or: [{ $and: [{ name: raw('name') }] }] }),
    'has raw SQL in the order': em => em.find(Policy, {}, { orderBy: { [raw('sleep(1)')]: 'asc' } }),
    'has raw SQL in an update': em => em.nativeUpdate(Policy, {}, { name: raw('id') }),
    'passes a row off as loaded': async em => em.create(Policy, { id: 'pol_rival', name: 'x' }, { managed: true }),
    "inserts another organisation's row": em =>
      em.insert(Policy, { name: 'x', organizationId: rival.id, createdAt: new Date(), id: 'pol_x' }),
    "inserts another organisation's row among ours": em =>
      em.insertMany(Policy, [
        { name: 'x', organizationId: acme.id, createdAt: new Date(), id: 'pol_x' },
        { name: 'y', organizationId: rival.id, createdAt: new Date(), id: 'pol_y' },
      ]),
    'moves rows by a native update': em => em.nativeUpdate(Policy, {}, { organizationId: rival.id }),
  };
  for (const [what, work] of Object.entries(forbidden)) {
    it(`refuses what ${what}`, async () => {
      expect(await rejection(inside(work))).to.be.instanceOf(TenancyViolation);
      expect(await read(db, 'system', em => em.count(Policy, {}))).to.equal(1);
    });
  }
});
