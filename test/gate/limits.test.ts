import { expect } from 'chai';
import { RateBucket } from '../../src/areas/access/entities.ts';
import type { Database } from '../../src/db/orm.ts';
import { Limits } from '../../src/gate/limits.ts';
import { freshDatabase } from '../kit/database.ts';
import { refusalFrom } from '../kit/refusal.ts';

describe('rate limits', () => {
  let db: Database;
  let close: () => Promise<void>;
  let limits: Limits;
  before(async () => {
    ({ db, close } = await freshDatabase([RateBucket]));
    limits = new Limits(db, 3);
  });
  after(async () => {
    await limits.close();
    await close();
  });

  it('count down to zero and then say how long to wait [BAS-026] [BAS-027]', async () => {
    const remaining: string[] = [];
    for (let sent = 0; sent < 3; sent++) {
      const { headers, retryAfter } = await limits.count('key_a');
      expect(retryAfter).to.equal(undefined);
      remaining.push(headers['X-RateLimit-Remaining']!);
    }
    expect(remaining).to.deep.equal(['2', '1', '0']);
    const exceeded = await limits.count('key_a');
    expect(exceeded.retryAfter).to.be.within(1, 60);
    expect(exceeded.headers['X-RateLimit-Reset']).to.equal(String(exceeded.retryAfter));
  });

  it('count each key for itself', async () => {
    expect((await limits.count('key_b')).headers['X-RateLimit-Remaining']).to.equal('2');
  });

  it('let exactly as many through as there are, whoever is first', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => limits.count('key_c')));
    expect(all.filter(({ retryAfter }) => retryAfter === undefined)).to.have.length(3);
  });

  it('are one for all nodes on a shared database', async () => {
    if (db.kind === 'sqlite') return void (await expectOwnCount());
    const node = new Limits(db, 3);
    try {
      await limits.count('key_d');
      expect((await node.count('key_d')).headers['X-RateLimit-Remaining']).to.equal('1');
    } finally {
      await node.close();
    }
  });

  /** An embedded database has one node; its count needs no disk. */
  async function expectOwnCount(): Promise<void> {
    await limits.count('key_d');
    expect(await db.fork('system').count(RateBucket)).to.equal(0);
  }

  it('bound what one address and one certificate cost before they are proven', async () => {
    const sendsUntilRefused = async (take: () => void): Promise<number> => {
      for (let sent = 0; ; sent++) {
        const refused = await refusalFrom((async () => take())()).catch(() => undefined);
        if (refused === undefined) continue;
        expect([refused.code, Number(refused.retryAfter) > 0]).to.deep.equal(['rate_limited', true]);
        return sent;
      }
    };
    expect(await sendsUntilRefused(() => limits.admitAddress('192.0.2.1'))).to.equal(60);
    expect(await sendsUntilRefused(() => limits.admitCertificate('ab'))).to.equal(30);
    limits.admitAddress('192.0.2.2');
    let host = 0;
    const another = () => limits.admitAddress(`2001:db8::${(++host).toString(16)}`);
    expect(await sendsUntilRefused(another), 'an IPv6 network is one sender').to.equal(60);
    limits.admitAddress('2001:db8:0:1::1');
  });
});
