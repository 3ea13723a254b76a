import { expect } from 'chai';
import { ApprovalWebhook, AuthorizationRequest } from '../../src/areas/approvals/entities.ts';
import { Blob, BlobChunk } from '../../src/db/blobs.ts';
import { registerApprovalWebhook } from '../../src/operator.ts';
import { sweepJob } from '../../src/run/job-names.ts';
import { approvalJobs } from '../../src/run/jobs.ts';
import { type Kit, startKit } from '../kit/app.ts';
import { approval, ScriptedWebhook } from '../kit/webhook.ts';

describe('the input of a held request', () => {
  let kit: Kit;
  let webhook: ScriptedWebhook;
  let address = 0;
  before(async () => {
    kit = await startKit();
    webhook = await ScriptedWebhook.start(kit.set, kit.set.approver, () => 'silence');
    await registerApprovalWebhook(kit.app, kit.tenant.id, { url: webhook.url });
    await system().nativeDelete(ApprovalWebhook, { url: kit.responder.url });
  });
  after(async () => {
    webhook.close();
    await kit.close();
  });

  const system = () => kit.app.db.fork('system');
  const rowOf = (id: string) => system().findOneOrFail(AuthorizationRequest, { id });
  const pathOf = (id: string) => `/v3/authorization-requests/${id}`;
  const read = (id: string) => kit.rest.call('GET', pathOf(id));
  /** The blob's rows and those of its chunks. */
  const kept = async ({ inputBlob }: AuthorizationRequest) => [
    await system().count(Blob, { id: inputBlob }),
    await system().count(BlobChunk, { blobId: inputBlob }),
  ];
  const hold = async (cidr = `203.0.113.${++address}/32`) => {
    const answer = await kit.rest.call('POST', '/v3/allowed-addresses', { cidr }, { prefer: 'respond-async' });
    expect(answer.status).to.equal(202);
    return String(answer.body.authorization_request_id);
  };
  const sweep = () =>
    approvalJobs(kit.app.parts)
      .find(({ name }) => name === sweepJob)!
      .handle({} as never, {});
  const waits = async () => {
    webhook.say = () => 'silence';
    const id = await hold();
    expect(await kept(await rowOf(id))).to.deep.equal([1, 1]);
    return id;
  };

  const ends: Record<string, () => Promise<string>> = {
    executed: async () => {
      webhook.say = question => approval(question, kit.set.approver);
      const id = await hold();
      await kit.settle();
      return id;
    },
    denied: async () => {
      webhook.say = question => approval(question, kit.set.approver, { decision: 'denied' });
      const id = await hold();
      await kit.settle();
      return id;
    },
    failed: async () => {
      webhook.say = question => approval(question, kit.set.approver);
      const id = await hold('not a block');
      await kit.settle();
      return id;
    },
    cancelled: async () => {
      const id = await waits();
      await kit.rest.call('DELETE', pathOf(id));
      return id;
    },
    lapsed: async () => {
      const id = await waits();
      const long = new Date(Date.now() - 11 * 60_000);
      await system().nativeUpdate(AuthorizationRequest, { id }, { state: 'approved', decidedAt: long });
      await kit.app.run.resume(id);
      return id;
    },
  };
  for (const [state, ended] of Object.entries(ends)) {
    it(`is gone once it is ${state}, and what came of it stays readable`, async () => {
      const id = await ended();
      const row = await rowOf(id);
      expect(row.state).to.equal(state);
      expect(await kept(row)).to.deep.equal([0, 0]);
      const { body } = await read(id);
      expect(body.state).to.equal(state);
      expect(state === 'executed' ? body.result : body.error).to.be.a('string');
    });
  }

  for (const [state, change] of [
    ['expired', { expiresAt: new Date(Date.now() - 1000) }],
    ['lapsed', { state: 'approved', decidedAt: new Date(Date.now() - 11 * 60_000) }],
  ] as const) {
    it(`goes with the sweep when nobody waited to see it ${state}`, async () => {
      const id = await waits();
      await system().nativeUpdate(AuthorizationRequest, { id }, change);
      await sweep();
      const row = await rowOf(id);
      expect(row.state).to.equal(state);
      expect(await kept(row)).to.deep.equal([0, 0]);
    });
  }

  it('stays while it waits, and while what was approved is not carried out', async () => {
    const id = await waits();
    await sweep();
    expect(await kept(await rowOf(id))).to.deep.equal([1, 1]);
    await system().nativeUpdate(AuthorizationRequest, { id }, { state: 'approved', decidedAt: new Date() });
    await sweep();
    expect(await kept(await rowOf(id))).to.deep.equal([1, 1]);
    await kit.app.run.resume(id);
    expect((await rowOf(id)).state).to.equal('executed');
  });
});
