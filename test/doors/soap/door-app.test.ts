import { Agent, request } from 'node:https';
import { expect } from 'chai';
import PostalMime from 'postal-mime';
import { areas } from '../../../src/areas.ts';
import { AuditEvent } from '../../../src/db/audit.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { type SoapAnswer, soapClient, stockClient } from '../../kit/soap-client.ts';
import { newPartner, signedEnvelope } from '../../kit/soap-signing.ts';
import { withPublishedSchema } from './published-schema.ts';

describe('the SOAP door of the running app', () => {
  let kit: Kit;
  let child: Tenant;

  before(async () => {
    kit = await startKit();
    child = await kit.organization('Child', { parent: kit.tenant });
  });
  after(() => kit?.close());

  const credentials = (tenant: Tenant = kit.tenant) => ({
    origin: kit.app.soap.url,
    ca: kit.set.ca,
    cert: tenant.certificate.certificate,
    key: tenant.certificate.key,
    apiKey: tenant.apiKey,
  });

  const isStranger = ({ status, signed, fault, text }: SoapAnswer) => {
    expect({ status, signed, fault }).to.deep.equal({ status: 400, signed: false, fault: { code: 'FailedCheck' } });
    return text;
  };

  it('answers signed what the integrator gets over REST [BAS-023]', async () => {
    const { status, signed, output, headers } = await kit.soap.call('GetOrganization', { org_id: kit.tenant.id });
    expect({ status, signed }).to.deep.equal({ status: 200, signed: true });
    const { request_id: _, ...json } = (await kit.rest.call('GET', `/v3/organizations/${kit.tenant.id}`)).body;
    expect(output).to.deep.equal(json);
    expect(headers).to.include.keys('x-ratelimit-limit', 'x-ratelimit-remaining', 'bastion-request-id');
  });

  it("serves node-soap's client in every area, from the WSDL that it serves", async () => {
    for (const { name, operations } of areas) {
      const stock = await stockClient(name, credentials());
      expect(stock.operations).to.have.members(operations.map(each => each.soap));
    }
    const stock = await stockClient('organizations', credentials());
    const { result } = await stock.call('GetOrganization', { orgId: kit.tenant.id });
    expect(result.orgId).to.equal(kit.tenant.id);
  });

  it('answers what its published schema says, faults included', async () => {
    const answers = [
      await kit.soap.call('GetOrganization', { org_id: kit.tenant.id }),
      await kit.soap.call('ListOrganizations', { limit: 1 }),
      await kit.soap.call('GetOrganization', { org_id: 'x' }),
    ];
    const wsdl = (await kit.soap.get('/soap/v3/organizations?wsdl')).text;
    const common = (await kit.soap.get('/soap/v3/common.xsd')).text;
    withPublishedSchema(wsdl, common, validate => {
      for (const { text } of answers) {
        const [content] = /<(BastionFault|\w+Response) xmlns=[\s\S]*<\/\1>/.exec(text)!;
        validate(content);
        expect(() => validate(content.replace(/<\/(\w+)>$/, '<surplus/></$1>'))).to.throw('surplus');
      }
    });
  });

  it('gives a thing that is not there and one of another tenant the same signed fault', async () => {
    const other = await kit.organization('Globex', { certificate: kit.set.otherPartner });
    const answers = [
      await kit.soap.call('GetOrganization', { org_id: 'org_00000000000000000000000000' }),
      await kit.soap.call('GetOrganization', { org_id: other.id }),
    ];
    for (const { status, signed, fault } of answers) {
      expect({ status, signed, code: fault?.code }).to.deep.equal({ status: 400, signed: true, code: 'not_found' });
    }
    const [missing, foreign] = answers.map(({ fault }) => ({ ...fault, request_id: undefined }));
    expect(foreign).to.deep.equal(missing);
  });

  it('names a missing scope and a broken field in signed faults', async () => {
    const poor = await kit.organization('Poor', { parent: kit.tenant, scopes: ['keys:read'] });
    const scope = await poor.soap.call('GetOrganization', { org_id: poor.id });
    expect(scope).to.deep.include({ status: 400, signed: true });
    expect(scope.fault).to.include({ code: 'scope_missing', error: 'scope_missing' });
    const field = await kit.soap.call('GetOrganization', { org_id: 'x' });
    expect(field.fault?.errors?.[0]).to.include({ field: 'orgId' });
  });

  it('takes files as parts of a MIME message, approved and mailed as they were signed [BAS-023]', async () => {
    const file = Buffer.from('\u0000not text\r\n\xff', 'latin1').toString('base64');
    const answer = await kit.soap.call(
      'SendSecureEmail',
      {
        from: 'billing@acme.test',
        to: ['patient@example.com'],
        subject: 'Your statement',
        body_html: '<p>Attached.</p>',
        attachments: [{ filename: 'a.bin', content_type: 'application/x-sample', content: file }],
      },
      { attached: true },
    );
    expect(answer, answer.text).to.deep.include({ status: 200, signed: true });
    await kit.settle();
    const mail = await PostalMime.parse(kit.sink.mails.at(-1)!.raw);
    const [attachment] = mail.attachments;
    expect(attachment).to.include({ filename: 'a.bin', mimeType: 'application/x-sample' });
    expect(Buffer.from(attachment!.content as ArrayBuffer).toString('base64')).to.equal(file);
  });

  it('refuses the same message twice, on every node', async () => {
    const node = await startKit({ beside: kit });
    try {
      const raw = signedEnvelope(signerOf(kit.tenant), { body: getOrganization(kit.tenant.id) });
      const call = (at: Tenant) => at.soap.call('GetOrganization', { org_id: kit.tenant.id }, { raw });
      expect((await call(kit.tenant)).status).to.equal(200);
      for (const at of [kit.tenant, node.tenant]) expect((await call(at)).fault?.code).to.equal('replayed');
    } finally {
      await node.close();
    }
  });

  it('gives strangers one fault: wrong key, foreign TLS certificate, foreign signer, stale, altered', async () => {
    const input = { org_id: kit.tenant.id };
    const foreign = soapClient(areas, {
      ...credentials(),
      cert: kit.set.foreign.certificate,
      key: kit.set.foreign.key,
    });
    const unknown = signedEnvelope(await newPartner(), { body: getOrganization(kit.tenant.id) });
    const altered = signedEnvelope(signerOf(kit.tenant), { body: getOrganization(kit.tenant.id) }).replace(
      /org_\w{26}/,
      child.id,
    );
    const texts = [
      await kit.soap.call('GetOrganization', input, { headers: { Authorization: 'Bearer sk_live_wrongwrongwrong' } }),
      await foreign.call('GetOrganization', input),
      await kit.soap.call('GetOrganization', input, { raw: unknown }),
      await kit.soap.call('GetOrganization', input, { envelope: { created: new Date(Date.now() - 400_000) } }),
      await kit.soap.call('GetOrganization', input, { raw: altered }),
    ].map(isStranger);
    foreign.close();
    expect(new Set(texts).size).to.equal(1);
  });

  it('acts on a descendant when the signed Context says so, and by HTTP headers alone never', async () => {
    const acting = kit.caller({ ...kit.tenant, orgId: child.id });
    const created = await acting.soap.call('CreateOrganization', { name: 'Grandchild' });
    expect(created.output?.parent_id).to.equal(child.id);
    const headers = { 'Bastion-Org-Id': child.id };
    isStranger(await kit.soap.call('GetOrganization', { org_id: child.id }, { headers }));
  });

  it('takes a caller who shows its key only in the signed Context', async () => {
    const answer = await kit.soap.call('GetOrganization', { org_id: kit.tenant.id }, { context: true });
    expect(answer).to.deep.include({ status: 200, signed: true });
  });

  it('shows its description to registered certificates only', async () => {
    const wsdl = '/soap/v3/organizations?wsdl';
    expect((await kit.soap.get(wsdl)).text).to.include(`location="${kit.app.soap.url}/soap/v3/organizations"`);
    const bare = new Agent({ ca: kit.set.ca });
    const status = await new Promise((resolve, reject) => {
      const sent = request(kit.app.soap.url + wsdl, { agent: bare }, response => resolve(response.resume().statusCode));
      sent.on('error', reject).end();
    });
    bare.destroy();
    expect(status).to.equal(401);
  });

  it('audits, limits and spends a signed message that it cannot decode', async () => {
    const body = getOrganization(kit.tenant.id).replace('orgId>', 'unheardOf>').replace('/orgId>', '/unheardOf>');
    const raw = signedEnvelope(signerOf(kit.tenant), { body });
    const refused = await kit.soap.call('GetOrganization', { org_id: kit.tenant.id }, { raw });
    expect(refused.fault?.code).to.equal('validation_failed');
    expect(refused.headers).to.include.keys('x-ratelimit-remaining');
    const where = { requestId: String(refused.headers['bastion-request-id']) };
    const rows = await kit.app.db.fork('system').find(AuditEvent, where);
    expect(rows.map(row => [row.operation, row.outcome, row.code])).to.deep.equal([
      ['GetOrganization', 'refused', 'validation_failed'],
    ]);
    const again = await kit.soap.call('GetOrganization', { org_id: kit.tenant.id }, { raw });
    expect(again.fault?.code).to.equal('replayed');
  });

  const signerOf = ({ certificate }: Tenant) => ({
    certificate: certificate.x509,
    privateKey: certificate.privateKey,
    publicKey: certificate.publicKey,
  });

  const getOrganization = (id: string): string => {
    const namespace = 'http://bastioncommunications.com/soap/v3/organizations';
    return `<GetOrganization xmlns="${namespace}"><request><orgId>${id}</orgId></request></GetOrganization>`;
  };
});
