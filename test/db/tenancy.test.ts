import { expect } from 'chai';
import type { Database } from '../../src/db/orm.ts';
import { ancestorPaths, isWithinPath, TenancyViolation, withinPath } from '../../src/db/tenancy.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, entities, Organization, Policy, Rule, rival } from './entities.ts';

describe('tenancy', () => {
  let db: Database;
  let close: () => Promise<void>;
  let foreignId: string;

  before(async () => {
    ({ db, close } = await freshDatabase(entities));
    foreignId = await transaction(db, rival, async em => {
      const policy = em.create(Policy, { name: 'of the rival' });
      em.create(Policy, { name: 'of the rival, too' });
      await em.flush();
      em.create(Rule, { name: 'of the rival', policyId: policy.id });
      return policy.id;
    });
    await transaction(db, acme, async em => {
      em.create(Policy, { name: 'of acme' });
    });
  });

  after(() => close());

  const asAcme = (work: Parameters<typeof transaction<unknown>>[2]) => rejection(transaction(db, acme, work));

  async function expectUntouched(): Promise<void> {
    const policies = await read(db, rival, em => em.find(Policy, {}, { orderBy: { name: 'asc' } }));
    expect(policies.map(policy => policy.name)).to.deep.equal(['of the rival', 'of the rival, too']);
    expect(await read(db, 'system', em => em.count(Policy, {}))).to.equal(3);
  }

  it('shows an organisation its own rows only [BAS-031]', async () => {
    const seen = await read(db, acme, async em => [
      (await em.find(Policy, {})).map(policy => policy.name),
      (await em.findAll(Policy)).length,
      (await em.findAndCount(Policy, {}))[1],
      (await em.findByCursor(Policy, { first: 10, orderBy: { id: 'asc' } })).length,
      await em.countBy(Policy, 'organizationId'),
      await em.findOne(Policy, { id: foreignId }),
      await em.findOne(Policy, foreignId),
      await em.refresh(em.getReference(Policy, foreignId)),
      await em.count(Rule, {}),
    ]);
    expect(seen).to.deep.equal([['of acme'], 1, 1, 1, { org_acme: 1 }, null, null, null, 0]);
  });

  it('gives a new row the organisation it is created in', async () => {
    const [policy] = await read(db, acme, em => em.find(Policy, {}));
    expect(policy!.organizationId).to.equal('org_acme');
  });

  it('refuses to read through an entity manager that is bound to nobody', async () => {
    const em = db.orm.em.fork();
    expect((await rejection(em.find(Policy, {}))).message).to.contain('No arguments provided for filter');
  });

  it('refuses to write through an entity manager that is bound to nobody', async () => {
    const em = db.orm.em.fork();
    em.create(Policy, { name: 'stray', organizationId: acme.id });
    expect(await rejection(em.flush())).to.be.instanceOf(TenancyViolation);
    await expectUntouched();
  });

  it('refuses a new row without an organisation in system mode', async () => {
    const work = transaction(db, 'system', async em => em.create(Policy, { name: 'whose?' }));
    expect(await rejection(work)).to.be.instanceOf(TenancyViolation);
  });

  it('refuses to create a row for another organisation', async () => {
    const error = await asAcme(async em => em.create(Policy, { name: 'planted', organizationId: rival.id }));
    expect(error).to.be.instanceOf(TenancyViolation);
    await expectUntouched();
  });

  it('refuses to move a row to another organisation', async () => {
    const error = await asAcme(async em => {
      (await em.findOneOrFail(Policy, { name: 'of acme' })).organizationId = rival.id;
    });
    expect(error).to.be.instanceOf(TenancyViolation);
    await expectUntouched();
  });

  it("refuses to change another organisation's row through a reference", async () => {
    const error = await asAcme(async em => {
      em.getReference(Policy, foreignId).name = 'changed';
    });
    expect(error).to.be.instanceOf(TenancyViolation);
    await expectUntouched();
  });

  it("refuses to change another organisation's row through a reference that claims to be ours", async () => {
    const error = await asAcme(async em => {
      Object.assign(em.getReference(Policy, foreignId), { organizationId: acme.id, name: 'changed' });
    });
    expect(error).to.be.instanceOf(TenancyViolation);
    await expectUntouched();
  });

  it("refuses to remove another organisation's row through a reference", async () => {
    const error = await asAcme(async em => em.remove(em.getReference(Policy, foreignId)));
    expect(error).to.be.instanceOf(TenancyViolation);
    await expectUntouched();
  });

  it("leaves another organisation's rows alone in native updates and deletes", async () => {
    const changed = await transaction(db, acme, async em => [
      await em.nativeUpdate(Policy, { id: foreignId }, { name: 'changed' }),
      await em.nativeDelete(Policy, { id: foreignId }),
    ]);
    expect(changed).to.deep.equal([0, 0]);
    await expectUntouched();
  });

  it("refuses a reference to another organisation's row in the database itself", async () => {
    const error = await asAcme(async em => em.create(Rule, { name: 'crossing', policyId: foreignId }));
    expect(error.name).to.equal('ForeignKeyConstraintViolationException');
  });

  it('inserts a row after the one it refers to, in whatever order they were created', async () => {
    const name = await transaction(db, acme, async em => {
      em.create(Rule, { name: 'first', policyId: 'pol_later' });
      em.create(Policy, { id: 'pol_later', name: 'later' });
      await em.flush();
      const rule = await em.findOneOrFail(Rule, { name: 'first' });
      em.remove(rule).remove(em.getReference(Policy, rule.policyId!));
      em.clear();
      await em.nativeDelete(Rule, { name: 'first' });
      await em.nativeDelete(Policy, { name: 'later' });
      return rule.policyId;
    });
    expect(name).to.equal('pol_later');
  });

  it('removes and changes its own rows, loaded or just created', async () => {
    await transaction(db, acme, async em => {
      const policy = em.create(Policy, { name: 'short-lived' });
      await em.flush();
      policy.name = 'short-lived, renamed';
      await em.flush();
      em.remove(await em.findOneOrFail(Policy, { name: 'short-lived, renamed' }));
    });
    await expectUntouched();
  });

  it('is not switched off by an update that another entity manager makes inside the transaction', async () => {
    const names = await transaction(db, acme, async () => {
      const inner = db.fork(rival);
      return (await inner.find(Policy, {}, { orderBy: { name: 'asc' } })).map(policy => policy.name);
    });
    expect(names).to.deep.equal(['of the rival', 'of the rival, too']);
  });

  describe('of organisations themselves', () => {
    const root = { id: 'org_root', path: 'org_root' };
    const child = { id: 'org_child', path: 'org_root/org_acme/org_child' };
    // `_` is a wildcard in LIKE: this one must not pass for a child of org_acme.
    const lookalike = { id: 'orgXacme', path: 'org_root/orgXacme' };
    const longer = { id: 'org_acme2', path: 'org_root/org_acme2' };

    before(async () => {
      await transaction(db, 'system', async em => {
        for (const { id, path } of [root, acme, rival, child, lookalike, longer]) {
          em.create(Organization, { id, path, name: id });
        }
      });
    });

    const namesSeen = async (tenant: typeof acme & { reach?: string }) =>
      (await read(db, tenant, em => em.find(Organization, {}, { orderBy: { path: 'asc' } }))).map(({ name }) => name);

    it('shows the subtree and the ancestors, and nobody whose path only looks alike', async () => {
      expect(await namesSeen(acme)).to.deep.equal(['org_root', 'org_acme', 'org_child']);
    });

    it('shows as far as the reach of the caller', async () => {
      expect(await namesSeen({ ...child, reach: acme.path })).to.deep.equal(['org_root', 'org_acme', 'org_child']);
      expect(await namesSeen(root)).to.have.length(6);
    });

    it('refuses to create an organisation outside the reach', async () => {
      const error = await asAcme(async em =>
        em.create(Organization, { id: 'org_new', path: 'org_root/org_rival/org_new', name: 'new' }),
      );
      expect(error).to.be.instanceOf(TenancyViolation);
    });

    it('refuses to change an ancestor', async () => {
      const error = await asAcme(async em => {
        (await em.findOneOrFail(Organization, { id: 'org_root' })).name = 'ours';
      });
      expect(error).to.be.instanceOf(TenancyViolation);
    });

    it('leaves ancestors alone in native updates and deletes', async () => {
      const changed = await transaction(db, acme, async em => [
        await em.nativeUpdate(Organization, { id: 'org_root' }, { name: 'ours' }),
        await em.nativeDelete(Organization, { id: 'org_root' }),
      ]);
      expect(changed).to.deep.equal([0, 0]);
    });

    it('refuses to take an organisation out of the reach', async () => {
      const error = await asAcme(async em => {
        (await em.findOneOrFail(Organization, { id: 'org_child' })).path = 'org_root/org_rival/org_child';
      });
      expect(error).to.be.instanceOf(TenancyViolation);
    });

    it('allows changes to itself and beneath', async () => {
      await transaction(db, acme, async em => {
        for (const id of ['org_acme', 'org_child'])
          (await em.findOneOrFail(Organization, { id })).name = `${id} renamed`;
      });
      expect(await namesSeen(acme)).to.deep.equal(['org_root', 'org_acme renamed', 'org_child renamed']);
    });
  });
});

describe('paths', () => {
  it('contain themselves and what is beneath, not their lookalikes', () => {
    const within = (path: string) => isWithinPath(path, 'a/b');
    expect(['a/b', 'a/b/c', 'a/b/c/d'].every(within)).to.equal(true);
    expect(['a', 'a/bc', 'a/c', 'b/a/b'].some(within)).to.equal(false);
  });

  it('name their ancestors from the root down', () => {
    expect(ancestorPaths('a/b/c')).to.deep.equal(['a', 'a/b']);
    expect(ancestorPaths('a')).to.deep.equal([]);
  });

  it('become a range that no path outside falls into', () => {
    expect(withinPath('a/b')).to.deep.equal({ path: { $gte: 'a/b', $lt: 'a/b0' } });
  });
});
