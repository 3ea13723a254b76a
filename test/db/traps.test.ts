import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { defineEntity, p } from '@mikro-orm/core';
import { expect } from 'chai';
import { CompiledQuery } from 'kysely';
import { text } from '../../src/core/schema.ts';
import { type Database, openDatabase } from '../../src/db/orm.ts';
import { restrict } from '../../src/db/restrict.ts';
import { TenancyViolation, tenantEntity } from '../../src/db/tenancy.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase, serverUrl } from '../kit/database.ts';
import { startMariaDb } from '../kit/mariadb.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, entities, Policy, Rule, rival } from './entities.ts';

/** Where the databases and the ORM would surprise us. */
describe('the database', () => {
  let db: Database;
  let url: string;
  let close: () => Promise<void>;

  before(async () => {
    ({ db, url, close } = await freshDatabase(entities));
  });
  after(() => close());
  afterEach(() =>
    transaction(db, 'system', async em => {
      await em.nativeDelete(Rule, {});
      await em.nativeDelete(Policy, {});
    }),
  );

  const create = (...names: string[]) =>
    transaction(db, acme, async em => {
      for (const name of names) em.create(Policy, { name });
    });
  const named = (name: string) => read(db, acme, em => em.find(Policy, { name }));

  it('takes a value that looks like SQL for a value, whatever its quotes and backslashes', async () => {
    const hostile = [
      `x' or 1=1 -- `,
      `x\\' or 1=1 -- `,
      `x" or "1"="1`,
      '`',
      '\\',
      "\\'",
      `'; drop table policies; --`,
    ];
    await create('bystander');
    for (const name of hostile) expect(await named(name), name).to.have.length(0);
    await create(...hostile.map(name => name.trim()));
    for (const name of hostile) expect(await named(name.trim()), name).to.have.length(1);
  });

  if (serverUrl) {
    it('escapes values the way the session reads them, even when the server is set to NO_BACKSLASH_ESCAPES', async () => {
      const mode = await globalMode(db, 'NO_BACKSLASH_ESCAPES');
      const node = await openDatabase({ url, entities });
      try {
        await create('bystander');
        expect(await read(node, acme, em => em.find(Policy, { name: `x\\' or 1=1 -- ` }))).to.have.length(0);
        expect(await read(node, acme, em => em.find(Policy, { name: `x' or 1=1 -- ` }))).to.have.length(0);
      } finally {
        await node.close();
        await globalMode(db, mode);
      }
    });
  }

  it('is never given text with NUL, which SQLite cannot hold', () => {
    expect(text(10).safeParse('a\u0000b').success).to.equal(false);
    expect(text(10).safeParse('a\ud800b').success).to.equal(false);
    expect(text(10).safeParse('a\tb\nc ☂ 😀').success).to.equal(true);
  });

  it('tells accents and case apart, in lookups and in unique keys', async () => {
    await create('résumé', 'resume', 'Resume', 'ß', 'ss');
    expect(await named('resume')).to.have.length(1);
    expect(await named('RESUME')).to.have.length(0);
  });

  it('keeps more than 64 KB of text and of bytes', async () => {
    const note = 'ü'.repeat(200_000);
    const content = Buffer.alloc(300_000, 0xff);
    await transaction(db, acme, async em => em.create(Policy, { name: 'long', note, content }));
    const [policy] = await named('long');
    expect(policy!.note === note).to.equal(true);
    expect(policy!.content!.equals(content)).to.equal(true);
  });

  it('keeps integers up to 2^53 exactly, and takes no decimals', async () => {
    await transaction(db, acme, async em => em.create(Policy, { name: 'big', size: Number.MAX_SAFE_INTEGER }));
    expect((await named('big'))[0]!.size).to.equal(Number.MAX_SAFE_INTEGER);
    const Priced = defineEntity({ name: 'Priced', properties: { id: p.string().primary(), price: p.decimal() } });
    const error = await rejection(openDatabase({ url: 'sqlite::memory:', entities: [Priced] }));
    expect(error.message).to.contain('Priced: price loses digits');
  });

  it('keeps instants to the millisecond, in UTC', async () => {
    const startsAt = new Date('2026-03-29T01:30:00.123Z');
    await transaction(db, acme, async em => em.create(Policy, { name: 'dated', startsAt }));
    expect((await named('dated'))[0]!.startsAt!.toISOString()).to.equal('2026-03-29T01:30:00.123Z');
    const before = { startsAt: { $lt: new Date('2026-03-29T01:30:00.124Z'), $gte: startsAt } };
    expect(await read(db, acme, em => em.count(Policy, before))).to.equal(1);
  });

  it("does not let a reference change another organisation's row, which the filter alone would", async () => {
    await transaction(db, rival, async em => em.create(Policy, { id: 'pol_rival', name: 'rival' }));
    const work = transaction(db, acme, async em => {
      em.getReference(Policy, 'pol_rival').name = 'ours';
    });
    expect(await rejection(work)).to.be.instanceOf(TenancyViolation);
  });

  it('refuses an entity with an organisation that is not made as a tenant entity', async () => {
    const Loose = defineEntity({ name: 'Loose', properties: { id: p.string().primary(), organizationId: p.string() } });
    const error = await rejection(openDatabase({ url: 'sqlite::memory:', entities: [Loose] }));
    expect(error.message).to.contain('Loose: is not made with tenantEntity');
  });

  it('refuses a many-to-many relation, whose rows no tenant guard sees', async () => {
    const Group = tenantEntity({
      name: 'Group',
      tableName: 'groups',
      properties: { id: p.string().primary(), policies: () => p.manyToMany(Policy) },
    });
    const error = await rejection(openDatabase({ url: 'sqlite::memory:', entities: [Group, ...entities] }));
    expect(error.message).to.contain('policies is many-to-many');
  });

  it('takes no native insert without an organisation, since defaults are not applied there', async () => {
    const row = { id: 'pol_x', name: 'x', createdAt: new Date() };
    expect(await rejection(transaction(db, 'system', em => em.insert(Policy, row as never)))).to.be.instanceOf(Error);
    const restricted = transaction(db, acme, em => restrict(em, acme.id).insert(Policy, row as never));
    expect(await rejection(restricted)).to.be.instanceOf(TenancyViolation);
  });

  it('names no statement and no stored value in an error that could be logged', async () => {
    const secret = 'S3CRET-note';
    await create('taken');
    const twice = transaction(db, acme, async em => em.create(Policy, { name: 'taken', note: secret }));
    const error = await rejection(twice);
    expect(error.name).to.equal('UniqueConstraintViolationException');
    const inner = read(db, acme, em => em.find(Policy, { [`no such column ${secret}`]: 1 } as never));
    for (const shown of [error, await rejection(inner)]) {
      expect(inspect(shown, { depth: 10, showHidden: true })).to.not.contain('insert into');
    }
    expect(inspect(error, { depth: 10, showHidden: true })).to.not.contain(secret);
  });

  it('answers bound SQL right after it was opened, before the ORM made a query', async () => {
    const node = await openDatabase({ url, entities });
    const { rows } = await node.kysely().executeQuery<{ one: number }>(CompiledQuery.raw('select 1 as one'));
    await node.close();
    expect(Number(rows[0]!.one)).to.equal(1);
  });

  it('differs in nothing from the entities once their tables are made', async () => {
    expect(await db.orm.schema.getUpdateSchemaSQL()).to.equal('');
  });

  it('is driven by MikroORM packages of one version and one mysql2', () => {
    const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    const installed = Object.entries(lock.packages);
    const orm = installed.filter(([path]) => path.startsWith('node_modules/@mikro-orm/'));
    expect(orm.map(([, { version }]) => version)).to.deep.equal(orm.map(() => '7.2.1'));
    expect(installed.filter(([path]) => path.endsWith('node_modules/mysql2'))).to.have.length(1);
  });

  if (serverUrl) {
    it('serves again after its connections were cut, and is refused as unavailable while it is down', async () => {
      const server = await startMariaDb();
      const node = await openDatabase({ url: `${server.url}mysql`, entities });
      try {
        await cutConnections(node);
        await node.ping();
        await server.stop();
        expect(await rejection(read(node, acme, em => em.count(Policy, {})))).to.have.property('code', 'unavailable');
        expect(await rejection(transaction(node, acme, async em => em.count(Policy, {})))).to.have.property(
          'code',
          'unavailable',
        );
      } finally {
        await node.close();
      }
    });
  }
});

async function globalMode(db: Database, mode: string): Promise<string> {
  const { rows } = await db
    .kysely()
    .executeQuery<{ mode: string }>(CompiledQuery.raw('select @@global.sql_mode as mode'));
  await db.kysely().executeQuery(CompiledQuery.raw(`set global sql_mode = '${mode}'`));
  return rows[0]!.mode;
}

/** As a server or a firewall does with idle ones. */
async function cutConnections(db: Database): Promise<void> {
  const list = 'select id from information_schema.processlist where id <> connection_id()';
  await Promise.all(Array.from({ length: 3 }, () => db.ping()));
  const { rows } = await db.kysely().executeQuery<{ id: number }>(CompiledQuery.raw(list));
  for (const { id } of rows)
    await db
      .kysely()
      .executeQuery(CompiledQuery.raw(`kill ${id}`))
      .catch(() => {});
  await new Promise(resolve => setTimeout(resolve, 50));
}
