import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { CompiledQuery } from 'kysely';
import { canonicalJson } from '../../../src/core/canonical-json.ts';
import { type Kit, startKit } from '../../kit/app.ts';

describe('whoever reads the database without the master key', () => {
  let kit: Kit;
  /** Every column of every table, as text. */
  let everything: string;
  const marks = Object.fromEntries(
    ['body', 'subject', 'file', 'filename', 'held'].map(what => [what, `${what}-${randomBytes(12).toString('hex')}`]),
  );
  const asked = { name: 'k', scopes: ['org:read'] };
  let minted: string[];

  before(async () => {
    kit = await startKit();
    const { rest } = kit;
    const mail = {
      from: 'billing@acme.test',
      to: ['patient@example.com'],
      subject: marks.subject,
      body_html: `<p>${marks.body}</p>`,
      attachments: [
        {
          filename: `${marks.filename}.txt`,
          content_type: 'text/plain',
          content: Buffer.from(marks.file!).toString('base64'),
        },
      ],
    };
    const idempotencyKey = 'at-rest';
    expect((await rest.call('POST', '/v3/secure-email/send', mail, { idempotencyKey })).status).to.equal(200);
    const made = await rest.call('POST', '/v3/api-keys', asked, { idempotencyKey });
    const rotated = await rest.call('POST', `/v3/api-keys/${made.body.key_id}/rotate`, {}, { idempotencyKey });
    minted = [made.body.secret, rotated.body.secret, kit.tenant.apiKey];
    const domain = { domain: 'at-rest.test' };
    expect((await rest.call('POST', `/v3/organizations/${kit.tenant.id}/domains`, domain)).status).to.equal(200);
    kit.responder.decide = () => 'deny';
    await rest.call('POST', '/v3/secure-email/send', { ...mail, subject: marks.held }, { prefer: 'respond-async' });
    everything = await dump();
  });
  after(() => kit.close());

  async function dump(): Promise<string> {
    const tables = [...kit.app.db.orm.getMetadata().getAll().values()].map(({ tableName }) => tableName);
    const found: string[] = [];
    for (const table of new Set(tables.filter(Boolean))) {
      const { rows } = await kit.app.db.kysely().executeQuery<object>(CompiledQuery.raw(`select * from ${table}`));
      for (const row of rows) {
        found.push(
          Object.values(row)
            .map(value => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)))
            .join('|'),
        );
      }
    }
    return found.join('\n');
  }

  it('does see what is no secret, so that the search finds what is there', () => {
    expect(everything).to.include('patient@example.com');
    expect(everything).to.include('at-rest.test');
  });

  for (const what of ['body', 'subject', 'file', 'filename', 'held']) {
    it(`learns no ${what} of a mail`, () => {
      const text = marks[what]!;
      for (const form of [text, Buffer.from(text).toString('base64').slice(0, -4), Buffer.from(text).toString('hex')]) {
        expect(everything).to.not.include(form);
      }
    });
  }

  it('cannot try whether a guess of what was asked is right', () => {
    const hash = (text: string) => createHash('sha256').update(text).digest('hex');
    expect(everything).not.to.include(hash(canonicalJson(asked)));
  });

  it('learns no API key', () => {
    expect(minted).to.have.length(3);
    for (const secret of minted) {
      expect(secret).to.match(/^sk_live_/);
      expect(everything).to.not.include(secret);
    }
    expect(everything).to.not.include('sk_live_');
  });

  it('learns no private key', () => {
    expect(everything).to.not.include('PRIVATE KEY');
  });
});
