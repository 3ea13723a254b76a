import { expect } from 'chai';
import { entities } from '../../src/app.ts';
import { type Database, openDatabase } from '../../src/db/orm.ts';
import { type FreshUrl, freshUrl } from '../kit/database.ts';

describe('the migrations', () => {
  let fresh: FreshUrl;
  let db: Database;
  const nodes: Database[] = [];

  before(async () => {
    fresh = await freshUrl();
    db = await openDatabase({ url: fresh.url, entities });
    nodes.push(db);
  });
  after(async () => {
    for (const node of nodes) await node.close();
    await fresh.drop();
  });

  it('run once when four nodes start at once', async () => {
    const url = db.kind === 'sqlite' ? `sqlite:${db.orm.config.get('dbName')}` : fresh.url;
    for (let more = 0; more < 3; more++) nodes.push(await openDatabase({ url, entities }));
    const ran = await Promise.all(nodes.map(node => node.migrate()));
    expect(ran.filter(names => names.length > 0)).to.have.length(1);
  });

  it('leave tables that differ in nothing from the entities', async () => {
    await db.migrate();
    expect(await db.orm.schema.getUpdateSchemaSQL()).to.equal('');
  });

  it('have nothing to do the second time', async () => {
    await db.migrate();
    expect(await db.migrate()).to.deep.equal([]);
  });
});
