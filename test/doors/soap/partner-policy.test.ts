import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import {
  listCertificates,
  revokeCertificate,
  setCertificatePolicy,
} from '../../../src/areas/access/certificate-operations.ts';
import type { SignatureName } from '../../../src/doors/soap/algorithms.ts';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { registerCertificate } from '../../../src/operator.ts';
import { listRegistrations, setRegistrationPolicy } from '../../../src/registrations.ts';
import { bothDoors, through } from '../../areas/through.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { type Pair, pair } from '../../kit/certificates.ts';
import { stockClient } from '../../kit/soap-client.ts';
import type { EnvelopeOptions } from '../../kit/soap-signing.ts';

const header = (local: string, content: string, signed = true): string =>
  `<wsa:${local} xmlns:wsa="${ns.wsa}"${signed ? ` wsu:Id="${local}"` : ''}>${content}</wsa:${local}>`;

describe("a partner's policy", () => {
  let kit: Kit;
  let elliptic: Pair;
  /** Whose certificate has the policy, and the certificate's id. */
  let partner: Tenant;
  let id: string;
  before(async () => {
    kit = await startKit();
    elliptic = pair(await kit.set.authority.client('CN=bastion ec', 'P-384'));
  });
  after(() => kit?.close());
  beforeEach(async () => {
    const certificate = pair(await kit.set.authority.client('CN=policy, O=Acme', 'RSA-2048'));
    ({ id } = await registerCertificate(kit.app, kit.tenant.id, { pem: certificate.certificate, uses: ['request'] }));
    partner = kit.caller({ ...kit.tenant, certificate });
  });

  const agree = (policy: object) =>
    through('rest', kit.tenant, setCertificatePolicy, { certificate_id: id, ...policy });
  const call = (envelope: EnvelopeOptions = {}, tenant = partner, input: object = {}) =>
    tenant.soap.call('ListScopes', input, { envelope });
  const algorithmOf = (text: string) => /<ds:SignatureMethod Algorithm="[^"]*#([^"]*)"/.exec(text)?.[1];
  const isRefused = ({ status, signed, fault }: Awaited<ReturnType<typeof call>>) =>
    expect({ status, signed, code: fault?.code }).to.deep.equal({ status: 400, signed: false, code: 'FailedCheck' });

  for (const door of bothDoors) {
    it(`is set over ${door} after approval, replaces the one before, and stands in the list`, async () => {
      const asked = kit.responder.requests.length;
      await through(door, kit.tenant, setCertificatePolicy, { certificate_id: id, faults_as_500: true });
      const policy = { signature_algorithms: ['rsa-sha512'], signed_headers: ['Action'], signature_confirmation: true };
      const { output } = await through(door, kit.tenant, setCertificatePolicy, { certificate_id: id, ...policy });
      expect(kit.responder.requests.length).to.equal(asked + 2);
      const whole = { ...policy, signature_version_2: false, answer_algorithm: null, faults_as_500: false };
      expect(output.policy).to.deep.equal(whole);
      const { certificates } = (await through(door, kit.tenant, listCertificates, { limit: 200 })).output;
      const row = certificates.find((each: { certificate_id: string }) => each.certificate_id === id);
      expect(row.policy).to.deep.equal(whole);
    });

    it(`names no SHA-1 over ${door}, and nothing else that is unknown`, async () => {
      for (const policy of [{ signature_algorithms: ['rsa-sha1'] }, { signed_headers: ['Body'] }]) {
        const answer = await through(door, kit.tenant, setCertificatePolicy, { certificate_id: id, ...policy });
        expect(answer.outcome).to.equal('validation_failed');
      }
    });
  }

  it('is set by an operator, who is told what holds now', async () => {
    const policy = { answer_algorithm: 'rsa-pss-sha256' };
    const held = await setRegistrationPolicy(kit.app, id, policy);
    expect(held).to.include(policy);
    const listed = await listRegistrations(kit.app);
    expect(listed.find(each => each.certificate_id === id)?.policy).to.deep.equal(held);
    expect(algorithmOf((await call()).text)).to.equal('sha256-rsa-MGF1');
    expect(() => setRegistrationPolicy(kit.app, id, { answer_algorithm: 'rsa-sha1' })).to.throw('answer_algorithm');
  });

  it('is not set on a revoked certificate', async () => {
    await through('rest', kit.tenant, revokeCertificate, { certificate_id: id });
    expect((await agree({ faults_as_500: true })).outcome).to.equal('conflict');
  });

  it('narrows what messages may be signed with', async () => {
    await agree({ signature_algorithms: ['rsa-sha512', 'rsa-pss-sha256'] });
    for (const algorithm of ['rsaSha512', 'rsaPssSha256'] as SignatureName[]) {
      expect((await call({ algorithm })).status, algorithm).to.equal(200);
    }
    for (const algorithm of ['rsaSha256', 'rsaPssSha512'] as SignatureName[]) isRefused(await call({ algorithm }));
    expect((await call({}, kit.tenant)).status, 'a certificate without a policy').to.equal(200);
  });

  for (const [answer_algorithm, algorithm] of Object.entries({
    'rsa-sha384': 'rsa-sha384',
    'rsa-pss-sha512': 'sha512-rsa-MGF1',
  })) {
    it(`has answers and faults signed with ${answer_algorithm}, which verify`, async () => {
      await agree({ answer_algorithm });
      for (const { signed, text } of [await call(), await call({}, partner, { surplus: 1 })]) {
        expect({ signed, algorithm: algorithmOf(text) }).to.deep.equal({ signed: true, algorithm });
      }
      expect(algorithmOf((await call({}, kit.tenant)).text), 'others are answered as ever').to.equal('rsa-sha256');
    });
  }

  it('asks for ECDSA only where Bastion has an EC key', async () => {
    const refused = await agree({ answer_algorithm: 'ecdsa-sha384' });
    expect(refused).to.deep.include({ outcome: 'validation_failed', fields: ['answer_algorithm'] });
    const node = await startKit({ beside: kit, config: { ellipticSigning: elliptic } });
    try {
      await setRegistrationPolicy(node.app, id, { answer_algorithm: 'ecdsa-sha384' });
      const there = node.caller(partner);
      const { signed, text } = await call({}, there);
      expect({ signed, algorithm: algorithmOf(text) }).to.deep.equal({ signed: true, algorithm: 'ecdsa-sha384' });
      const [, token] = /<wsse:BinarySecurityToken [^>]*>([^<]*)/.exec(text)!;
      expect(new X509Certificate(Buffer.from(token!, 'base64')).subject).to.equal('CN=bastion ec');
    } finally {
      await node.close();
    }
  });

  it('has answers confirm the signature that they answer', async () => {
    const { certificate, key } = partner.certificate;
    const credentials = { origin: kit.app.soap.url, ca: kit.set.ca, cert: certificate, key, apiKey: partner.apiKey };
    const stock = await stockClient('access', credentials);
    const answer = async () => (await stock.call('ListScopes', {})).xml;
    expect(await answer()).to.not.include('SignatureConfirmation');
    await agree({ signature_confirmation: true });
    expect(await answer()).to.match(/<wsse11:SignatureConfirmation [^>]*Value="[\w+/=]{300,}"/);
  });

  it('demands headers, and that they are signed', async () => {
    await agree({ signed_headers: ['To', 'MessageID'] });
    const to = (signed?: boolean) => header('To', `${kit.app.soap.url}/soap/v3/access`, signed);
    const id = header('MessageID', 'urn:uuid:1');
    const also = [{ uri: '#To' }, { uri: '#MessageID' }];
    expect((await call({ headers: to() + id, also })).status).to.equal(200);
    isRefused(await call());
    isRefused(await call({ headers: id, also: [{ uri: '#MessageID' }] }));
    isRefused(await call({ headers: to(false) + id, also: [{ uri: '#MessageID' }] }));
  });

  it('has every fault come as HTTP 500', async () => {
    const broken = () => partner.soap.call('GetOrganization', { org_id: 'x' });
    expect((await broken()).status).to.equal(400);
    await agree({ faults_as_500: true });
    expect((await broken()).status).to.equal(500);
  });
});
