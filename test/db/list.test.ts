import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Keyring } from '../../src/core/seal.ts';
import { page } from '../../src/db/list.ts';
import type { Database } from '../../src/db/orm.ts';
import { restrict } from '../../src/db/restrict.ts';
import { read, transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, entities, Policy, rival } from './entities.ts';

const services = { keyring: new Keyring([{ id: 1, bytes: randomBytes(32) }]) };

interface Input {
  limit?: number;
  cursor?: string;
  mode?: 'allow' | 'block';
}

describe('a list', () => {
  let db: Database;
  let close: () => Promise<void>;

  before(async () => {
    ({ db, close } = await freshDatabase(entities));
    for (const tenant of [acme, rival]) {
      await transaction(db, tenant, async em => {
        for (let number = 1; number <= 7; number++) {
          em.create(Policy, { name: `${tenant.id} ${number}`, mode: number % 2 ? 'allow' : 'block' });
        }
      });
    }
  });
  after(() => close());

  const list = (input: Input, order?: 'newest' | 'oldest', tenant = acme) =>
    read(db, tenant, async em => {
      const where = input.mode ? { mode: input.mode } : {};
      const context = { em: restrict(em, tenant.id), organization: tenant, services };
      const { rows, next_cursor } = await page(context, Policy, { operation: 'ListPolicies', input, where, order });
      return { numbers: rows.map(row => Number(row.name.split(' ')[1])), next_cursor };
    });

  async function walk(input: Input, order?: 'newest' | 'oldest'): Promise<number[][]> {
    const pages: number[][] = [];
    let cursor: string | undefined;
    do {
      const { numbers, next_cursor } = await list({ ...input, cursor }, order);
      pages.push(numbers);
      cursor = next_cursor ?? undefined;
    } while (cursor);
    return pages;
  }

  it('comes in pages, newest first, each row once [BAS-025]', async () => {
    expect(await walk({ limit: 3 })).to.deep.equal([[7, 6, 5], [4, 3, 2], [1]]);
  });

  it('ends without a cursor when the last page is full', async () => {
    expect(await walk({ limit: 7 })).to.deep.equal([[7, 6, 5, 4, 3, 2, 1]]);
  });

  it('comes oldest first when asked', async () => {
    expect(await walk({ limit: 5 }, 'oldest')).to.deep.equal([
      [1, 2, 3, 4, 5],
      [6, 7],
    ]);
  });

  it('keeps its filter from page to page', async () => {
    expect(await walk({ limit: 2, mode: 'allow' })).to.deep.equal([
      [7, 5],
      [3, 1],
    ]);
  });

  it('takes another page size with the same cursor', async () => {
    const { next_cursor } = await list({ limit: 2 });
    expect((await list({ limit: 3, cursor: next_cursor! })).numbers).to.deep.equal([5, 4, 3]);
  });

  it("refuses another organisation's cursor, another filter's and another order's", async () => {
    const cursor = (await list({ limit: 2 })).next_cursor!;
    for (const work of [
      list({ cursor }, 'newest', rival),
      list({ cursor, mode: 'allow' }),
      list({ cursor }, 'oldest'),
    ]) {
      expect(await rejection(work)).to.have.property('code', 'cursor_invalid');
    }
  });
});
