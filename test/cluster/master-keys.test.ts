import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { CompiledQuery } from 'kysely';
import { Keyring } from '../../src/core/seal.ts';
import { writeBlob } from '../../src/db/blobs.ts';
import { sealedColumns } from '../../src/db/reseal.ts';
import { transaction } from '../../src/db/transaction.ts';
import { sealedValues, startResealing } from '../../src/resealing.ts';
import { type Kit, startKit } from '../kit/app.ts';
import { startNode } from '../kit/nodes.ts';

/** As docs/OPERATIONS.md tells the operator to do it, step by step. */
describe('the master key is rotated', function () {
  this.timeout(120_000);
  let kit: Kit;
  let old: string;
  const bytes = randomBytes(32);
  const fresh = `2:${bytes.toString('base64')}`;
  const many = 1500;
  const mail = {
    from: 'billing@acme.test',
    to: ['patient@example.com'],
    subject: 'Under the first key',
    body_html: '<p>Your latest statement is attached.</p>',
    attachments: [{ filename: 'a.txt', content_type: 'text/plain', content: 'aGVsbG8=' }],
  };
  const idempotencyKey = 'sealed-answer';
  const send = (node: Kit) => node.rest.call('POST', '/v3/secure-email/send', mail, { idempotencyKey });
  const subjectOn = async (node: Kit, id: string) =>
    (await node.rest.call('GET', `/v3/secure-email/${id}`)).body.subject;
  const status = () => sealedValues(kit.app.parts);
  const under = async (key: number) =>
    (await status()).sealed.filter(each => each.key === key).reduce((sum, { values }) => sum + values, 0);
  const opened: Kit[] = [];
  const nodeWith = async (masterKeys: string) => {
    const node = await startKit({ beside: kit, config: { masterKeys } });
    opened.push(node);
    return node;
  };

  before(async () => {
    kit = await startKit();
    old = kit.config.masterKeys!;
  });
  after(async () => {
    for (const node of opened) await node.close();
    await kit.close();
  });

  async function until(what: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 2000; i++) {
      if (await what()) return;
      await sleep(2);
    }
    throw new Error('it never came about');
  }

  it('while nodes serve and one is killed: nothing is lost, and the old key can go', async () => {
    const { body: sent } = await send(kit);
    const domain = await kit.rest.call('POST', `/v3/organizations/${kit.tenant.id}/domains`, { domain: 'sealed.test' });
    expect([typeof sent.message_id, domain.status]).to.deep.equal(['string', 200]);
    await kit.settle();
    await transaction(kit.app.db, { id: kit.tenant.id, path: kit.tenant.id }, async em => {
      for (let n = 0; n < many; n++) {
        await writeBlob(em, kit.app.services.keyring, kit.tenant.id, 'msg_1', Buffer.from(`blob ${n}`));
      }
    });
    const columns = sealedColumns(kit.app.db).map(({ table, column }) => `${table}.${column}`);
    const used = (await status()).sealed.map(({ table, column }) => `${table}.${column}`);
    expect(used, 'this test seals something in every sealed column').to.have.members(columns);

    // 1. Every node can read the new key; the old one still writes.
    const reader = await nodeWith(`${old},${fresh}`);
    expect(await subjectOn(reader, sent.message_id)).to.equal(mail.subject);
    await Promise.all([kit, reader].map(node => node.app.runner.stop()));

    // 2. The new key writes. A node that has not been restarted since reads what the first one writes.
    const writer = await nodeWith(`${fresh},${old}`);
    await writer.app.runner.stop();
    const { body: later } = await writer.rest.call(
      'POST',
      '/v3/secure-email/send',
      { ...mail, attachments: [] },
      {
        prefer: 'respond-async',
      },
    );
    expect(await under(2)).to.be.greaterThan(0);

    // 3. Everything is sealed anew; a node dies on the way.
    const killed = await startNode(kit, writer.config);
    const before = await under(2);
    await startResealing(writer.app.parts);
    await until(async () => (await under(2)) > before + 100);
    await killed.kill();
    const remaining = await under(1);
    expect(remaining, 'the node was killed on the way').to.be.greaterThan(0);
    const restarted = await startNode(kit, writer.config);
    await until(async () => (await under(1)) === 0);
    expect(await sealedValues(writer.app.parts)).to.deep.include({ writing: 2, removable: [1], missing: [] });
    await restarted.stop();

    // 4. The old key is gone.
    const last = await nodeWith(fresh);
    expect(await subjectOn(last, sent.message_id)).to.equal(mail.subject);
    expect((await send(last)).body.message_id, 'the stored answer').to.equal(sent.message_id);
    const held = await last.rest.call('GET', `/v3/authorization-requests/${later.authorization_request_id}`);
    expect(held.body.state).to.be.oneOf(['pending', 'executed', 'expired']);
    expect(await everyValueOpens()).to.be.greaterThan(many);
  });

  /** With the new key alone, each in its own place and in no other. */
  async function everyValueOpens(): Promise<number> {
    const keyring = new Keyring([{ id: 2, bytes }]);
    let count = 0;
    for (const { table, column } of sealedColumns(kit.app.db)) {
      const query = `select id, organization_id, ${column} as value from ${table} where ${column} is not null`;
      const { rows } = await kit.app.db
        .kysely()
        .executeQuery<{ id: string; organization_id: string; value: Uint8Array }>(CompiledQuery.raw(query));
      for (const { id: row, organization_id: organization, value } of rows) {
        const place = { table, column, row, organization };
        const sealed = Buffer.from(value);
        keyring.open(place, sealed);
        for (const part of ['table', 'column', 'row', 'organization'] as const) {
          expect(() => keyring.open({ ...place, [part]: 'another' }, sealed)).to.throw();
        }
        count += 1;
      }
    }
    return count;
  }
});
