import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { expect } from 'chai';
import { registerCertificate } from '../../../src/operator.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { type Pair, pair } from '../../kit/certificates.ts';

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
