import { createHash } from 'node:crypto';
import { expect } from 'chai';
import PostalMime from 'postal-mime';
import { newId } from '../../../src/core/ids.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';

const content = Buffer.from('%PDF-1.7 statement');
const mail = {
  from: 'billing@acme.test',
  to: ['patient@example.com'],
  subject: 'Your statement',
  body_html: '<p>Your latest statement is attached.</p>',
  expires_in: 604_800,
  allow_recall: true,
  attachments: [{ filename: 'a.pdf', content_type: 'application/pdf', content: content.toString('base64') }],
};

interface Answer {
  status: number;
  output: Record<string, unknown> | undefined;
  code: string | undefined;
  fields: string[];
}

/** The same call through either door, answered in the same shape. */
const doors = {
  async REST(tenant: Tenant, operation: 'SendSecureEmail' | 'GetSecureEmail', input: Record<string, unknown>) {
    const { status, body } =
      operation === 'SendSecureEmail'
        ? await tenant.rest.call('POST', '/v3/secure-email/send', input)
        : await tenant.rest.call('GET', `/v3/secure-email/${input.message_id}`);
    const { request_id: _, ...output } = body;
    const fields = (body.errors ?? []).map(({ field }: { field: string }) => field);
    return { status, output: status === 200 ? output : undefined, code: body.error, fields } as Answer;
  },
  async SOAP(tenant: Tenant, operation: 'SendSecureEmail' | 'GetSecureEmail', input: Record<string, unknown>) {
    const { status, output, fault } = await tenant.soap.call(operation, input);
    const fields = (fault?.errors ?? []).map(({ field }) => field);
    return { status, output, code: fault?.error, fields } as Answer;
  },
};

describe('secure mail through the doors', () => {
  let kit: Kit;
  let other: Tenant;
  let reader: Tenant;

  before(async () => {
    kit = await startKit();
    other = await kit.organization('Globex', { certificate: kit.set.otherPartner, domain: 'globex.test' });
    reader = await kit.organization('Reader', {
      parent: kit.tenant,
      scopes: ['secure_email:read'],
      domain: 'reader.test',
    });
  });
  after(() => kit.close());

  for (const [door, call] of Object.entries(doors)) {
    describe(door, () => {
      it('sends: approved, delivered over TLS, and told in the trail [BAS-012]', async () => {
        const asked = kit.responder.requests.length;
        const { output } = await call(kit.tenant, 'SendSecureEmail', mail);
        expect(output).to.include({
          status: 'queued',
          delivery_method: 'tls',
          dlp_action: 'encrypt',
          allow_recall: true,
        });
        expect(kit.responder.requests[asked]).to.include({
          operation: 'SendSecureEmail',
          verified: true,
          digestHolds: true,
        });
        await kit.settle();
        const message_id = String(output!.message_id);
        const sunk = kit.sink.mails.find(({ raw }) => raw.includes(`Message-ID: <${message_id}@acme.test>`))!;
        expect(sunk.tls).to.equal(true);
        const { attachments } = await new PostalMime().parse(sunk.raw);
        expect(Buffer.from(attachments[0]!.content as ArrayBuffer).equals(content)).to.equal(true);
        const { output: shown } = await call(kit.tenant, 'GetSecureEmail', { message_id });
        expect(shown).to.include({ status: 'sent', subject: mail.subject, attempts: 1 });
        expect((shown!.events as { type: string }[]).map(({ type }) => type)).to.deep.equal([
          'queued',
          'attempted',
          'delivered',
        ]);
      });

      it('shows the approver the attachment as a hash, never its octets', async () => {
        await call(kit.tenant, 'SendSecureEmail', mail);
        const { authorization } = kit.responder.requests.at(-1)!;
        expect(authorization).to.contain(createHash('sha256').update(content).digest('hex'));
        expect(authorization).to.not.contain(content.toString('base64'));
      });

      it('sends nothing that the approval webhook denies [BAS-013]', async () => {
        await kit.settle();
        const before = kit.sink.mails.length;
        kit.responder.decide = () => 'deny';
        const { code } = await call(kit.tenant, 'SendSecureEmail', { ...mail, subject: `Denied over ${door}` });
        kit.responder.decide = () => 'approve';
        await kit.settle();
        expect({ code, mails: kit.sink.mails.length }).to.deep.equal({ code: 'approval_denied', mails: before });
      });

      it('refuses a key without the scope [BAS-030]', async () => {
        const input = { ...mail, from: 'x@reader.test' };
        expect((await call(reader, 'SendSecureEmail', input)).code).to.equal('scope_missing');
      });

      it('refuses a sender on another organisation’s domain, by its field [BAS-101]', async () => {
        const { code, fields } = await call(kit.tenant, 'SendSecureEmail', { ...mail, from: 'ceo@globex.test' });
        expect({ code, fields }).to.deep.equal({ code: 'validation_failed', fields: ['from'] });
      });

      it('refuses what breaks a rule before anybody is asked to approve it [BAS-032]', async () => {
        const asked = kit.responder.requests.length;
        const wrong: [Record<string, unknown>, string][] = [
          [{ to: ['not an address'] }, 'to.0'],
          [{ expires_in: 59 }, door === 'REST' ? 'expires_in' : 'expiresIn'],
          [{ subject: 'two\nlines' }, 'subject'],
        ];
        for (const [change, field] of wrong) {
          const { code, fields } = await call(kit.tenant, 'SendSecureEmail', { ...mail, ...change });
          expect({ code, fields }).to.deep.equal({ code: 'validation_failed', fields: [field] });
        }
        expect(kit.responder.requests.length).to.equal(asked);
      });

      it('answers for another organisation’s message as for one that never was [BAS-031]', async () => {
        const { output } = await call(kit.tenant, 'SendSecureEmail', { ...mail, subject: `Private over ${door}` });
        const foreign = await call(other, 'GetSecureEmail', { message_id: output!.message_id });
        const missing = await call(other, 'GetSecureEmail', { message_id: newId('msg') });
        expect(foreign.code).to.equal('not_found');
        expect(foreign).to.deep.equal(missing);
      });
    });
  }

  it('shows one message alike through both', async () => {
    const { output } = await doors.REST(kit.tenant, 'SendSecureEmail', { ...mail, subject: 'Größe “alike” <&>' });
    await kit.settle();
    const shown = await doors.REST(kit.tenant, 'GetSecureEmail', { message_id: output!.message_id });
    expect((await doors.SOAP(kit.tenant, 'GetSecureEmail', { message_id: output!.message_id })).output).to.deep.equal(
      shown.output,
    );
  });

  it('sends once for one Idempotency-Key, and answers the retry alike', async () => {
    const again = () => kit.rest.call('POST', '/v3/secure-email/send', mail, { idempotencyKey: 'send-once-0001' });
    const [first, second] = [await again(), await again()];
    await kit.settle();
    expect(second.body.message_id).to.equal(first.body.message_id);
    const copies = kit.sink.mails.filter(({ raw }) => raw.includes(`Message-ID: <${first.body.message_id}@`));
    expect(copies).to.have.length(1);
  });
});
