import { createHmac, randomBytes, sign } from 'node:crypto';
import { expect } from 'chai';
import {
  attachmentContentTransform,
  exclusiveCanonicalization,
  tokenTransform,
} from '../../src/doors/soap/algorithms.ts';
import { canonicalizeToken } from '../../src/doors/soap/canonical.ts';
import { ns, tokenType } from '../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../src/doors/soap/tree.ts';
import { newScene, refusedCases, replace, type Scene, verifyTrusting } from '../kit/hostile-soap.ts';
import { refusalFrom } from '../kit/refusal.ts';
import {
  areaNamespace,
  binaryToken,
  type EnvelopeOptions,
  elementById,
  newPartner,
  operationXml,
  type Partner,
  parameterisedPss,
  type ReferenceOptions,
  signedEnvelope,
  tokenReference,
  transform,
  unsignedEnvelope,
} from '../kit/soap-signing.ts';

describe('signed messages that are not authentic', () => {
  let scene: Scene;
  let partner: Partner;
  let stranger: Partner;
  let valid: string;
  let body: string;
  before(async () => {
    scene = await newScene();
    ({ partner, stranger, valid, body } = scene);
  });

  const refused = (code: string, cases: Record<string, () => string>): void => refusedCases(() => scene, code, cases);

  it('and not one that is authentic, but full of names that other servers trip over', async () => {
    const operation = `<m:Op xmlns:m="urn:m" id="__proto__"><m:constructor href="#__proto__"/><m:__proto__>x</m:__proto__></m:Op>`;
    const signed = await verifyTrusting(partner, signedEnvelope(partner, { body: operation }));
    expect(signed.operation.children).to.have.length(2);
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
    expect(({} as Record<string, unknown>).obj).to.equal(undefined);
  });

  describe('content that was changed after signing', () => {
    refused('signature_invalid', {
      'a value in the Body': () => replace(valid, ['org_1', 'org_2']),
      'white space in the Body': () => replace(valid, ['<m:orgId>', ' <m:orgId>']),
      'an attribute on the Body': () => replace(valid, ['wsu:Id="Body-1"', 'wsu:Id="Body-1" a="b"']),
      'the namespace of the operation': () => replace(valid, [`xmlns:m="${areaNamespace}"`, 'xmlns:m="urn:other"']),
      'an instruction turned into text': () => replace(valid, ['org_1', 'org_1admin']),
      'the Timestamp': () => valid.replace(/(<wsu:Created>)\d{4}/, '$12099'),
      'a DigestValue': () => valid.replace(/(<ds:DigestValue>).{4}/, '$1AAAA'),
      'the order of the references': () => {
        const [first, second] = valid.match(/<ds:Reference .*?<\/ds:Reference>/g)!;
        return replace(valid, [first! + second!, second! + first!]);
      },
      'an octet of the SignatureValue': () =>
        valid.replace(/(<ds:SignatureValue>)(.)/, (_all, start, first) => `${start}${first === 'A' ? 'B' : 'A'}`),
      'a comment around half of a DigestValue that hides another': () =>
        valid.replace(/<ds:DigestValue>/, '<ds:DigestValue><!--x-->AAAA'),
      'a DigestValue in a child element': () => valid.replace(/<ds:DigestValue>([^<]*)</, '<ds:DigestValue><x>$1</x><'),
      'a SignatureValue that is not base64': () => valid.replace(/(<ds:SignatureValue>)/, '$1****'),
    });
  });

  describe('references that lead elsewhere', () => {
    const uris = [
      '',
      '#',
      '#xpointer(/)',
      "#xpointer(id('Body-1'))",
      'http://127.0.0.1:9/x',
      'file:///etc/passwd',
      '#nowhere',
      "#Body-1' or '1'='1",
      '#Sec-1',
      '#Op-1',
      'Body-1',
    ];
    refused(
      'signature_invalid',
      Object.fromEntries(
        uris.map(uri => [
          `a reference to "${uri}"`,
          () =>
            signedEnvelope(partner, {
              securityAttributes: 'wsu:Id="Sec-1"',
              body: operationXml.replace('<m:GetOrganization', '<m:GetOrganization wsu:Id="Op-1"'),
              also: [{ uri, ...(uri.startsWith('#Sec') ? { octets: '' } : {}) }],
            }),
        ]),
      ),
    );
    refused('signature_invalid', {
      'the Body referenced by an empty URI': () =>
        signedEnvelope(partner, { references: [{ uri: '', octets: valid }, { uri: '#TS-1' }] }),
      'a reference without URI': () => signedEnvelope(partner).replace('URI="#Body-1"', ''),
      'the same reference twice': () => signedEnvelope(partner, { also: [{ uri: '#Body-1' }] }),
      '65 references': () =>
        signedEnvelope(partner, {
          headers: Array.from({ length: 63 }, (_, i) => `<x:h xmlns:x="urn:x" wsu:Id="h${i}"/>`).join(''),
          also: Array.from({ length: 63 }, (_, i) => ({ uri: `#h${i}` })),
        }),
      'a Manifest': () => replace(valid, ['</ds:KeyInfo>', '</ds:KeyInfo><ds:Object><ds:Manifest/></ds:Object>']),
    });
  });

  describe('transforms and canonicalizations that are not exclusive c14n alone', () => {
    const withTransforms =
      (transforms: string): (() => string) =>
      () =>
        signedEnvelope(partner, { references: [{ uri: '#Body-1', transforms }, { uri: '#TS-1' }] });
    const algorithms: Record<string, string> = {
      'enveloped signature': `${ns.ds}enveloped-signature`,
      XSLT: 'http://www.w3.org/TR/1999/REC-xslt-19991116',
      XPath: 'http://www.w3.org/TR/1999/REC-xpath-19991116',
      'XPath filter 2': 'http://www.w3.org/2002/06/xmldsig-filter2',
      base64: `${ns.ds}base64`,
      'inclusive c14n': 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
      'c14n 1.1': 'http://www.w3.org/2006/12/xml-c14n11',
      'exclusive c14n with comments': `${exclusiveCanonicalization}WithComments`,
      'STR-Transform': tokenTransform,
      'attachment content on an element': attachmentContentTransform,
    };
    const cases: Record<string, () => string> = {};
    for (const [name, uri] of Object.entries(algorithms)) {
      cases[`transform: ${name}`] = withTransforms(transform(uri));
      cases[`canonicalization of SignedInfo: ${name}`] = () =>
        signedEnvelope(partner, { canonicalizationMethod: `<ds:CanonicalizationMethod Algorithm="${uri}"/>` });
    }
    refused('signature_invalid', cases);
    refused('signature_invalid', {
      'no transform': withTransforms(''),
      'no Transforms element': () => valid.replace(/<ds:Transforms>.*?<\/ds:Transforms>/, ''),
      'exclusive c14n twice': withTransforms(transform(exclusiveCanonicalization).repeat(2)),
      'enveloped signature before exclusive c14n': withTransforms(
        transform(`${ns.ds}enveloped-signature`) + transform(exclusiveCanonicalization),
      ),
      'a parameter that is no PrefixList': withTransforms(
        transform(exclusiveCanonicalization, '<ds:XPath>1</ds:XPath>'),
      ),
      'an XSLT stylesheet inside exclusive c14n': withTransforms(
        transform(exclusiveCanonicalization, '<s:stylesheet xmlns:s="http://www.w3.org/1999/XSL/Transform"/>'),
      ),
      'CanonicalizationMethod without Algorithm': () =>
        signedEnvelope(partner, { canonicalizationMethod: '<ds:CanonicalizationMethod/>' }),
      'a PrefixList that was added later': () =>
        replace(signedEnvelope(partner, { envelopeAttributes: 'xmlns:z="urn:z"' }), [
          transform(exclusiveCanonicalization),
          transform(
            exclusiveCanonicalization,
            `<ec:InclusiveNamespaces xmlns:ec="${exclusiveCanonicalization}" PrefixList="z"/>`,
          ),
        ]),
    });
  });

  describe('the STR-Transform', () => {
    const parameters = (inner: string): string =>
      transform(
        tokenTransform,
        `<wsse:TransformationParameters xmlns:wsse="${ns.wsse}">${inner}</wsse:TransformationParameters>`,
      );
    const method = `<ds:CanonicalizationMethod Algorithm="${exclusiveCanonicalization}"/>`;
    const named = tokenReference('#X509-1').replace('Reference>', 'Reference wsu:Id="STR-1">');
    const token = (): string => canonicalizeToken(elementById(parseXml(unsignedEnvelope(partner)), 'X509-1')!, []);
    const through = (reference: Partial<ReferenceOptions>, options: EnvelopeOptions = {}): string => {
      const whole = { uri: '#STR-1', transforms: parameters(method), octets: token(), ...reference };
      return signedEnvelope(partner, { keyInfo: named, also: [whole], ...options });
    };
    it('the tool itself makes one that is accepted', async () => {
      expect((await verifyTrusting(partner, through({}))).signer).to.equal(partner);
    });
    const identifier = (id: string): string =>
      `<wsse:SecurityTokenReference wsu:Id="${id}"><wsse:KeyIdentifier EncodingType="${tokenType.base64}" ` +
      `ValueType="${tokenType.certificate}">${partner.certificate.raw.toString('base64')}</wsse:KeyIdentifier></wsse:SecurityTokenReference>`;
    refused('signature_invalid', {
      'over another token than the one sent': () => through({ octets: token().replace('X509-1', 'X509-2') }),
      'over the reference instead of the token': () => through({ octets: named }),
      'that is asked for the Body': () =>
        through({ uri: '#Body-1', octets: token() }, { references: [{ uri: '#TS-1' }] }),
      'instead of the signature of the Body': () => through({}, { references: [{ uri: '#TS-1' }] }),
      'without parameters': () => through({ transforms: transform(tokenTransform) }),
      'with two canonicalizations': () => through({ transforms: parameters(method + method) }),
      'with inclusive canonicalization': () =>
        through({
          transforms: parameters(
            method.replace(exclusiveCanonicalization, 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315'),
          ),
        }),
      'of a reference that stands in the header': () => through({ uri: '#STR-2' }, { headers: identifier('STR-2') }),
      'of a reference that leads to no token of the message': () =>
        through({}, { token: '', keyInfo: identifier('STR-1') }),
      'and exclusive c14n at once': () =>
        through({ transforms: parameters(method) + transform(exclusiveCanonicalization) }),
    });
  });

  describe('algorithms that are too weak or confused', () => {
    const method = (uri: string, inner = ''): string =>
      `<ds:SignatureMethod Algorithm="${uri}">${inner}</ds:SignatureMethod>`;
    const rsaSha256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
    const publicPem = (): string => partner.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const hmac = (octets: Buffer): Buffer => createHmac('sha256', publicPem()).update(octets).digest();
    const pssGames: Record<string, (parameters: string) => string> = {
      'a SHA-1 hash': all => all.replaceAll('http://www.w3.org/2001/04/xmlenc#sha256', `${ns.ds}sha1`),
      'a SHA-1 mask': all => all.replace(/(MGF1"><ds:DigestMethod Algorithm=)"[^"]+/, `$1"${ns.ds}sha1`),
      'another mask than its hash': all => all.replace(/(MGF1"><ds:DigestMethod Algorithm=".*?)sha256/, '$1sha512'),
      'a mask that is not MGF1': all => all.replace('#MGF1', '#MGF2'),
      'no salt': all => all.replace('>32<', '>0<'),
      'a salt of a million octets': all => all.replace('>32<', '>1000000<'),
      'another trailer': all => all.replace('>1<', '>2<'),
      'a parameter twice': all => all.replace(/<p:SaltLength>.*?<\/p:SaltLength>/, '$&$&'),
      'parameters out of order': all => all.replace(/(<p:SaltLength>.*<\/p:SaltLength>)(<p:T.*?d>)/, '$2$1'),
      'parameters twice': all => all + all,
      'parameters of another namespace': all => all.replace(/xmlns:p="[^"]+"/, 'xmlns:p="urn:p"'),
      'an element inside its hash': all => all.replace(/#sha256"\/>/, '#sha256"><p:x/></ds:DigestMethod>'),
    };
    refused('signature_invalid', {
      'RSA with SHA-1': () =>
        signedEnvelope(partner, {
          signatureMethod: method(`${ns.ds}rsa-sha1`),
          sign: octets => sign('sha1', octets, partner.privateKey),
        }),
      'RSA with MD5': () =>
        signedEnvelope(partner, {
          signatureMethod: method('http://www.w3.org/2001/04/xmldsig-more#rsa-md5'),
          sign: octets => sign('md5', octets, partner.privateKey),
        }),
      'HMAC with the public key as its secret': () =>
        signedEnvelope(partner, {
          signatureMethod: method('http://www.w3.org/2001/04/xmldsig-more#hmac-sha256'),
          sign: hmac,
        }),
      'HMAC cut to one octet': () =>
        signedEnvelope(partner, {
          signatureMethod: method(`${ns.ds}hmac-sha1`, '<ds:HMACOutputLength>8</ds:HMACOutputLength>'),
          sign: octets => hmac(octets).subarray(0, 1),
        }),
      'a parameter inside SignatureMethod': () =>
        signedEnvelope(partner, { signatureMethod: method(rsaSha256, '<ds:HMACOutputLength>8</ds:HMACOutputLength>') }),
      ...Object.fromEntries(
        Object.entries(pssGames).map(([what, change]) => [
          `RSASSA-PSS with ${what}`,
          () => signedEnvelope(partner, parameterisedPss(partner, 'sha256', change)),
        ]),
      ),
      'no algorithm at all': () => signedEnvelope(partner, { signatureMethod: '<ds:SignatureMethod/>' }),
      'the name of an algorithm that is a property of every object': () =>
        signedEnvelope(partner, { signatureMethod: method('__proto__') }),
      'ECDSA claimed for an RSA key': () =>
        signedEnvelope(partner, { signatureMethod: method('http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256') }),
      'PSS claimed for a PKCS#1 signature': () =>
        signedEnvelope(partner, { signatureMethod: method('http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1') }),
      'a SHA-1 digest': () =>
        signedEnvelope(partner, {
          references: [{ uri: '#Body-1', digestAlgorithm: `${ns.ds}sha1` }, { uri: '#TS-1' }],
        }),
      'a digest of nothing (a canonicalization that failed)': () =>
        signedEnvelope(partner, { references: [{ uri: '#Body-1', octets: '' }, { uri: '#TS-1' }] }),
      'random octets as signature': () => signedEnvelope(partner, { sign: () => randomBytes(256) }),
      'zeros as signature': () => signedEnvelope(partner, { sign: () => Buffer.alloc(256) }),
    });

    for (const [what, kind] of [
      ['RSA of 1024 bits', 'RSA-1024'],
      ['ECDSA on P-521', 'P-521'],
    ] as const) {
      it(`${what}, even if registered`, async () => {
        const weak = await newPartner(kind);
        const octets = (data: Buffer): Buffer =>
          sign('sha256', data, { key: weak.privateKey, dsaEncoding: 'ieee-p1363' });
        const refusal = await refusalFrom(
          verifyTrusting(partner, signedEnvelope(weak, { sign: octets }), async () => weak),
        );
        expect(refusal.code).to.equal('signature_invalid');
      });
    }

    it('an ECDSA signature in DER form, which is not what XML Signature says', async () => {
      const elliptic = await newPartner('P-256');
      const der = signedEnvelope(elliptic, { sign: octets => sign('sha256', octets, elliptic.privateKey) });
      expect((await refusalFrom(verifyTrusting(partner, der, async () => elliptic))).code).to.equal(
        'signature_invalid',
      );
    });
  });

  describe('signers that are not who they seem', () => {
    refused('certificate_invalid', {
      'a certificate that nobody registered': () => signedEnvelope(stranger),
      'a thumbprint that nobody registered': () =>
        signedEnvelope(partner, {
          token: '',
          keyInfo: keyIdentifier(
            'http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1',
            randomBytes(20),
          ),
        }),
    });
    const keyIdentifier = (valueType: string, value: Buffer): string =>
      `<wsse:SecurityTokenReference><wsse:KeyIdentifier ValueType="${valueType}">${value.toString('base64')}</wsse:KeyIdentifier></wsse:SecurityTokenReference>`;
    refused('signature_invalid', {
      "the partner's certificate with a stranger's signature": () =>
        signedEnvelope(stranger, { token: binaryToken(partner) }),
      'the certificate exchanged after signing': () =>
        replace(signedEnvelope(stranger), [binaryToken(stranger), binaryToken(partner)]),
      'a bare KeyValue': () =>
        signedEnvelope(partner, { token: '', keyInfo: '<ds:KeyValue><ds:RSAKeyValue/></ds:KeyValue>' }),
      'a KeyName': () => signedEnvelope(partner, { token: '', keyInfo: '<ds:KeyName>partner</ds:KeyName>' }),
      'a certificate in X509Data without a token reference': () =>
        signedEnvelope(partner, {
          token: '',
          keyInfo: `<ds:X509Data><ds:X509Certificate>${partner.certificate.raw.toString('base64')}</ds:X509Certificate></ds:X509Data>`,
        }),
      'a token reference to itself': () =>
        signedEnvelope(partner, {
          keyInfo: '<wsse:SecurityTokenReference wsu:Id="X"><wsse:Reference URI="#X"/></wsse:SecurityTokenReference>',
        }),
      'a token reference to the Body': () => signedEnvelope(partner, { keyInfo: tokenReference('#Body-1') }),
      'a token reference to a web address': () =>
        signedEnvelope(partner, { token: '', keyInfo: tokenReference('http://127.0.0.1:9/certificate') }),
      'a token reference without URI': () => signedEnvelope(partner, { keyInfo: tokenReference('') }),
      'an embedded token': () =>
        signedEnvelope(partner, {
          token: '',
          keyInfo: `<wsse:SecurityTokenReference><wsse:Embedded>${binaryToken(partner)}</wsse:Embedded></wsse:SecurityTokenReference>`,
        }),
      'two token references': () => signedEnvelope(partner, { keyInfo: tokenReference('#X509-1').repeat(2) }),
      'two tokens': () =>
        signedEnvelope(partner, { token: binaryToken(partner) + binaryToken(stranger).replace('X509-1', 'X509-2') }),
      'a token that is not a certificate': () =>
        signedEnvelope(partner, { token: binaryToken(partner, undefined, randomBytes(900)) }),
      'a token of an unknown type': () => signedEnvelope(partner, { token: binaryToken(partner, 'urn:type') }),
      'a token of a hundred kilobytes': () =>
        signedEnvelope(partner, { token: binaryToken(partner, undefined, randomBytes(100_000)) }),
      'a token in PEM': () =>
        signedEnvelope(partner, {
          token: binaryToken(partner).replace(/>[^<]+</, `>${partner.certificate.toString()}<`),
        }),
      'a certificate part that is not there': () =>
        signedEnvelope(partner, { token: '', keyInfo: tokenReference('cid:certificate') }),
    });

    it('nobody, when the resolver knows nobody: trust that is not configured is no trust', async () => {
      expect((await refusalFrom(verifyTrusting(partner, valid, async () => undefined))).code).to.equal(
        'certificate_invalid',
      );
    });
  });

  describe('headers', () => {
    const addressing = (local: string, content: string): string =>
      `<wsa:${local} xmlns:wsa="${ns.wsa}">${content}</wsa:${local}>`;
    refused('malformed', {
      'a ReplyTo that would send the answer elsewhere': () =>
        signedEnvelope(partner, { headers: addressing('ReplyTo', `<wsa:Address>http://127.0.0.1:9/</wsa:Address>`) }),
      'a FaultTo that would send the fault elsewhere': () =>
        signedEnvelope(partner, { headers: addressing('FaultTo', `<wsa:Address>http://127.0.0.1:9/</wsa:Address>`) }),
      'a ReplyTo without address': () => signedEnvelope(partner, { headers: addressing('ReplyTo', '') }),
      'two Actions': () =>
        signedEnvelope(partner, { headers: addressing('Action', 'urn:a') + addressing('Action', 'urn:b') }),
      'mustUnderstand that is no boolean': () =>
        signedEnvelope(partner, { headers: '<x:h xmlns:x="urn:x" soap:mustUnderstand="yes"/>' }),
    });
    refused('must_understand', {
      'an unknown mandatory header': () =>
        signedEnvelope(partner, { headers: '<x:h xmlns:x="urn:x" soap:mustUnderstand="true"/>' }),
      'an unknown mandatory header for the ultimate receiver': () =>
        signedEnvelope(partner, {
          headers: `<x:h xmlns:x="urn:x" soap:role="${ns.soap}/role/ultimateReceiver" soap:mustUnderstand="1"/>`,
        }),
      'a header of another version of WS-Addressing': () =>
        signedEnvelope(partner, {
          headers: '<w:To xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" soap:mustUnderstand="1">x</w:To>',
        }),
    });
    refused('signature_invalid', {
      'a Context that is not signed': () => signedEnvelope(partner, { headers: context('bsk_1') }),
      'a Context that is not signed beside one that is': () =>
        signedEnvelope(partner, { headers: context('bsk_1', 'wsu:Id="C"'), also: [{ uri: '#C' }] }).replace(
          'bsk_1',
          'bsk_2',
        ),
    });
    refused('malformed', {
      'two Contexts': () =>
        signedEnvelope(partner, {
          headers: context('bsk_1', 'wsu:Id="C"') + context('bsk_2', 'wsu:Id="D"'),
          also: [{ uri: '#C' }, { uri: '#D' }],
        }),
      'two keys in one Context': () =>
        signedEnvelope(partner, {
          headers: context('bsk_1</c:apiKey><c:apiKey>bsk_2', 'wsu:Id="C"'),
          also: [{ uri: '#C' }],
        }),
      'a Context with something else inside': () =>
        signedEnvelope(partner, {
          headers: context('bsk_1</c:apiKey><c:__proto__>x</c:__proto__><c:apiKey>', 'wsu:Id="C"'),
          also: [{ uri: '#C' }],
        }),
    });
    const context = (key: string, attributes = ''): string =>
      `<c:Context xmlns:c="${areaNamespace}" ${attributes}><c:apiKey>${key}</c:apiKey></c:Context>`;
  });

  describe('versions', () => {
    refused('version_mismatch', {
      'SOAP 1.1': () => valid.replaceAll(ns.soap, ns.soap11),
      'an Envelope of no SOAP at all': () => '<Envelope xmlns="urn:evil"><Body/></Envelope>',
      'an Envelope without namespace': () => '<Envelope><Body/></Envelope>',
    });
    refused('malformed', {
      'a SOAP 1.1 Body in a SOAP 1.2 Envelope': () =>
        replace(valid, [body, `<s:Body xmlns:s="${ns.soap11}" wsu:Id="Body-1">${operationXml}</s:Body>`]),
    });
  });

  describe('attachments', () => {
    refused('signature_invalid', {
      'signed with exclusive c14n instead of the attachment transform': () =>
        signedEnvelope(partner, { also: [{ uri: 'cid:one', octets: 'x' } satisfies ReferenceOptions] }),
      'signed with a transform of another name': () =>
        signedEnvelope(partner, {
          also: [
            {
              uri: 'cid:one',
              octets: 'x',
              transforms: transform(attachmentContentTransform.replace('Content', 'Whole')),
            },
          ],
        }),
    });
  });
});
