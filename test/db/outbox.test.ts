import { expect } from 'chai';
import type { Database } from '../../src/db/orm.ts';
import { emit, OutboxEvent } from '../../src/db/outbox.ts';
import { restrict } from '../../src/db/restrict.ts';
import { TenancyViolation } from '../../src/db/tenancy.ts';
import { transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, rival } from './entities.ts';

describe('an event', () => {
  let db: Database;
  let close: () => Promise<void>;

  beforeEach(async () => {
    ({ db, close } = await freshDatabase());
  });
  afterEach(() => close());

  const events = () => db.fork('system').find(OutboxEvent, {}, { orderBy: { id: 'asc' } });

  it('is written with what it tells of, for the organisation it happened in', async () => {
    await transaction(db, acme, async em => emit(restrict(em, acme.id), 'key.created', { key_id: 'key_1' }));
    const [event] = await events();
    expect(event).to.include({ type: 'key.created', organizationId: acme.id, fannedOutAt: null });
    expect(event!.payload).to.deep.equal({ key_id: 'key_1' });
  });

  it('is not there when the transaction was rolled back', async () => {
    const work = transaction(db, acme, async em => {
      emit(em, 'key.created', {});
      await em.flush();
      throw new Error('rolled back');
    });
    await rejection(work);
    expect(await events()).to.have.length(0);
  });

  it('names its organisation in system mode, and no other than the bound one elsewhere', async () => {
    await transaction(db, 'system', async em => emit(em, 'audit.checkpoint', {}, acme.id));
    expect((await events())[0]!.organizationId).to.equal(acme.id);
    const nobody = transaction(db, 'system', async em => emit(em, 'audit.checkpoint', {}));
    expect(await rejection(nobody)).to.be.instanceOf(TenancyViolation);
    const foreign = transaction(db, acme, async em => emit(em, 'key.created', {}, rival.id));
    expect(await rejection(foreign)).to.be.instanceOf(TenancyViolation);
  });
});
