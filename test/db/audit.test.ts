import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { expect } from 'chai';
import { AuditEvent, writeAudit } from '../../src/db/audit.ts';
import { AuditCheckpoint, AuditHead, AuditLink, type Checkpoint, chainAudit } from '../../src/db/audit-chain.ts';
import { verifyAudit } from '../../src/db/audit-verify.ts';
import type { Database, EntityManager } from '../../src/db/orm.ts';
import { OutboxEvent } from '../../src/db/outbox.ts';
import { restrict } from '../../src/db/restrict.ts';
import { TenancyViolation } from '../../src/db/tenancy.ts';
import { transaction } from '../../src/db/transaction.ts';
import { freshDatabase } from '../kit/database.ts';
import { rejection } from '../kit/rejection.ts';
import { acme, rival } from './entities.ts';

/** A signing certificate, as far as checkpoints know one. */
function newSigner(thumbprint: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    thumbprint,
    sign: (text: string) => sign(null, Buffer.from(text), privateKey).toString('base64'),
    verify: (text: string, signature: string) =>
      verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64')),
  };
}
const ours = newSigner('aa'.repeat(32));
const knowing = (...signers: (typeof ours)[]) => new Map(signers.map(({ thumbprint, verify }) => [thumbprint, verify]));

describe('the audit trail', () => {
  let now: Date;
  let db: Database;
  let close: () => Promise<void>;

  beforeEach(async () => {
    now = new Date();
    ({ db, close } = await freshDatabase([], { now: () => now }));
  });
  afterEach(() => close());

  const entry = (organizationId: string, operation: string) =>
    ({
      organizationId,
      occurredAt: now,
      requestId: 'req_1',
      operation,
      door: 'rest',
      outcome: 'done',
      actor: { kind: 'key', id: 'key_1', certificateThumbprint: 'ab'.repeat(32), address: '192.0.2.1' },
      target: 'pol_1',
      customerApprovalIds: ['CHG-1'],
      detail: { changed: ['name'], note: 'Ünïcode ☂', size: 1.5 },
    }) as const;

  async function write(tenant: typeof acme, ...operations: string[]): Promise<void> {
    for (const operation of operations) {
      await transaction(db, tenant, em => writeAudit(restrict(em, tenant.id), entry(tenant.id, operation)));
    }
  }

  const chain = (signer = ours) => chainAudit(db, signer, { checkpoint: 'now' });
  const report = (...anchors: Checkpoint[]) => verifyAudit(db, knowing(ours), anchors);
  const tamper = (work: (em: EntityManager) => Promise<unknown>) => transaction(db, 'system', work);

  /** Three events of acme, two of the rival, chained and signed. */
  async function history(): Promise<Checkpoint> {
    await write(acme, 'A', 'B', 'C');
    await write(rival, 'D', 'E');
    const checkpoints = await chain();
    return checkpoints.find(({ statement }) => statement.includes(acme.id))!;
  }

  it('keeps who did what, from where, and the customer approval id [BAS-021]', async () => {
    await write(acme, 'CreateKey');
    const [event] = await db.fork(acme).find(AuditEvent, {});
    expect(event).to.include({
      operation: 'CreateKey',
      actorId: 'key_1',
      address: '192.0.2.1',
      outcome: 'done',
      target: 'pol_1',
    });
    expect(event!.customerApprovalIds).to.deep.equal(['CHG-1']);
  });

  it('holds no row of a transaction that was rolled back', async () => {
    await rejection(
      transaction(db, acme, async em => {
        await writeAudit(em, entry(acme.id, 'Lost'));
        throw new Error('rolled back');
      }),
    );
    expect(await db.fork(acme).count(AuditEvent, {})).to.equal(0);
  });

  it('takes no row for another organisation from business code', async () => {
    const work = transaction(db, acme, em => writeAudit(restrict(em, acme.id), entry(rival.id, 'Planted')));
    expect(await rejection(work)).to.be.instanceOf(TenancyViolation);
  });

  it('numbers the rows of each organisation without gaps', async () => {
    await history();
    await write(acme, 'F');
    await chain();
    const links = await db
      .fork('system')
      .find(AuditLink, {}, { orderBy: [{ organizationId: 'asc' }, { sequence: 'asc' }] });
    const numbers = links.map(({ organizationId, sequence }) => `${organizationId} ${sequence}`);
    expect(numbers).to.deep.equal([
      'org_acme 1',
      'org_acme 2',
      'org_acme 3',
      'org_acme 4',
      'org_rival 1',
      'org_rival 2',
    ]);
  });

  it('is intact when nobody touched it, seen from the database and from an anchor', async () => {
    const anchor = await history();
    await write(acme, 'F');
    const found = await report(anchor);
    expect(found).to.deep.equal({
      intact: true,
      problems: [],
      organizations: [
        { id: 'org_acme', events: 3, unchained: 1 },
        { id: 'org_rival', events: 2, unchained: 0 },
      ],
    });
  });

  it('is chained by one node at a time, each row once', async () => {
    await write(acme, ...'ABCDEFGH');
    await Promise.all([chain(), chain(), chain()]);
    await chain();
    expect(await db.fork('system').count(AuditLink, {})).to.equal(8);
    expect((await report()).intact).to.equal(true);
  });

  it('signs a checkpoint at once, then at most one a minute, and sends it as an event', async () => {
    await write(acme, 'A');
    expect(await chainAudit(db, ours)).to.have.length(1);
    await write(acme, 'B');
    now = new Date(now.getTime() + 59_000);
    expect(await chainAudit(db, ours)).to.have.length(0);
    now = new Date(now.getTime() + 1000);
    const [checkpoint] = await chainAudit(db, ours);
    expect(JSON.parse(checkpoint!.statement)).to.include({ organization_id: 'org_acme', sequence: 2 });
    expect(ours.verify(checkpoint!.statement, checkpoint!.signature)).to.equal(true);
    const events = await db.fork(acme).find(OutboxEvent, { type: 'audit.checkpoint' }, { orderBy: { id: 'asc' } });
    expect(events[1]!.payload).to.deep.equal(checkpoint);
    expect(await chainAudit(db, ours)).to.have.length(0);
  });

  const manipulations: Record<string, (em: EntityManager) => Promise<unknown>> = {
    'a row was changed': em => em.nativeUpdate(AuditEvent, { operation: 'B' }, { actorId: 'key_2' }),
    'the detail of a row was changed': em => em.nativeUpdate(AuditEvent, { operation: 'B' }, { detail: {} }),
    'the time of a row was changed': em => em.nativeUpdate(AuditEvent, { operation: 'A' }, { occurredAt: new Date(0) }),
    'a row was given to another organisation': em =>
      em.nativeUpdate(AuditEvent, { operation: 'B' }, { organizationId: rival.id }),
    'a row was removed': em => em.nativeDelete(AuditEvent, { operation: 'B' }),
    'the last row was removed': em => em.nativeDelete(AuditEvent, { operation: 'C' }),
    'a row and its link were removed': async em => {
      const { id } = await em.findOneOrFail(AuditEvent, { operation: 'B' });
      await em.nativeDelete(AuditLink, { id });
      await em.nativeDelete(AuditEvent, { id });
    },
    'a row was marked as not yet chained': em => em.nativeUpdate(AuditEvent, { operation: 'C' }, { chained: false }),
    'a row was slipped in as chained': async em => {
      const id = await writeAudit(em, entry(acme.id, 'Forged'));
      await em.nativeUpdate(AuditEvent, { id }, { chained: true });
    },
    'the tail was cut off with its links': em => cutTail(em, acme.id, 1),
    'a checkpoint was rewritten': em =>
      em.nativeUpdate(AuditCheckpoint, { organizationId: acme.id }, { statement: '{"sequence":1}' }),
  };
  for (const [what, work] of Object.entries(manipulations)) {
    it(`shows that ${what}`, async () => {
      await history();
      await tamper(work);
      const found = await report();
      expect(found.intact).to.equal(false);
      expect(found.problems).to.not.be.empty;
    });
  }

  it('shows by an anchor that a tail was cut off together with its checkpoints and head', async () => {
    const anchor = await history();
    await tamper(async em => {
      await cutTail(em, acme.id, 1);
      await em.nativeDelete(AuditCheckpoint, { organizationId: acme.id });
    });
    expect((await report()).intact).to.equal(true);
    expect((await report(anchor)).problems).to.deep.equal(['org_acme: signed up to 3, but the chain ends at 1']);
  });

  it('shows by an anchor that the whole chain was made anew', async () => {
    const anchor = await history();
    await tamper(async em => {
      await em.nativeDelete(AuditLink, {});
      await em.nativeDelete(AuditHead, {});
      await em.nativeDelete(AuditCheckpoint, {});
      await em.nativeUpdate(AuditEvent, {}, { chained: false });
      await em.nativeUpdate(AuditEvent, { operation: 'B' }, { actorId: 'key_2' });
    });
    await chain();
    expect((await report()).intact).to.equal(true);
    expect((await report(anchor)).problems).to.deep.equal(['org_acme: the chain at 3 is not the one that was signed']);
  });

  it('shows by an anchor that an organisation lost all of its rows', async () => {
    const anchor = await history();
    await tamper(async em => {
      const where = { organizationId: acme.id };
      await em.nativeDelete(AuditEvent, where);
      await em.nativeDelete(AuditLink, where);
      await em.nativeDelete(AuditCheckpoint, where);
      await em.nativeDelete(AuditHead, { organization: acme.id });
    });
    expect((await report(anchor)).intact).to.equal(false);
  });

  describe('after the signing certificate was rotated', () => {
    const next = newSigner('bb'.repeat(32));
    const rotated = (...anchors: Checkpoint[]) => verifyAudit(db, knowing(ours, next), anchors);
    let anchor: Checkpoint;
    beforeEach(async () => {
      anchor = await history();
      await write(acme, 'F', 'G');
      await chain(next);
    });

    it('is intact, with what the earlier one signed', async () => {
      const { intact, organizations } = await rotated(anchor);
      expect({ intact, events: organizations.map(({ events }) => events) }).to.deep.equal({
        intact: true,
        events: [5, 2],
      });
    });

    it('says which certificate is wanted, and is not intact without it', async () => {
      const { intact, problems } = await verifyAudit(db, knowing(next));
      expect(intact).to.equal(false);
      expect(problems).to.have.length(2);
      expect(problems[0]).to.include(`signed by certificate ${ours.thumbprint}`);
    });

    for (const [when, operation] of [
      ['before', 'A'],
      ['after', 'G'],
    ]) {
      it(`shows that a row from ${when} was changed`, async () => {
        await tamper(em => em.nativeUpdate(AuditEvent, { operation }, { actorId: 'key_2' }));
        expect((await rotated()).intact).to.equal(false);
      });
    }

    it('shows that it was cut off, by an anchor of either certificate', async () => {
      const later = await db
        .fork('system')
        .find(AuditCheckpoint, { organizationId: acme.id }, { orderBy: { id: 'desc' } });
      await tamper(async em => {
        await cutTail(em, acme.id, 1);
        await em.nativeDelete(AuditCheckpoint, { organizationId: acme.id });
      });
      expect((await rotated()).intact).to.equal(true);
      for (const kept of [anchor, later[0]!]) expect((await rotated(kept)).intact).to.equal(false);
    });

    it('believes no checkpoint by a certificate that somebody brought along, under whatever thumbprint', async () => {
      for (const thumbprint of ['cc'.repeat(32), next.thumbprint]) {
        await write(rival, 'H');
        await chain({ ...newSigner(thumbprint) });
        expect((await rotated()).intact, thumbprint).to.equal(false);
        await tamper(em => em.nativeDelete(AuditCheckpoint, { organizationId: rival.id, sequence: { $gt: 2 } }));
        expect((await rotated()).intact).to.equal(true);
      }
    });
  });

  it('does not believe an anchor that somebody else signed', async () => {
    const anchor = await history();
    const stranger = generateKeyPairSync('ed25519').privateKey;
    const forged = { ...anchor, signature: sign(null, Buffer.from(anchor.statement), stranger).toString('base64') };
    expect((await report(forged)).problems[0]).to.contain('not signed by this Bastion');
  });
});

/** What somebody with the database in hand would do: remove all after `last` and set the head back. */
async function cutTail(em: EntityManager, organizationId: string, last: number): Promise<void> {
  const tail = await em.find(AuditLink, { organizationId, sequence: { $gt: last } });
  const ids = tail.map(link => link.id);
  const { hash } = await em.findOneOrFail(AuditLink, { organizationId, sequence: last });
  await em.nativeDelete(AuditLink, { id: { $in: ids } });
  await em.nativeDelete(AuditEvent, { id: { $in: ids } });
  await em.nativeUpdate(AuditHead, { organization: organizationId }, { sequence: last, hash });
}
