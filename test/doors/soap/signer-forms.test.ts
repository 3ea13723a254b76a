import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { X509Certificate as ParsedCertificate, SubjectKeyIdentifierExtension } from '@peculiar/x509';
import { expect } from 'chai';
import { areas } from '../../../src/areas.ts';
import type { SignatureName } from '../../../src/doors/soap/algorithms.ts';
import { encodeRequest } from '../../../src/doors/soap/encode.ts';
import { buildModel } from '../../../src/doors/soap/model.ts';
import { type OutgoingPart, writeRelated } from '../../../src/doors/soap/multipart.ts';
import { tokenType } from '../../../src/doors/soap/namespaces.ts';
import { registerCertificate } from '../../../src/operator.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import type { Pair } from '../../kit/certificates.ts';
import { pair } from '../../kit/certificates.ts';
import {
  binaryToken,
  type EnvelopeOptions,
  parameterisedPss,
  signedEnvelope,
  tokenReference,
} from '../../kit/soap-signing.ts';

const keyIdentifier = (valueType: string, value: Buffer): string =>
  `<wsse:SecurityTokenReference><wsse:KeyIdentifier EncodingType="${tokenType.base64}" ValueType="${valueType}">` +
  `${value.toString('base64')}</wsse:KeyIdentifier></wsse:SecurityTokenReference>`;

const subjectKeyOf = ({ raw }: Pair['x509']): Buffer =>
  Buffer.from(new ParsedCertificate(raw).getExtension(SubjectKeyIdentifierExtension)!.keyId, 'hex');

const issuerSerial = ({ issuer, serialNumber }: Pair['x509']): string =>
  `<wsse:SecurityTokenReference><ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>${issuer.split('\n').reverse().join(',')}` +
  `</ds:X509IssuerName><ds:X509SerialNumber>${BigInt(`0x${serialNumber}`)}</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>` +
  '</wsse:SecurityTokenReference>';

const hashed = (name: string, { raw }: Pair['x509']): Buffer => createHash(name).update(raw).digest();

/** Every way of naming a certificate that does not send it. */
const references: Record<string, (certificate: Pair['x509']) => string> = {
  'SHA-1 thumbprint': each => keyIdentifier(tokenType.thumbprintSha1, hashed('sha1', each)),
  'SHA-256 thumbprint': each => keyIdentifier(tokenType.thumbprintSha256, hashed('sha256', each)),
  'subject key identifier': each => keyIdentifier(tokenType.subjectKeyIdentifier, subjectKeyOf(each)),
  'issuer and serial number': issuerSerial,
};

describe('how a partner names its certificate, through the whole server', () => {
  let kit: Kit;
  let elliptic384: Pair;
  before(async () => {
    kit = await startKit();
    elliptic384 = pair(await kit.set.authority.client('CN=elliptic 384, O=Acme', 'P-384'));
    for (const each of [kit.set.elliptic, elliptic384]) {
      await registerCertificate(kit.app, kit.tenant.id, { pem: each.certificate, uses: ['request'] });
    }
  });
  after(() => kit.close());

  const operation = buildModel(areas)
    .areas.find(each => each.name === 'access')!
    .operations.get('ListScopes')!;
  const signer = ({ x509, privateKey, publicKey }: Pair) => ({ certificate: x509, privateKey, publicKey });
  const envelope = (by: Pair, options: EnvelopeOptions = {}) =>
    signedEnvelope(signer(by), {
      body: encodeRequest(operation, {}),
      created: kit.clock.now(),
      expires: null,
      ...options,
    });
  const send = (raw: string | Buffer, headers: Record<string, string> = {}, from: Tenant = kit.tenant) =>
    from.soap.call('ListScopes', {}, { raw, headers });
  const isAccepted = ({ status, signed, text }: Awaited<ReturnType<typeof send>>) =>
    expect({ status, signed }, text).to.deep.equal({ status: 200, signed: true });
  const isRefused = ({ status, signed, fault, text }: Awaited<ReturnType<typeof send>>) =>
    expect({ status, signed, code: fault?.code }, text).to.deep.equal({
      status: 400,
      signed: false,
      code: 'FailedCheck',
    });

  for (const [what, keyInfo] of Object.entries(references)) {
    it(`by ${what}, when the certificate is registered`, async () => {
      const by = kit.tenant.certificate;
      isAccepted(await send(envelope(by, { token: '', keyInfo: keyInfo(by.x509) })));
    });

    it(`by ${what}, when it signs and another one holds the connection`, async () => {
      const by = kit.set.elliptic;
      isAccepted(await send(envelope(by, { token: '', keyInfo: keyInfo(by.x509) })));
    });

    it(`by ${what}, and is refused when nobody registered it, or only another organisation did`, async () => {
      const by = kit.set.otherPartner;
      const message = () => envelope(by, { token: '', keyInfo: keyInfo(by.x509) });
      isRefused(await send(message()));
      if (what === 'SHA-1 thumbprint') await kit.organization('Globex', { certificate: by });
      isRefused(await send(message()));
    });

    it(`by ${what} of a certificate that did not sign`, async () => {
      isRefused(await send(envelope(kit.set.elliptic, { token: '', keyInfo: keyInfo(kit.tenant.certificate.x509) })));
    });
  }

  it('by a path of certificates, whose last one is registered', async () => {
    const by = kit.tenant.certificate;
    const certificates = Buffer.concat([pair({ certificate: kit.set.ca, key: by.key }).x509.raw, by.x509.raw]);
    const path = Buffer.concat([
      Buffer.from([0x30, 0x82, certificates.length >> 8, certificates.length & 255]),
      certificates,
    ]);
    isAccepted(await send(envelope(by, { token: binaryToken(signer(by), tokenType.path, path) })));
  });

  it('by a part of the MIME message', async () => {
    const by = kit.tenant.certificate;
    const message = envelope(by, { token: '', keyInfo: tokenReference('cid:certificate') });
    isAccepted(await sendRelated(message, [{ contentId: 'certificate', contentType: 'a/b', content: by.x509.raw }]));
    const stranger = kit.set.foreign.x509.raw;
    isRefused(
      await sendRelated(envelope(by, { token: '', keyInfo: tokenReference('cid:certificate') }), [
        { contentId: 'certificate', contentType: 'a/b', content: stranger },
      ]),
    );
  });

  const algorithms: Record<string, [signer: () => Pair, options: () => EnvelopeOptions]> = {
    ...Object.fromEntries(
      (['rsaSha256', 'rsaSha384', 'rsaSha512', 'rsaPssSha256', 'rsaPssSha384', 'rsaPssSha512'] as SignatureName[]).map(
        algorithm => [algorithm, [() => kit.tenant.certificate, () => ({ algorithm })]],
      ),
    ),
    'RSASSA-PSS with parameters': [
      () => kit.tenant.certificate,
      () => parameterisedPss(signer(kit.tenant.certificate), 'sha256'),
    ],
    'ECDSA on P-256': [() => kit.set.elliptic, () => ({ algorithm: 'ecdsaSha256' })],
    'ECDSA on P-384': [() => elliptic384, () => ({ algorithm: 'ecdsaSha384' })],
  };
  for (const [what, [by, options]] of Object.entries(algorithms)) {
    it(`signing with ${what}`, async () => isAccepted(await send(envelope(by(), options()))));
  }

  async function sendRelated(message: string, parts: OutgoingPart[]) {
    const { contentType, body } = writeRelated(message, parts);
    return send(Buffer.concat(await body.toArray()), { 'Content-Type': contentType });
  }
});
