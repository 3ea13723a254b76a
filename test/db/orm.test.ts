import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { defineEntity, p } from '@mikro-orm/core';
import { expect } from 'chai';
import { openDatabase } from '../../src/db/orm.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';

describe('opening a database', () => {
  it('makes a temporary file for sqlite::memory:, gone after close', async () => {
    const db = await openDatabase({ url: 'sqlite::memory:', entities: [] });
    const file = db.orm.config.get('dbName')!;
    expect(existsSync(file)).to.equal(true);
    await db.close();
    expect(existsSync(dirname(file))).to.equal(false);
  });

  it('leaves nothing behind when it fails', async () => {
    const Loose = defineEntity({ name: 'Loose', properties: { id: p.string().primary(), organizationId: p.string() } });
    const folders = () =>
      [tmpdir(), '/dev/shm']
        .filter(folder => existsSync(folder))
        .flatMap(folder => readdirSync(folder))
        .filter(name => name.startsWith('bastion-sqlite-'));
    const before = folders();
    await rejection(openDatabase({ url: 'sqlite::memory:', entities: [Loose] }));
    expect(folders().filter(name => !before.includes(name))).to.deep.equal([]);
  });

  it('fails at once when the server is not there', async () => {
    const url = 'mysql://bastion@127.0.0.1:1/bastion';
    expect(await rejection(openDatabase({ url, entities: [] }))).to.have.property('code', 'ECONNREFUSED');
  });

  it('refuses an address that is neither', async () => {
    const error = await rejection(openDatabase({ url: 'postgres://127.0.0.1/bastion', entities: [] }));
    expect(error.message).to.equal('a database URL begins with sqlite: or mysql:');
  });
});

describe('the time of the database', () => {
  it('is the clock that tests move', async () => {
    const moved = new Date('2030-01-01T00:00:00Z');
    const { db, close } = await freshDatabase([], { now: () => moved });
    const now = await db.now();
    await close();
    expect(now).to.deep.equal(moved);
  });

  it('is near ours otherwise, with milliseconds and without a time zone', async () => {
    const { db, close } = await freshDatabase();
    const now = await db.now();
    await close();
    expect(Math.abs(now.getTime() - Date.now())).to.be.lessThan(5000);
  });
});
