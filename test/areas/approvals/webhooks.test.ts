import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect } from 'chai';
import { ApprovalWebhook, AuthorizationRequest } from '../../../src/areas/approvals/entities.ts';
import {
  listApprovalWebhooks,
  registerApprovalWebhook,
  removeApprovalWebhook,
} from '../../../src/areas/approvals/operations.ts';
import { signDetached } from '../../../src/core/detached-signature.ts';
import { registerApprovalWebhook as registerByOperator } from '../../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { ScriptedWebhook } from '../../kit/webhook.ts';
import { bothDoors, done, through } from '../through.ts';

/** A server that answers a challenge as a test says, and counts who comes. */
class ChallengedServer {
  answer: (challenge: string) => { status?: number; headers?: Record<string, string>; body: string } = () => ({
    body: '',
  });
  connections = 0;
  readonly challenges: string[] = [];
  readonly #server: Server;

  constructor(kit: Kit) {
    const { certificate: cert, key } = kit.set.server;
    this.#server = createServer({ cert, key }, async (request, response) => {
      const { challenge } = (await json(request)) as { challenge: string };
      this.challenges.push(challenge);
      const { status = 200, headers = {}, body } = this.answer(challenge);
      response.writeHead(status, headers).end(body);
    });
    this.#server.on('connection', () => this.connections++);
  }

  async listen(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('approval webhooks', () => {
  let kit: Kit;
  let server: ChallengedServer;
  before(async () => {
    kit = await startKit();
    server = await new ChallengedServer(kit).listen();
  });
  after(async () => {
    server.close();
    await kit.close();
  });

  const register = (url: string, tenant: Tenant = kit.tenant) =>
    through('rest', tenant, registerApprovalWebhook, { url });
  const listOf = async (tenant: Tenant) =>
    (await done('rest', tenant, listApprovalWebhooks)).approval_webhooks as {
      approval_webhook_id: string;
      url: string;
    }[];

  describe('are challenged before they count', () => {
    const url = (path: string) => `https://127.0.0.1:${server.port}/${path}`;
    const sign = (challenge: string, signer = kit.set.approver) => signDetached(signer.privateKey, challenge);

    it('and are registered when an approval certificate signs the challenge', async () => {
      server.answer = challenge => ({ body: JSON.stringify({ challenge, signature: sign(challenge) }) });
      const { output } = await register(url('good'));
      expect(output).to.include({ url: url('good') });
      expect((await listOf(kit.tenant)).map(each => each.url)).to.include(url('good'));
      expect(server.challenges.at(-1)).to.match(
        new RegExp(`^BASTION-APPROVAL-WEBHOOK\n${kit.tenant.id}\n[A-Za-z0-9_-]{32}$`),
      );
    });

    it('with a fresh text each time, and once each', async () => {
      const [first] = server.challenges;
      const { outcome } = await register(url('good'));
      expect(outcome).to.equal('conflict');
      expect(server.challenges.at(-1)).to.not.equal(first);
    });

    const wrong: Record<string, (challenge: string) => ReturnType<ChallengedServer['answer']>> = {
      'the signature is of the request certificate: who asks must not approve': challenge => ({
        body: JSON.stringify({ challenge, signature: sign(challenge, kit.set.partner) }),
      }),
      'the signature is of a certificate that is not registered': challenge => ({
        body: JSON.stringify({ challenge, signature: sign(challenge, kit.set.otherPartner) }),
      }),
      'another text is signed': () => ({
        body: JSON.stringify({ challenge: 'mine', signature: sign('mine') }),
      }),
      'the text comes back unsigned': challenge => ({ body: JSON.stringify({ challenge }) }),
      'the answer is no JSON': () => ({ body: '<html>' }),
      'the answer is not 200': challenge => ({
        status: 201,
        body: JSON.stringify({ challenge, signature: sign(challenge) }),
      }),
      'the answer leads elsewhere': () => ({ status: 307, headers: { Location: url('good') }, body: '' }),
      'the answer is over 16 KiB': challenge => ({
        body: JSON.stringify({ challenge, signature: sign(challenge), padding: 'x'.repeat(16 * 1024) }),
      }),
    };
    for (const [what, answer] of Object.entries(wrong)) {
      it(`and refused when ${what}`, async () => {
        server.answer = answer;
        const before = await listOf(kit.tenant);
        const { outcome, fields } = await register(url('wrong'));
        expect({ outcome, fields }).to.deep.equal({ outcome: 'validation_failed', fields: ['url'] });
        expect(await listOf(kit.tenant)).to.deep.equal(before);
      });
    }
  });

  describe('stand at public addresses over https', () => {
    let child: Tenant;
    before(async () => {
      child = await kit.organization('Child', { parent: await kit.organization('Parent') });
    });

    const refused = async (url: string, tenant: Tenant) => {
      const held = await kit.app.db.fork('system').count(AuthorizationRequest);
      for (const door of bothDoors) {
        const { outcome, fields } = await through(door, tenant, registerApprovalWebhook, { url });
        expect({ outcome, fields }, `${url} over ${door}`).to.deep.equal({
          outcome: 'validation_failed',
          fields: ['url'],
        });
      }
      const heldNow = await kit.app.db.fork('system').count(AuthorizationRequest);
      expect(heldNow, 'nobody is asked to approve what can never be').to.equal(held);
    };

    for (const host of [
      '127.0.0.1',
      'localhost',
      'approvals.localhost',
      '2130706433',
      '0x7f000001',
      '0x7f.1',
      '0177.0.0.1',
      '127.1',
      '0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[64:ff9b::7f00:1]',
    ]) {
      it(`not at our own, spelled ${host}, to which nothing connects`, async () => {
        const before = server.connections;
        await refused(`https://${host}:${server.port}/`, child);
        expect(server.connections).to.equal(before);
      });
    }

    it('not in private networks, nor where clouds keep credentials, even beside a block that an operator opened', async () => {
      for (const host of ['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', '[fd00::1]', '[fe80::1]']) {
        await refused(`https://${host}/`, kit.tenant);
      }
      for (const host of [
        '169.254.169.254',
        '0xa9fea9fe',
        '2852039166',
        '[::ffff:169.254.169.254]',
        '[fd00:ec2::254]',
      ]) {
        await refused(`https://${host}/latest/meta-data/`, kit.tenant);
      }
    });

    it('not with credentials in the URL', async () => {
      await refused(`https://user:word@127.0.0.1:${server.port}/`, kit.tenant);
      await refused('https://approvals.example.com@127.0.0.1/', child);
    });

    it('not by http or anything but https', async () => {
      for (const url of ['http://approvals.example.com/', 'ftp://approvals.example.com/', 'file:///etc/passwd']) {
        await refused(url, kit.tenant);
      }
    });

    it('and inherit no block that an operator opened for the organisation above', async () => {
      await refused(kit.responder.url, child);
    });
  });

  describe('can be removed', () => {
    async function watched(webhooks: number): Promise<Tenant> {
      const tenant = await kit.organization('Watched');
      for (let n = 1; n < webhooks; n++) {
        await registerByOperator(kit.app, tenant.id, { url: `${kit.responder.url}/${n}` });
      }
      return tenant;
    }

    for (const door of bothDoors) {
      it(`over ${door}, but for the last one`, async () => {
        const tenant = await watched(2);
        const [newer, older] = await listOf(tenant);
        const remove = (webhook: typeof newer) => {
          const { approval_webhook_id } = webhook!;
          return through(door, tenant, removeApprovalWebhook, { approval_webhook_id });
        };
        expect((await remove(newer)).output).to.include({ status: 'removed' });
        expect((await remove(newer)).outcome).to.equal('not_found');
        expect((await remove(older)).outcome).to.equal('conflict');
        expect((await listOf(tenant)).map(each => each.url)).to.deep.equal([kit.responder.url]);
      });
    }

    it('by two requests at once without both going', async () => {
      for (let round = 0; round < 5; round++) {
        const tenant = await watched(2);
        const ids = (await listOf(tenant)).map(({ approval_webhook_id }) => ({ approval_webhook_id }));
        const answers = await Promise.all(ids.map(id => through('rest', tenant, removeApprovalWebhook, id)));
        expect(answers.map(({ outcome }) => outcome).toSorted()).to.deep.equal(['conflict', 'ok']);
        const where = { organizationId: tenant.id };
        expect(await kit.app.db.fork('system').count(ApprovalWebhook, where)).to.equal(1);
      }
    });
  });

  it('are listed in pages, newest first, of the own organisation only', async () => {
    const tenant = await kit.organization('Paged');
    for (const n of [1, 2]) await registerByOperator(kit.app, tenant.id, { url: `${kit.responder.url}/${n}` });
    const first = await done('soap', tenant, listApprovalWebhooks, { limit: 2 });
    const last = await done('soap', tenant, listApprovalWebhooks, { limit: 2, cursor: first.next_cursor });
    const urls = [...first.approval_webhooks, ...last.approval_webhooks].map(({ url }) => url);
    expect(urls).to.deep.equal(['/2', '/1', ''].map(path => kit.responder.url + path));
    expect(last.next_cursor).to.equal(null);
  });

  it('are all asked [BAS-018]', async () => {
    const tenant = await kit.organization('Asked', { unapproved: true });
    const outOfOrder = () => ({ status: 503, body: '' });
    const webhooks = await Promise.all(
      [1, 2, 3].map(() => ScriptedWebhook.start(kit.set, kit.set.approver, outOfOrder)),
    );
    try {
      const allowPrivate = ['127.0.0.1/32'];
      for (const { url } of webhooks) await registerByOperator(kit.app, tenant.id, { url, allowPrivate });
      const wish = { name: 'x', scopes: ['org:read'] };
      const { body } = await tenant.rest.call('POST', '/v3/api-keys', wish, { prefer: 'respond-async' });
      await kit.settle();
      for (const { questions } of webhooks) {
        expect(questions[0]).to.include({ authorization_request_id: body.authorization_request_id });
      }
    } finally {
      for (const webhook of webhooks) webhook.close();
    }
  });
});
