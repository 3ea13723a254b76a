import { expect } from 'chai';
import PostalMime from 'postal-mime';
import { DlpPolicy } from '../../../src/areas/dlp/entities.ts';
import { Organization } from '../../../src/areas/organizations/entities.ts';
import { SecureMessage } from '../../../src/areas/secure-email/entities.ts';
import { getSecureEmail, sendSecureEmail } from '../../../src/areas/secure-email/operations.ts';
import { newId } from '../../../src/core/ids.ts';
import { refusalFrom } from '../../kit/refusal.ts';
import { startSink } from '../../kit/smtp-sink.ts';
import { PostRoom, type Tenant } from './post-room.ts';

const mail = {
  from: 'billing@stonebridge.example',
  to: ['patient@example.com'],
  subject: 'Your statement',
  body_html: '<p>Your latest statement is attached.</p>',
};
const attachment = {
  filename: 'a.pdf',
  content_type: 'application/pdf',
  content: Buffer.from('%PDF').toString('base64'),
};

describe('sending secure mail', () => {
  let room: PostRoom;
  let tenant: Tenant;
  let other: Tenant;

  before(async () => {
    room = await PostRoom.open();
    tenant = await room.tenant('stonebridge.example');
    other = await room.tenant('globex.example');
  });
  after(() => room.close());
  beforeEach(() => {
    room.waiting.length = 0;
    room.events.length = 0;
  });

  const send = (change: object = {}) => room.call(sendSecureEmail, tenant, { ...mail, ...change });
  const refused = async (change: object) => (await refusalFrom(send(change))).errors[0];

  async function policy(onMatch: DlpPolicy['onMatch'], profileId: string | null = null): Promise<string> {
    const id = newId('pol');
    await room.act(tenant, async ({ em, now }) => {
      em.create(DlpPolicy, { id, name: onMatch, onMatch, profileId, createdAt: now });
    });
    return id;
  }

  it('answers with every documented member, and queues one delivery', async () => {
    const answer = await send({ expires_in: 604_800, allow_recall: false });
    expect(answer).to.deep.equal({
      message_id: answer.message_id,
      status: 'queued',
      delivery_method: 'tls',
      dlp_action: 'encrypt',
      expires_at: '2026-07-09T14:03:00Z',
      allow_recall: false,
    });
    expect(room.waiting.map(({ data }) => data.message_id)).to.deep.equal([answer.message_id]);
  });

  it('expires after 30 days and may be recalled unless said otherwise', async () => {
    expect(await send()).to.include({ expires_at: '2026-08-01T14:03:00Z', allow_recall: true });
  });

  it('refuses a sender on no verified domain of the organisation [BAS-101]', async () => {
    for (const from of ['x@claimed.stonebridge.example', 'x@globex.example', 'x@elsewhere.example']) {
      expect(await refused({ from }), from).to.include({ field: 'from', code: 'sender_not_verified' });
    }
  });

  it('takes the sender’s domain in any case [BAS-101]', async () => {
    expect(await send({ from: 'Billing@STONEBRIDGE.example' })).to.include({ status: 'queued' });
  });

  it('needs at least one recipient and takes at most 100 [BAS-102]', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `r${index}@example.com`);
    const fits = (to: string[]) => sendSecureEmail.input.safeParse({ ...mail, to }).success;
    expect([fits([]), fits(many(1)), fits(many(100)), fits(many(101))]).to.deep.equal([false, true, true, false]);
  });

  it('refuses a subject of two lines: it would be a header of the sender’s choice', () => {
    const subject = 'Hello\r\nBcc: everybody@example.com';
    expect(sendSecureEmail.input.safeParse({ ...mail, subject }).success).to.equal(false);
  });

  it('applies the organisation’s default policy when none is named [BAS-103]', async () => {
    await send();
    await room.act(tenant, async ({ em }) => {
      const { settings } = await em.findOneOrFail(Organization, { id: tenant.id });
      const id = String(settings.default_dlp_policy);
      expect(await em.findOneOrFail(DlpPolicy, { id })).to.include({ name: 'Default', onMatch: 'encrypt' });
    });
    const allowing = await policy('allow');
    const choose = (id: string) =>
      room.act(tenant, async ({ em }) => {
        const organization = await em.findOneOrFail(Organization, { id: tenant.id });
        const before = organization.settings;
        organization.settings = { ...before, default_dlp_policy: id };
        return String(before.default_dlp_policy);
      });
    const standard = await choose(allowing);
    expect(await send()).to.include({ dlp_action: 'allow' });
    await choose(standard);
  });

  it('refuses a policy that is unknown, or another organisation’s', async () => {
    const foreign = newId('pol');
    await room.act(other, async ({ em, now }) => {
      em.create(DlpPolicy, { id: foreign, name: 'x', onMatch: 'allow', profileId: null, createdAt: now });
    });
    const unknown = await refused({ policy: 'pol_hipaa_default' });
    expect(unknown).to.include({ field: 'policy', code: 'unknown' });
    expect(await refused({ policy: foreign })).to.deep.equal(unknown);
  });

  it('refuses what the policy blocks, and stores nothing [BAS-099]', async () => {
    const count = () => room.act(tenant, ({ em }) => em.count(SecureMessage, {}));
    const before = await count();
    expect(await refused({ policy: await policy('block') })).to.include({ field: 'policy', code: 'blocked_by_policy' });
    expect(await count()).to.equal(before);
    expect(room.waiting).to.deep.equal([]);
  });

  it('keeps what the policy quarantines, and does not send it [BAS-099]', async () => {
    const answer = await send({ policy: await policy('quarantine') });
    expect(answer).to.include({ status: 'quarantined', dlp_action: 'quarantine' });
    expect(room.waiting).to.deep.equal([]);
    expect(await room.call(getSecureEmail, tenant, { message_id: answer.message_id })).to.include({
      status: 'quarantined',
    });
  });

  it('refuses content that a policy wants scanned rather than passing it on unscanned [BAS-099]', async () => {
    const scanned = await policy('encrypt', 'prof_hipaa');
    expect((await refusalFrom(send({ policy: scanned }))).code).to.equal('unavailable');
  });

  it('stores subject, body and attachments sealed: no row holds their text', async () => {
    const subject = 'A subject nobody may read';
    const { message_id } = await send({ subject, attachments: [{ ...attachment, filename: 'secret-name.pdf' }] });
    await room.act(tenant, async ({ em }) => {
      const row = await em.findOneOrFail(SecureMessage, { id: String(message_id) });
      const stored = Buffer.concat([row.subject, row.attachments]).toString('latin1');
      expect(stored).to.not.contain('nobody').and.not.contain('secret-name');
    });
  });

  it('shows a message to its organisation, and 404 to another', async () => {
    const { message_id } = await send({ subject: 'Größe' });
    const shown = await room.call(getSecureEmail, tenant, { message_id });
    expect(shown).to.deep.include({ message_id, subject: 'Größe', attempts: 0, from: mail.from });
    expect(shown.events).to.deep.equal([{ type: 'queued', recipient: null, reply: null, at: '2026-07-02T14:03:00Z' }]);
    const foreign = await refusalFrom(room.call(getSecureEmail, other, { message_id }));
    const missing = await refusalFrom(room.call(getSecureEmail, tenant, { message_id: newId('msg') }));
    expect([foreign.code, foreign.message]).to.deep.equal([missing.code, missing.message]);
  });

  describe('its delivery', () => {
    let close = async () => {};
    afterEach(() => close());

    async function relay(setup: Parameters<typeof startSink>[0] = {}) {
      const started = await startSink(setup);
      close = () => started.sink.close();
      return room.use(started);
    }

    const shown = async (message_id: unknown) => {
      const { status, recipients, events, attempts } = (await room.call(getSecureEmail, tenant, { message_id })) as {
        status: string;
        recipients: { status: string; reply: string | null }[];
        events: { type: string }[];
        attempts: number;
      };
      return { status, each: recipients.map(one => one.status), trail: events.map(({ type }) => type), attempts };
    };

    it('reaches the relay as it was sent, signed by the domain’s key, and is told as an event', async () => {
      const sink = await relay();
      const { message_id } = await send({ attachments: [attachment] });
      await room.deliver();
      const read = await new PostalMime().parse(sink.mails[0]!.raw);
      expect(read.messageId).to.equal(`<${message_id}@stonebridge.example>`);
      expect(Buffer.from(read.attachments[0]!.content as ArrayBuffer).toString()).to.equal('%PDF');
      expect(sink.mails[0]!.raw.toString('latin1')).to.match(/^DKIM-Signature: [^:]*\sd=stonebridge\.example; s=b1;/);
      expect(await shown(message_id)).to.deep.equal({
        status: 'sent',
        each: ['delivered'],
        trail: ['queued', 'attempted', 'delivered'],
        attempts: 1,
      });
      const recipient = 'patient@example.com';
      expect(room.events).to.deep.equal([
        { type: 'message.delivered', payload: { message_id, recipient, attempt: 1 } },
      ]);
      expect(room.waiting).to.deep.equal([]);
    });

    it('is tried again after a deferral, for the recipients that are open', async () => {
      let busy = true;
      const sink = await relay({ recipient: to => (busy && to.startsWith('slow') ? '450 4.2.0 later' : undefined) });
      const { message_id } = await send({ to: ['fast@example.com', 'slow@example.com'] });
      await room.deliver();
      expect(await shown(message_id)).to.deep.include({ status: 'queued', each: ['delivered', 'deferred'] });
      expect(room.waiting[0]!.at).to.deep.equal(new Date(room.now.getTime() + 15_000));
      busy = false;
      await room.deliver();
      expect(await shown(message_id)).to.deep.include({ status: 'sent', each: ['delivered', 'delivered'] });
      expect(sink.mails.map(({ to }) => to)).to.deep.equal([['fast@example.com'], ['slow@example.com']]);
    });

    it('is failed and told as bounced when the relay refuses', async () => {
      await relay({ recipient: () => '550 5.1.1 no such user' });
      const { message_id } = await send();
      await room.deliver();
      expect(await shown(message_id)).to.deep.include({ status: 'failed', each: ['failed'] });
      expect(room.events[0]).to.deep.include({ type: 'message.bounced' });
      expect(room.events[0]!.payload).to.include({ reply: '550 5.1.1 no such user' });
      expect(room.waiting).to.deep.equal([]);
    });

    it('says uncertain after a lost reply, and sends the same mail again', async () => {
      let first = true;
      const sink = await relay({
        message: () => {
          const said = first ? 'lose' : undefined;
          first = false;
          return said;
        },
      });
      const { message_id } = await send();
      await room.deliver();
      expect(await shown(message_id)).to.deep.include({ status: 'uncertain', each: ['uncertain'] });
      await room.deliver();
      expect(await shown(message_id)).to.deep.equal({
        status: 'sent',
        each: ['delivered'],
        trail: ['queued', 'attempted', 'uncertain', 'attempted', 'delivered'],
        attempts: 2,
      });
      expect(sink.mails).to.have.length(2);
      expect(sink.mails[0]!.raw.equals(sink.mails[1]!.raw)).to.equal(true);
    });

    it('resumes after a kill before the mail left: it arrives once', async () => {
      const sink = await relay();
      const { message_id } = await send();
      const { data } = room.waiting.shift()!;
      await room.deliver({ jobId: 'job_1', data, crash: 'after the claim' });
      expect(await shown(message_id)).to.deep.include({ status: 'sending' });
      await room.deliver({ jobId: 'job_1', data });
      expect(await shown(message_id)).to.deep.include({ status: 'sent', attempts: 2 });
      expect(sink.mails).to.have.length(1);
    });

    it('resumes after a kill with the mail in flight: it may arrive twice, under one Message-ID, and the trail says so', async () => {
      const sink = await relay();
      const { message_id } = await send();
      const { data } = room.waiting.shift()!;
      await room.deliver({ jobId: 'job_2', data, crash: 'before the result' });
      await room.deliver({ jobId: 'job_2', data });
      expect(await shown(message_id)).to.deep.equal({
        status: 'sent',
        each: ['delivered'],
        trail: ['queued', 'attempted', 'uncertain', 'attempted', 'delivered'],
        attempts: 2,
      });
      expect(sink.mails[0]!.raw.equals(sink.mails[1]!.raw)).to.equal(true);
      expect(room.events).to.have.length(1);
    });

    it('reaches nobody after it expired, however long the server was down [BAS-104]', async () => {
      const sink = await relay();
      const { message_id } = await send({ expires_in: 60 });
      const began = room.now;
      room.now = new Date(began.getTime() + 60_000);
      await room.deliver();
      room.now = began;
      expect(sink.mails).to.have.length(0);
      expect(await shown(message_id)).to.deep.include({ status: 'failed', trail: ['queued', 'failed'], attempts: 0 });
      expect(room.events[0]).to.deep.include({ type: 'message.bounced' });
      expect(room.waiting).to.deep.equal([]);
    });

    it('stays uncertain when it was cut off in flight and expired before the restart', async () => {
      const sink = await relay();
      const { message_id } = await send({ expires_in: 60 });
      const { data } = room.waiting.shift()!;
      await room.deliver({ jobId: 'job_6', data, crash: 'before the result' });
      const began = room.now;
      room.now = new Date(began.getTime() + 60_000);
      await room.deliver({ jobId: 'job_6', data });
      room.now = began;
      expect(await shown(message_id)).to.deep.include({ status: 'uncertain', each: ['uncertain'], attempts: 1 });
      expect(sink.mails).to.have.length(1);
    });

    it('waits while its organisation is suspended, and leaves afterwards', async () => {
      const sink = await relay();
      const { message_id } = await send();
      const become = (status: 'active' | 'suspended') =>
        room.act(tenant, async ({ em }) => {
          (await em.findOneOrFail(Organization, { id: tenant.id })).status = status;
        });
      await become('suspended');
      await room.deliver();
      expect(await shown(message_id)).to.deep.include({ status: 'queued', attempts: 0 });
      await become('active');
      await room.deliver();
      expect(await shown(message_id)).to.deep.include({ status: 'sent', attempts: 1 });
      expect(sink.mails).to.have.length(1);
    });

    it('does nothing when a job runs again after its result was written', async () => {
      const sink = await relay();
      await send();
      const { data } = room.waiting.shift()!;
      await room.deliver({ data });
      await room.deliver({ data });
      expect(sink.mails).to.have.length(1);
    });

    it('leaves a mail alone that another job is sending', async () => {
      const sink = await relay();
      const { message_id } = await send();
      const { data } = room.waiting.shift()!;
      await room.deliver({ jobId: 'job_3', data, crash: 'after the claim' });
      await room.deliver({ jobId: 'job_4', data });
      expect(await shown(message_id)).to.deep.include({ status: 'sending', attempts: 1 });
      expect(sink.mails).to.have.length(0);
    });

    it('drops the late result of an attempt that was given up for dead', async () => {
      let release = () => {};
      let slow = true;
      const stalled = new Promise<void>(resolve => {
        release = resolve;
      });
      const sink = await relay({
        message: async () => {
          if (!slow) return undefined;
          slow = false;
          await stalled;
          return '554 5.6.0 too late';
        },
      });
      const { message_id } = await send();
      const { data } = room.waiting.shift()!;
      const zombie = room.deliver({ jobId: 'job_5', data });
      while (slow) await new Promise(resolve => setTimeout(resolve, 10));
      await room.deliver({ jobId: 'job_5', data });
      release();
      await zombie;
      expect(await shown(message_id)).to.deep.include({ status: 'sent', attempts: 2 });
      expect(sink.mails).to.have.length(1);
    });
  });
});
