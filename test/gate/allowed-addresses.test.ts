import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { AllowedAddress } from '../../src/areas/access/entities.ts';
import { newId } from '../../src/core/ids.ts';
import type { Database } from '../../src/db/orm.ts';
import { transaction } from '../../src/db/transaction.ts';
import { AllowedAddresses } from '../../src/gate/allowed-addresses.ts';
import { freshDatabase } from '../kit/database.ts';

describe('the union of all allowlists', () => {
  let db: Database;
  let close: () => Promise<void>;
  let allowed: AllowedAddresses;
  const row = (cidr: string) => ({ organizationId: 'org_a', cidr, createdAt: new Date() });
  const errors: unknown[] = [];

  before(async () => {
    ({ db, close } = await freshDatabase([AllowedAddress]));
    await transaction(db, 'system', async em => void em.create(AllowedAddress, row('192.0.2.0/24')));
    allowed = new AllowedAddresses(db, error => errors.push(error));
    await allowed.start();
  });
  after(async () => {
    await allowed.stop();
    await close();
    expect(errors).to.deep.equal([]);
  });

  it('knows what was there before', () => {
    expect(allowed.has('192.0.2.77')).to.equal(true);
    expect(allowed.has('198.51.100.1')).to.equal(false);
  });

  it('knows at once what this node commits, and forgets it at once', async () => {
    const id = await transaction(db, 'system', async em => {
      const added = em.create(AllowedAddress, row('198.51.100.1/32'));
      await em.flush();
      return added.id;
    });
    expect(allowed.has('198.51.100.1')).to.equal(true);
    await transaction(db, 'system', async em => void em.remove(await em.findOneOrFail(AllowedAddress, { id })));
    expect(allowed.has('198.51.100.1')).to.equal(false);
  });

  it('takes nothing into use that was rolled back', async () => {
    const failing = transaction(db, 'system', async em => {
      em.create(AllowedAddress, row('198.51.100.2/32'));
      await em.flush();
      throw new Error('on purpose');
    });
    expect(await failing.catch((error: Error) => error.message)).to.equal('on purpose');
    expect(allowed.has('198.51.100.2')).to.equal(false);
  });

  it('learns within a few seconds what another node committed', async () => {
    await db.fork('system').insert(AllowedAddress, { id: newId('addr'), ...row('203.0.113.0/24') });
    for (let look = 0; look < 50 && !allowed.has('203.0.113.5'); look++) await sleep(100);
    expect(allowed.has('203.0.113.5')).to.equal(true);
    await db.fork('system').nativeDelete(AllowedAddress, { cidr: '203.0.113.0/24' });
    for (let look = 0; look < 50 && allowed.has('203.0.113.5'); look++) await sleep(100);
    expect(allowed.has('203.0.113.5')).to.equal(false);
  });
});
