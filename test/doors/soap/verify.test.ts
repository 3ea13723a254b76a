import { createHash, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { WSSecurityCert } from 'soap';
import { checkAddressing } from '../../../src/doors/soap/addressing.ts';
import { exclusiveCanonicalization, type SignatureName, tokenTransform } from '../../../src/doors/soap/algorithms.ts';
import { ns, tokenType } from '../../../src/doors/soap/namespaces.ts';
import type { TokenReference } from '../../../src/doors/soap/token.ts';
import { textOf } from '../../../src/doors/soap/tree.ts';
import { SignedBody, type VerifierSettings, verifyEnvelope } from '../../../src/doors/soap/verify.ts';
import { refusalFrom } from '../../kit/refusal.ts';
import {
  areaNamespace,
  attachmentReference,
  binaryToken,
  newPartner,
  operationXml,
  type Partner,
  parameterisedPss,
  pssUri,
  type ReferenceOptions,
  signedEnvelope,
  tokenReference,
  transform,
  xmlCryptoEnvelope,
} from '../../kit/soap-signing.ts';

/** WS-Security 1.1, 8.3, written out by hand: what the digest of a dereferenced token is taken of. */
const tokenByReference = (partner: Partner, declared = ''): ReferenceOptions => ({
  uri: '#STR-1',
  transforms: transform(
    tokenTransform,
    `<wsse:TransformationParameters xmlns:wsse="${ns.wsse}"><ds:CanonicalizationMethod Algorithm="${exclusiveCanonicalization}"/></wsse:TransformationParameters>`,
  ),
  octets:
    `<wsse:BinarySecurityToken ${declared || 'xmlns=""'} xmlns:wsse="${ns.wsse}" xmlns:wsu="${ns.wsu}" ` +
    `EncodingType="${tokenType.base64}" ValueType="${tokenType.certificate}" wsu:Id="X509-1">` +
    `${partner.certificate.raw.toString('base64')}</wsse:BinarySecurityToken>`,
});

const namedReference = tokenReference('#X509-1').replace('Reference>', 'Reference wsu:Id="STR-1">');

describe('the WS-Security verifier', () => {
  let rsa: Partner;
  let p256: Partner;
  let p384: Partner;
  before(async () => {
    [rsa, p256, p384] = await Promise.all([newPartner('RSA-2048'), newPartner('P-256'), newPartner('P-384')]);
  });

  const verify = (xml: string, partner: Partner = rsa, settings: Partial<VerifierSettings<Partner>> = {}) =>
    verifyEnvelope<Partner>(
      { octets: Buffer.from(xml), charset: undefined },
      { receivedAt: new Date(), contextNamespace: areaNamespace, resolve: async () => partner, ...settings },
    );

  describe('accepts', () => {
    const contents: Record<string, string> = {
      'a plain operation': operationXml,
      'text with U+0085, U+2028 and U+2029, which are no line ends in XML 1.0': operationXml.replace(
        'org_1',
        'a\u0085b\u2028c\u2029',
      ),
      'characters beyond the basic plane and escapes': operationXml.replace(
        'org_1',
        '\u{1f600} &amp; &lt; ]] &gt; &#13;',
      ),
      'a default namespace': `<GetOrganization xmlns="${areaNamespace}"><orgId a="&quot;&#10;">1</orgId></GetOrganization>`,
      'white space between the elements': operationXml.replaceAll('><', '>\n\t<'),
      'CDATA and comments': operationXml.replace('org_1', '<![CDATA[<org>]]><!-- c -->'),
    };
    for (const [what, body] of Object.entries(contents)) {
      it(`${what}, signed by us`, async () => {
        expect((await verify(signedEnvelope(rsa, { body }))).operation.local).to.equal('GetOrganization');
      });
    }

    it('a message signed by xml-crypto', async () => {
      expect((await verify(xmlCryptoEnvelope(rsa))).operation.local).to.equal('GetOrganization');
    });

    it('a message signed by the WSSecurityCert of node-soap', async () => {
      const security = new WSSecurityCert(
        rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        rsa.certificate.toString(),
        '',
        {
          hasTimeStamp: true,
          signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
          signatureTransformations: [exclusiveCanonicalization],
          signerOptions: { idMode: 'wssecurity' },
        },
      );
      const envelope =
        `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="${ns.soap}" xmlns:xsi="${ns.xsi}">` +
        `<soap:Header></soap:Header><soap:Body>${operationXml}</soap:Body></soap:Envelope>`;
      expect((await verify(security.postProcess(envelope, 'soap'))).operation.local).to.equal('GetOrganization');
    });

    const algorithms: Record<SignatureName, () => Partner> = {
      rsaSha256: () => rsa,
      rsaSha384: () => rsa,
      rsaSha512: () => rsa,
      rsaPssSha256: () => rsa,
      rsaPssSha384: () => rsa,
      rsaPssSha512: () => rsa,
      ecdsaSha256: () => p256,
      ecdsaSha384: () => p384,
    };
    for (const [algorithm, partner] of Object.entries(algorithms) as [SignatureName, () => Partner][]) {
      it(`a signature made with ${algorithm}`, async () => {
        expect((await verify(signedEnvelope(partner(), { algorithm }), partner())).signer).to.equal(partner());
      });
    }

    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      it(`RSASSA-PSS with ${hash} in its parameters`, async () => {
        const xml = signedEnvelope(rsa, parameterisedPss(rsa, hash));
        expect((await verify(xml)).signer).to.equal(rsa);
      });
    }

    it('RSASSA-PSS without its optional parameters, as SHA-256', async () => {
      const { sign } = parameterisedPss(rsa, 'sha256');
      const method = `<ds:SignatureMethod Algorithm="${pssUri}rsa-pss"/>`;
      expect((await verify(signedEnvelope(rsa, { signatureMethod: method, sign }))).signer).to.equal(rsa);
    });

    for (const digestAlgorithm of [
      'http://www.w3.org/2001/04/xmlenc#sha256',
      'http://www.w3.org/2001/04/xmldsig-more#sha384',
      'http://www.w3.org/2001/04/xmlenc#sha512',
    ]) {
      it(`digests made with ${digestAlgorithm}`, async () => {
        const references = ['#Body-1', '#TS-1'].map(uri => ({ uri, digestAlgorithm }));
        expect((await verify(signedEnvelope(rsa, { references }))).signer).to.equal(rsa);
      });
    }

    for (const inclusivePrefixes of ['S env', 'soap', '+', '#default Z a', 'wsse wsu soap']) {
      it(`the PrefixList "${inclusivePrefixes}", as Java and gSOAP clients send`, async () => {
        const xml = signedEnvelope(rsa, {
          envelopeAttributes: 'xmlns="urn:default" xmlns:S="urn:s" xmlns:env="urn:env" xmlns:Z="urn:z" xmlns:a="urn:a"',
          references: [{ uri: '#Body-1', inclusivePrefixes }, { uri: '#TS-1' }],
        });
        expect((await verify(xml)).signer).to.equal(rsa);
      });
    }

    it('a signature broken into lines', async () => {
      const xml = signedEnvelope(rsa).replace(/(<ds:SignatureValue>)([^<]+)/, (_all, start, value: string) => {
        return `${start}\n${value.match(/.{1,64}/g)!.join('&#13;\n')}\n`;
      });
      expect((await verify(xml)).signer).to.equal(rsa);
    });

    it('a byte order mark and a charset', async () => {
      const octets = Buffer.from(`\uFEFF${signedEnvelope(rsa)}`);
      const settings = { receivedAt: new Date(), contextNamespace: areaNamespace, resolve: async () => rsa };
      expect((await verifyEnvelope({ octets, charset: 'UTF-8' }, settings)).signer).to.equal(rsa);
    });

    it('optional headers that it does not know, and mandatory ones for other roles', async () => {
      const headers =
        '<x:h xmlns:x="urn:x" soap:mustUnderstand="false"/><x:i xmlns:x="urn:x" soap:role="urn:other" soap:mustUnderstand="1"/>';
      expect((await verify(signedEnvelope(rsa, { headers }))).signer).to.equal(rsa);
    });
  });

  describe('finds the signer', () => {
    const asked = async (xml: string, settings: Partial<VerifierSettings<Partner>> = {}): Promise<TokenReference> => {
      let reference: TokenReference | undefined;
      await verify(xml, rsa, {
        ...settings,
        resolve: async each => {
          reference = each;
          return rsa;
        },
      });
      return reference!;
    };
    const identifier = (valueType: string, value: Buffer): string =>
      `<wsse:SecurityTokenReference><wsse:KeyIdentifier ValueType="${valueType}" EncodingType="${tokenType.base64}">` +
      `${value.toString('base64')}</wsse:KeyIdentifier></wsse:SecurityTokenReference>`;
    const fingerprint = (reference: TokenReference): string =>
      reference.kind === 'certificate' ? reference.certificate.fingerprint256 : reference.kind;

    it('by a BinarySecurityToken', async () => {
      expect(fingerprint(await asked(signedEnvelope(rsa)))).to.equal(rsa.certificate.fingerprint256);
    });

    it('by a BinarySecurityToken that is signed too', async () => {
      const xml = signedEnvelope(rsa, { also: [{ uri: '#X509-1' }] });
      expect(fingerprint(await asked(xml))).to.equal(rsa.certificate.fingerprint256);
    });

    for (const [what, attributes] of Object.entries({
      'without a default namespace': '',
      'in a default namespace': 'xmlns="urn:default"',
    })) {
      it(`by a token that is signed through the STR-Transform, ${what}`, async () => {
        const also = [tokenByReference(rsa, attributes)];
        const xml = signedEnvelope(rsa, { keyInfo: namedReference, also, envelopeAttributes: attributes });
        expect(fingerprint(await asked(xml))).to.equal(rsa.certificate.fingerprint256);
      });
    }

    it('by a certificate path, whose last certificate is the signer', async () => {
      const certificates = [p256.certificate.raw, p384.certificate.raw, rsa.certificate.raw];
      const content = Buffer.concat(certificates);
      const path = Buffer.concat([Buffer.from([0x30, 0x82, content.length >> 8, content.length & 255]), content]);
      const reference = await asked(signedEnvelope(rsa, { token: binaryToken(rsa, tokenType.path, path) }));
      expect(fingerprint(reference)).to.equal(rsa.certificate.fingerprint256);
      expect(reference.kind === 'certificate' && reference.path.map(each => each.fingerprint256)).to.deep.equal([
        p384.certificate.fingerprint256,
        p256.certificate.fingerprint256,
      ]);
    });

    for (const cutAt of [1, 3, 700]) {
      it(`not by a certificate path that is cut off after ${cutAt} octets`, async () => {
        const path = Buffer.concat([Buffer.from([0x30, 0x82, 0x03, 0x00]), rsa.certificate.raw]).subarray(0, cutAt);
        const xml = signedEnvelope(rsa, { token: binaryToken(rsa, tokenType.path, path) });
        expect((await refusalFrom(verify(xml))).code).to.equal('signature_invalid');
      });
    }

    it('by a certificate in a MIME part, DER or PEM', async () => {
      const xml = signedEnvelope(rsa, { token: '', keyInfo: tokenReference('cid:certificate@x') });
      for (const octets of [rsa.certificate.raw, Buffer.from(rsa.certificate.toString())]) {
        const reference = await asked(xml, {
          early: async contentId => (contentId === 'certificate@x' ? octets : Buffer.alloc(0)),
        });
        expect(fingerprint(reference)).to.equal(rsa.certificate.fingerprint256);
      }
    });

    it('by a certificate in a MIME part that is signed itself, only if its digest agrees', async () => {
      const xml = signedEnvelope(rsa, {
        token: '',
        keyInfo: tokenReference('cid:certificate'),
        also: [attachmentReference('certificate', rsa.certificate.raw)],
      });
      const body = await verify(xml, rsa, { early: async () => rsa.certificate.raw });
      expect(body.attachments.size).to.equal(0);
      const pem = Buffer.from(rsa.certificate.toString());
      expect((await refusalFrom(verify(xml, rsa, { early: async () => pem }))).code).to.equal('signature_invalid');
    });

    it('by thumbprint, subject key identifier, embedded certificate, issuer and serial number', async () => {
      const { raw } = rsa.certificate;
      const thumbprint = createHash('sha1').update(raw).digest();
      const without = (keyInfo: string): string => signedEnvelope(rsa, { token: '', keyInfo });
      expect(await asked(without(identifier(tokenType.thumbprintSha1, thumbprint)))).to.deep.equal({
        kind: 'thumbprint',
        hash: 'sha1',
        value: thumbprint,
      });
      expect(await asked(without(identifier(tokenType.thumbprintSha256, Buffer.alloc(32, 1))))).to.deep.equal({
        kind: 'thumbprint',
        hash: 'sha256',
        value: Buffer.alloc(32, 1),
      });
      expect(await asked(without(identifier(tokenType.subjectKeyIdentifier, Buffer.from('key'))))).to.deep.equal({
        kind: 'subjectKeyIdentifier',
        value: Buffer.from('key'),
      });
      expect(fingerprint(await asked(without(identifier(tokenType.certificate, raw))))).to.equal(
        rsa.certificate.fingerprint256,
      );
      const issuerSerial =
        '<wsse:SecurityTokenReference><ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=Root,O=A</ds:X509IssuerName>' +
        '<ds:X509SerialNumber>00123</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data></wsse:SecurityTokenReference>';
      expect(await asked(without(issuerSerial))).to.deep.equal({
        kind: 'issuerSerial',
        issuer: 'CN=Root,O=A',
        serial: '123',
      });
    });

    it('without believing a certificate: the resolver decides, and its key is the one that is used', async () => {
      const other = await newPartner();
      expect((await refusalFrom(verify(signedEnvelope(rsa), other))).code).to.equal('signature_invalid');
      expect(new X509Certificate(rsa.certificate.raw).subject).to.equal(other.certificate.subject);
    });
  });

  describe('tells of a message', () => {
    const addressing =
      `<wsa:To xmlns:wsa="${ns.wsa}">https://bastion.test/soap/v3/organizations</wsa:To>` +
      `<wsa:Action xmlns:wsa="${ns.wsa}" wsu:Id="A">urn:action</wsa:Action><wsa:MessageID xmlns:wsa="${ns.wsa}"> urn:uuid:1 </wsa:MessageID>` +
      `<wsa:ReplyTo xmlns:wsa="${ns.wsa}"><wsa:Address>${ns.wsa}/anonymous</wsa:Address></wsa:ReplyTo>`;

    it('the addressing headers, and which of them are signed', async () => {
      const body = await verify(signedEnvelope(rsa, { headers: addressing, also: [{ uri: '#A' }] }));
      expect(body.addressing).to.deep.equal({
        to: 'https://bastion.test/soap/v3/organizations',
        action: 'urn:action',
        messageId: 'urn:uuid:1',
      });
      expect([...body.signedHeaders]).to.deep.equal([`{${ns.wsa}}Action`]);
      const expected = { to: 'https://bastion.test/soap/v3/organizations', action: 'urn:action' };
      checkAddressing(body.addressing, expected);
      for (const other of [
        { ...expected, to: 'https://elsewhere' },
        { ...expected, action: 'urn:other' },
      ]) {
        expect(() => checkAddressing(body.addressing, other)).to.throw('does not name');
      }
    });

    it('the signed Context', async () => {
      const headers = `<c:Context xmlns:c="${areaNamespace}" wsu:Id="C"><c:apiKey>bsk_1</c:apiKey><c:orgId>org_1</c:orgId></c:Context>`;
      const body = await verify(signedEnvelope(rsa, { headers, also: [{ uri: '#C' }] }));
      expect(body.context).to.deep.equal({ apiKey: 'bsk_1', orgId: 'org_1' });
      expect((await verify(signedEnvelope(rsa))).context).to.equal(undefined);
    });

    it('the digests that its attachments must have', async () => {
      const content = Buffer.from('attached');
      const body = await verify(signedEnvelope(rsa, { also: [attachmentReference('one@x', content)] }));
      const digest = createHash('sha256').update(content).digest('base64');
      expect([...body.attachments]).to.deep.equal([['one@x', { hash: 'sha256', digest, complete: false }]]);
    });

    it('the very elements that were digested', async () => {
      const body = await verify(
        signedEnvelope(rsa, { body: `<m:Echo xmlns:m="urn:m">a<!-- x -->b&amp;<![CDATA[c]]></m:Echo>` }),
      );
      expect(textOf(body.operation)).to.equal('ab&c');
    });
  });

  describe('has a replay key', () => {
    it('that stays when only the signature value changes, as ECDSA allows', async () => {
      const options = { created: new Date(), expires: null };
      const [one, two] = [signedEnvelope(p256, options), signedEnvelope(p256, options)];
      expect(one).to.not.equal(two);
      const [first, second] = await Promise.all([verify(one, p256), verify(two, p256)]);
      expect(first.signatureValue).to.not.equal(second.signatureValue);
      expect(first.replayKey)
        .to.equal(second.replayKey)
        .and.to.match(/^[0-9a-f]{64}$/);
    });

    it('that stays when unsigned parts of the message change', async () => {
      const xml = signedEnvelope(rsa);
      const changed = xml.replace('<wsse:Security', '<x:h xmlns:x="urn:x"/><wsse:Security');
      expect((await verify(xml)).replayKey).to.equal((await verify(changed)).replayKey);
    });

    it('that differs with the time, the content, an identifier and the signer', async () => {
      const created = new Date(Date.now() - 1000);
      const base = { created, expires: null };
      const messages = [
        verify(signedEnvelope(rsa, base)),
        verify(signedEnvelope(rsa, { ...base, created: new Date(created.getTime() + 1) })),
        verify(signedEnvelope(rsa, { ...base, body: operationXml.replace('org_1', 'org_2') })),
        verify(
          signedEnvelope(rsa, {
            ...base,
            bodyAttributes: 'wsu:Id="Body-2"',
            references: [{ uri: '#Body-2' }, { uri: '#TS-1' }],
          }),
        ),
        verify(signedEnvelope(p256, base), p256),
      ];
      const keys = (await Promise.all(messages)).map(each => each.replayKey);
      expect(new Set(keys).size).to.equal(keys.length);
    });
  });

  it('is the only maker of a SignedBody', async () => {
    const forged = Object.create(SignedBody.prototype) as SignedBody;
    expect(() => forged.operation).to.throw(TypeError);
    expect(await verify(signedEnvelope(rsa))).to.be.instanceOf(SignedBody);
  });
});
