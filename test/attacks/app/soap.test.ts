import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { expect } from 'chai';
import { registerCertificate } from '../../../src/operator.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { type Pair, pair } from '../../kit/certificates.ts';
import { rawConnection, statusesOf } from '../../kit/raw-http.ts';

const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};

describe('signed messages that were not meant so', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());

  /** A certificate and its renewal: two certificates over one key, as most partners renew theirs. */
  async function renewed(): Promise<[Pair, Pair]> {
    const keys = await webcrypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    const key = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
    const made = { name: 'CN=renewing, O=Acme', keys, signingAlgorithm: rsa };
    const request = (await Pkcs10CertificateRequestGenerator.create(made)).toString('pem');
    const issue = async () => pair({ key, certificate: await kit.set.authority.signRequest(request) });
    return [await issue(), await issue()];
  }

  it('one that is sent again under the renewed certificate of the same key is a replay', async () => {
    const [old, renewal] = await renewed();
    for (const { certificate } of [old, renewal]) {
      await registerCertificate(kit.app, kit.tenant.id, { pem: certificate, uses: ['request'] });
    }
    const signer = kit.caller({ ...kit.tenant, certificate: old });
    const message = signer.soap.envelope('ListOrganizations', {}).toString();
    const [first, second] = [old, renewal].map(({ x509 }) => x509.raw.toString('base64'));
    expect(message).to.include(first);
    const send = (raw: string) => kit.soap.call('ListOrganizations', {}, { raw });
    expect((await send(message)).fault).to.equal(undefined);
    expect((await send(message.replace(first!, second!))).fault?.error).to.equal('replayed');
  });

  it('those without a key in the headers are counted before they are read, like all others', async () => {
    const small = await startKit({ config: { rateLimit: 2 } });
    try {
      const send = () =>
        small.soap.call('ListOrganizations', {}, { headers: { Authorization: undefined }, raw: '<a/>' });
      const codes: unknown[] = [];
      for (let i = 0; i < 22; i++) codes.push((await send()).fault?.code);
      expect(codes.slice(0, 20)).to.not.include('rate_limited');
      expect(codes.slice(20)).to.deep.equal(['rate_limited', 'rate_limited']);
    } finally {
      await small.close();
    }
  });
});

describe('HTTP under signed messages', () => {
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit.close());
  afterEach(async () => {
    expect((await kit.soap.call('ListScopes', {})).fault, 'the process serves on').to.equal(undefined);
    expect(kit.errors, 'nothing a sender does is an error of ours').to.deep.equal([]);
  });

  const head = (length: number, ...more: string[]) =>
    [
      'POST /soap/v3/access HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/soap+xml; charset=utf-8',
      `Authorization: Bearer ${kit.tenant.apiKey}`,
      `Content-Length: ${length}`,
      ...more,
      '',
      '',
    ].join('\r\n');
  const answered = async (octets: string, ms = 1500) => {
    const raw = await rawConnection(kit, kit.app.soap.url, kit.tenant);
    raw.write(octets);
    const text = await raw.until(all => all.includes('Envelope>'), ms);
    raw.destroy();
    await raw.closed;
    return text;
  };
  const message = () => kit.soap.envelope('ListScopes', {}).toString();

  it('the tool itself sends messages that are accepted', async () => {
    const sent = message();
    expect(statusesOf(await answered(head(sent.length) + sent))).to.deep.equal([200]);
  });

  it('a sender who leaves in the middle of the message is no error of ours', async () => {
    const sent = message();
    await answered(head(sent.length) + sent.slice(0, -200), 200);
    await new Promise(resolve => setTimeout(resolve, 100));
  });

  it('a message that goes on after its length is cut there', async () => {
    const sent = message();
    expect(statusesOf(await answered(head(sent.length - 10) + sent)).at(0)).to.equal(400);
  });

  it('a deciding header twice is refused', async () => {
    const sent = message();
    for (const line of [`Authorization: Bearer ${kit.tenant.apiKey}`, 'Content-Type: text/xml']) {
      expect(statusesOf(await answered(head(sent.length, line) + sent)), line).to.deep.equal([400]);
    }
  });

  it('two organisations in two headers are refused', async () => {
    const sent = message();
    const lines = [`Bastion-Org-Id: ${kit.tenant.id}`, `Bastion-Org-Id: ${kit.tenant.id}`];
    expect(statusesOf(await answered(head(sent.length, ...lines) + sent))).to.deep.equal([400]);
  });

  it('nobody but a proxy sends Client-Cert', async () => {
    const sent = message();
    expect(statusesOf(await answered(head(sent.length, 'Client-Cert: :AAAA:') + sent))).to.deep.equal([400]);
  });

  it('who waits for 100 Continue is refused without it', async () => {
    const sent = message();
    const refused = head(sent.length, 'Expect: 100-continue').replace(/Bearer sk_live_..../, 'Bearer sk_live_xxxx');
    expect(statusesOf(await answered(refused))).to.deep.equal([400]);
  });

  it('the message of one area is no message of another', async () => {
    const sent = message();
    const elsewhere = head(sent.length).replace('/access', '/organizations');
    expect(statusesOf(await answered(elsewhere + sent))).to.deep.equal([400]);
  });
});
