import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ApprovalWebhook, AuthorizationRequest } from '../../src/areas/approvals/entities.ts';
import { SecureMessage } from '../../src/areas/secure-email/entities.ts';
import { ask } from '../../src/run/ask.ts';
import { type Kit, startKit } from '../kit/app.ts';
import { type NodeProcess, startNode } from '../kit/nodes.ts';

const mail = (subject: string) => ({
  from: 'billing@acme.test',
  to: ['patient@example.com'],
  subject,
  body_html: '<p>Your latest statement is attached.</p>',
});

/** The kit's own node only looks on: its runner is stopped, so that the killed node's work waits for the restarted one. */
describe('a node that is killed', function () {
  this.timeout(60_000);
  let kit: Kit;
  let node: NodeProcess | undefined;

  before(async () => {
    kit = await startKit();
    await kit.app.runner.stop();
  });
  afterEach(async () => {
    kit.responder.decide = () => 'approve';
    await node?.stop();
    node = undefined;
  });
  after(() => kit.close());

  const messages = () => kit.app.db.fork('system').find(SecureMessage, {}, { orderBy: { id: 'asc' } });
  const states = async () => (await kit.app.db.fork('system').find(AuthorizationRequest, {})).map(row => row.state);
  const arrivals = (id: string) => kit.sink.mails.filter(each => each.raw.includes(`Message-ID: <${id}@`)).length;

  async function until(what: () => Promise<boolean>): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if (await what()) return;
      await sleep(50);
    }
    throw new Error('it never came about');
  }

  it('while approvals are asked for and executed: every message is queued exactly once and delivered', async () => {
    node = await startNode(kit);
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      const client = node.as(kit.tenant);
      const headers = { Prefer: 'respond-async' };
      const answers = await Promise.all(
        [1, 2, 3].map(i => client.call('POST', '/v3/secure-email/send', mail(`${round}.${i}`), { headers })),
      );
      expect(answers.map(answer => answer.status)).to.deep.equal([202, 202, 202]);
      // Somewhere between asking, approving, executing and delivering, each round a little later.
      await sleep(round * 15);
      await node.kill();
      node = await startNode(kit);
      await until(async () => !(await states()).some(state => state === 'pending' || state === 'approved'));
    }
    expect(new Set(await states())).to.deep.equal(new Set(['executed']));
    await until(async () => (await messages()).every(message => message.status === 'sent'));
    const sent = await messages();
    expect(sent).to.have.length(rounds * 3);
    for (const { id } of sent) expect(arrivals(id), id).to.be.within(1, 2);
  });

  it('between approval and execution: of two nodes that start, one executes, once', async () => {
    const before = (await messages()).length;
    const headers = { Prefer: 'respond-async' };
    const { body } = await kit.rest.call('POST', '/v3/secure-email/send', mail('approved, not executed'), { headers });
    const id = body.authorization_request_id;
    const webhook = await kit.app.db.fork('system').findOneOrFail(ApprovalWebhook, { organizationId: kit.tenant.id });
    // All that the dead node got done: the approval is recorded, the execution is a job that nobody has taken.
    await ask(kit.app.parts, { authorization_request_id: id, webhook_id: webhook.id, attempt: 1 });
    const stateOf = async () => (await kit.app.db.fork('system').findOneOrFail(AuthorizationRequest, { id })).state;
    expect(await stateOf()).to.equal('approved');
    node = await startNode(kit);
    const other = await startNode(kit);
    await until(async () => (await stateOf()) === 'executed');
    await until(async () => (await messages()).every(message => message.status === 'sent'));
    await other.stop();
    const sent = await messages();
    expect(sent).to.have.length(before + 1);
    expect(arrivals(sent.at(-1)!.id)).to.equal(1);
  });

  it('with a mail in flight: it is delivered after the restart, under the same Message-ID', async () => {
    node = await startNode(kit);
    const before = (await messages()).length;
    let killed: Promise<void> | undefined;
    kit.sinkRules.message = () => {
      killed ??= node!.kill();
      return undefined;
    };
    await node
      .as(kit.tenant)
      .call('POST', '/v3/secure-email/send', mail('in flight'), { headers: { Prefer: 'respond-async' } });
    await until(async () => killed !== undefined);
    await killed;
    kit.sinkRules.message = undefined;
    node = await startNode(kit);
    await until(async () => (await messages()).every(message => message.status === 'sent'));
    const sent = await messages();
    expect(sent).to.have.length(before + 1);
    expect(arrivals(sent.at(-1)!.id)).to.be.within(1, 2);
  });
});
