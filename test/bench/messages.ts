import { createPrivateKey, createPublicKey, randomUUID, X509Certificate } from 'node:crypto';
import { areas } from '../../src/areas.ts';
import { thumbprintOf } from '../../src/core/certificates.ts';
import { signRequest } from '../../src/core/request-signature.ts';
import { encodeRequest } from '../../src/doors/soap/encode.ts';
import { buildModel } from '../../src/doors/soap/model.ts';
import { ns } from '../../src/doors/soap/namespaces.ts';
import { signedEnvelope } from '../kit/soap-signing.ts';
import type { BastionFacts } from './children.ts';
import { httpRequest } from './load.ts';

/** Signed before the clock starts, so that what is measured is the server. */
export function restRequests({ organization, certificate, apiKey, key }: BastionFacts, count: number): Buffer[] {
  const target = `/v3/organizations/${organization}`;
  const privateKey = createPrivateKey(key);
  const thumbprint = thumbprintOf(new X509Certificate(certificate));
  return Array.from({ length: count }, () =>
    httpRequest(
      'GET',
      target,
      signRequest({ method: 'GET', target, host: 'localhost', apiKey, privateKey, thumbprint }),
    ),
  );
}

/** GetOrganization in an envelope of about 4 KB. */
export const soapRequests = (facts: BastionFacts, count: number): Buffer[] => soapMessages(facts, count, '');

/** The same with a megabyte of signed elements that the operation does not know: read, verified, and refused by name. */
export const largeSoapRequests = (facts: BastionFacts, count: number): Buffer[] =>
  soapMessages(facts, count, '<m:entry kind="contact"><m:name>Name &amp; Co</m:name></m:entry>'.repeat(15_000));

function soapMessages({ organization, certificate, apiKey, key }: BastionFacts, count: number, more: string): Buffer[] {
  const area = buildModel(areas).areas.find(({ name }) => name === 'organizations')!;
  const encoded = encodeRequest(area.operations.get('GetOrganization')!, { org_id: organization });
  const body = encoded.replace('</m:GetOrganization>', `${more}</m:GetOrganization>`);
  const headers = { 'Content-Type': 'application/soap+xml; charset=utf-8', Authorization: `Bearer ${apiKey}` };
  const partner = {
    certificate: new X509Certificate(certificate),
    publicKey: createPublicKey(certificate),
    privateKey: createPrivateKey(key),
  };
  return Array.from({ length: count }, (_, index) =>
    // Two equal messages are one replayed message: each has a header of its own.
    httpRequest('POST', area.path, headers, signedEnvelope(partner, { body, ...messageHeader(index) })),
  );
}

function messageHeader(index: number) {
  const headers = `<wsa:MessageID xmlns:wsa="${ns.wsa}" wsu:Id="Message-${index}">urn:uuid:${randomUUID()}</wsa:MessageID>`;
  return { headers, also: [{ uri: `#Message-${index}` }] };
}
