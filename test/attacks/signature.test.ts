import { createHmac, randomBytes, sign } from 'node:crypto';
import { expect } from 'chai';
import { attachmentContentTransform, exclusiveCanonicalization } from '../../src/doors/soap/algorithms.ts';
import { ns } from '../../src/doors/soap/namespaces.ts';
import { type Signer, verifyEnvelope } from '../../src/doors/soap/verify.ts';
import { refusalFrom } from '../kit/refusal.ts';
import {
  areaNamespace,
  binaryToken,
  newPartner,
  operationXml,
  type Partner,
  type ReferenceOptions,
  signedEnvelope,
  timestampXml,
  tokenReference,
  transform,
  unsignedEnvelope,
} from '../kit/soap-signing.ts';

/** What an attacker wants to have run in the partner's name. */
const evil = operationXml.replace('org_1', 'org_evil');
const evilBody = (attributes = ''): string => `<soap:Body ${attributes}>${evil}</soap:Body>`;

describe('signed messages that are not authentic', () => {
  let partner: Partner;
  let stranger: Partner;
  let valid: string;
  let body: string;
  let timestamp: string;
  let signature: string;

  before(async () => {
    partner = await newPartner();
    stranger = await newPartner();
    valid = signedEnvelope(partner);
    body = cut(valid, 'soap:Body');
    timestamp = cut(valid, 'wsu:Timestamp');
    signature = cut(valid, 'ds:Signature');
  });

  const verify = (xml: string, resolve?: () => Promise<Signer | undefined>) =>
    verifyEnvelope(
      { octets: Buffer.from(xml), charset: undefined },
      {
        receivedAt: new Date(),
        contextNamespace: areaNamespace,
        resolve:
          resolve ??
          (async reference =>
            reference.kind === 'certificate' &&
            reference.certificate.fingerprint256 === partner.certificate.fingerprint256
              ? partner
              : undefined),
      },
    );

  /** Makes one case per entry; each must end in the code, and say nothing about why. */
  function refused(code: string, cases: Record<string, () => string>): void {
    for (const [name, make] of Object.entries(cases)) {
      it(name, async () => {
        const refusal = await refusalFrom(verify(make()));
        expect(refusal.code, String(refusal.cause ?? refusal.message)).to.equal(code);
        if (code === 'signature_invalid') {
          expect(refusal.message).to.equal('The request signature is missing or does not verify.');
        }
      });
    }
  }

  it('do not include the message that the attacks start from', async () => {
    expect((await verify(valid)).operation.local).to.equal('GetOrganization');
  });

  it('and not one that is authentic, but full of names that other servers trip over', async () => {
    const operation = `<m:Op xmlns:m="urn:m" id="__proto__"><m:constructor href="#__proto__"/><m:__proto__>x</m:__proto__></m:Op>`;
    const signed = await verify(signedEnvelope(partner, { body: operation }));
    expect(signed.operation.children).to.have.length(2);
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
    expect(({} as Record<string, unknown>).obj).to.equal(undefined);
  });

  describe('wrapping: the signed Body is kept where the digest finds it, another is where it would be run', () => {
    // XSW 1 to 8 of the SAML literature, told for Envelope, Body and Signature instead of Response and Assertion.
    refused('signature_invalid', {
      'XSW1: the signed Body inside ds:Object of the Signature, a Body with the same Id in its place': () =>
        replace(
          valid,
          [body, evilBody('wsu:Id="Body-1"')],
          ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${body}</ds:Object>`],
        ),
      'XSW2: the signed Body before the Signature, in the Security header': () =>
        replace(valid, [body, evilBody('wsu:Id="Body-2"')], [signature, body + signature]),
      'XSW3: the signed Body as a header block before Security': () =>
        replace(valid, [body, evilBody('wsu:Id="Body-2"')], ['<wsse:Security', `${body}<wsse:Security`]),
      'XSW4: the signed Body inside the forged one': () =>
        replace(valid, [
          body,
          `<soap:Body wsu:Id="Body-2">${operationXml.replace('<m:orgId>', `${body}<m:orgId>`)}</soap:Body>`,
        ]),
      'XSW5: the Signature moved into the forged Body': () =>
        replace(valid, [signature, ''], [body, `<soap:Body wsu:Id="Body-2"><x>${signature}${body}</x></soap:Body>`]),
      'XSW6: the signed Body inside the Signature inside the forged Body': () =>
        replace(
          valid,
          [signature, ''],
          [
            body,
            `<soap:Body wsu:Id="Body-2">${signature.replace('</ds:Signature>', `<ds:Object>${body}</ds:Object></ds:Signature>`)}</soap:Body>`,
          ],
        ),
      'XSW7: the signed Body in an extension header with the same Id': () =>
        replace(
          valid,
          [body, evilBody('wsu:Id="Body-1"')],
          ['<wsse:Security', `<x:Extensions xmlns:x="urn:x">${body}</x:Extensions><wsse:Security`],
        ),
      'XSW8: the signed Body in ds:Object, the forged one with another Id and none signed': () =>
        replace(valid, [body, evilBody()], ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${body}</ds:Object>`]),
      'the signed Body in a Wrapper header with another role': () =>
        replace(
          valid,
          [body, evilBody('wsu:Id="Body-2"')],
          [
            '<wsse:Security',
            `<x:Wrapper xmlns:x="urn:x" soap:role="${ns.soap}/role/none" soap:mustUnderstand="0">${body}</x:Wrapper><wsse:Security`,
          ],
        ),
      'the signed Body renamed into another element that keeps its Id': () =>
        replace(
          valid,
          [body, evilBody()],
          ['<wsse:Security', `<x:Body xmlns:x="urn:x" wsu:Id="Body-1">${operationXml}</x:Body><wsse:Security`],
        ),
      'the signed operation as a header block, referenced without its Body': () =>
        signedEnvelope(partner, {
          headers: `<m:Operation xmlns:m="${areaNamespace}" wsu:Id="Op-1">${operationXml}</m:Operation>`,
          references: [{ uri: '#Op-1' }, { uri: '#TS-1' }],
          body: evil,
        }),
      'the operation signed inside a Body that is not': () =>
        signedEnvelope(partner, {
          body: operationXml.replace('<m:GetOrganization', '<m:GetOrganization wsu:Id="Op-1"'),
          references: [{ uri: '#Op-1' }, { uri: '#TS-1' }],
        }),
      'the signed Timestamp in a wrapper, a fresh one in its place': () =>
        replace(
          valid,
          [timestamp, timestampXml({}).replace('TS-1', 'TS-2')],
          ['<wsse:Security', `<x:W xmlns:x="urn:x">${timestamp}</x:W><wsse:Security`],
        ),
      'two Timestamps, the signed one second': () =>
        replace(valid, [timestamp, timestampXml({}).replace('TS-1', 'TS-2') + timestamp]),
      'the signed Timestamp in a second Security header': () =>
        replace(
          valid,
          [timestamp, ''],
          ['<wsse:Security', `<wsse:Security>${timestamp}</wsse:Security><wsse:Security`],
        ),
      'the Security header inside another header block': () => {
        const security = cut(valid, 'wsse:Security');
        return replace(valid, [security, `<x:W xmlns:x="urn:x">${security}</x:W>`]);
      },
      'the whole signed Envelope inside the Body of another': () =>
        `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Body>${valid}</soap:Body></soap:Envelope>`,
    });

    refused('malformed', {
      'two Bodies, the forged one first': () => replace(valid, [body, evilBody('wsu:Id="Body-2"') + body]),
      'two Bodies, the forged one last': () => replace(valid, [body, body + evilBody('wsu:Id="Body-2"')]),
      'the signed Body as a brother of Envelope children after the forged one': () =>
        replace(valid, [body, `${evilBody()}<x:W xmlns:x="urn:x">${body}</x:W>`]),
      'the Header after the Body': () => {
        const header = cut(valid, 'soap:Header');
        return replace(valid, [header, ''], [body, body + header]);
      },
      'two operations in the signed Body': () => signedEnvelope(partner, { body: operationXml + evil }),
      'an empty Body': () => signedEnvelope(partner, { body: '' }),
      'text beside the operation': () => signedEnvelope(partner, { body: `x${operationXml}` }),
      'an envelope that is none': () => '<x/>',
    });
  });

  describe('identifiers that lead to two things', () => {
    const idCases: Record<string, string> = {
      'wsu:Id': 'wsu:Id="Body-1"',
      Id: 'Id="Body-1"',
      ID: 'ID="Body-1"',
      id: 'id="Body-1"',
      'xml:id': 'xml:id="Body-1"',
      'Id in a foreign namespace': 'x:Id="Body-1" xmlns:x="urn:x"',
    };
    refused(
      'signature_invalid',
      Object.fromEntries(
        Object.entries(idCases).map(([name, attribute]) => [
          `the Body's Id repeated as ${name}`,
          () => replace(valid, ['<wsse:Security', `<h xmlns="urn:h" ${attribute}/><wsse:Security`]),
        ]),
      ),
    );
    refused('signature_invalid', {
      'a Body with two identifiers of the same value': () =>
        signedEnvelope(partner, { bodyAttributes: 'wsu:Id="Body-1" Id="Body-1"' }),
      'a Body identified by Id without wsu': () => signedEnvelope(partner, { bodyAttributes: 'Id="Body-1"' }),
      'a Body identified by xml:id': () => signedEnvelope(partner, { bodyAttributes: 'xml:id="Body-1"' }),
    });
  });

  describe('signatures that leave something out', () => {
    refused('signature_invalid', {
      'no Header at all': () => `<soap:Envelope xmlns:soap="${ns.soap}">${evilBody()}</soap:Envelope>`,
      'no Security header': () => replace(valid, [cut(valid, 'wsse:Security'), '']),
      'no Signature': () => replace(valid, [signature, '']),
      'an unsigned message': () => unsignedEnvelope(partner),
      'a Security header of another namespace': () => valid.replaceAll(ns.wsse, 'urn:wsse'),
      'a Security header for another role': () =>
        signedEnvelope(partner, { securityAttributes: 'soap:role="urn:someone"' }),
      'a Security header for the next node only': () =>
        signedEnvelope(partner, { securityAttributes: `soap:role="${ns.soap}/role/next"` }),
      'the Body not signed': () => signedEnvelope(partner, { references: [{ uri: '#TS-1' }] }),
      'the Timestamp not signed': () => signedEnvelope(partner, { references: [{ uri: '#Body-1' }] }),
      'no Timestamp': () => signedEnvelope(partner, { timestamp: '', references: [{ uri: '#Body-1' }] }),
      'no references': () => signedEnvelope(partner, { references: [] }),
      'two Signatures': () => replace(valid, [signature, signature + signature]),
      'a second Security header': () =>
        replace(valid, ['<wsse:Security', '<wsse:Security soap:role="urn:someone"></wsse:Security><wsse:Security']),
      'a Signature inside the Signature': () => replace(valid, ['</ds:KeyInfo>', `</ds:KeyInfo>${signature}`]),
      'two SignedInfo': () => {
        const info = cut(valid, 'ds:SignedInfo');
        return replace(valid, [info, info + info]);
      },
      'SignedInfo one level deeper': () => {
        const info = cut(valid, 'ds:SignedInfo');
        return replace(valid, [info, `<ds:W>${info}</ds:W>`]);
      },
      'no SignedInfo': () => replace(valid, [cut(valid, 'ds:SignedInfo'), '']),
      'no SignatureValue': () => replace(valid, [cut(valid, 'ds:SignatureValue'), '']),
      'an empty SignatureValue': () => valid.replace(/(<ds:SignatureValue>)[^<]*/, '$1'),
      'no KeyInfo': () => replace(valid, [cut(valid, 'ds:KeyInfo'), '']),
      'a UsernameToken beside the signature': () =>
        replace(valid, [
          signature,
          `<wsse:UsernameToken><wsse:Username>x</wsse:Username></wsse:UsernameToken>${signature}`,
        ]),
    });
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
      'STR-Transform':
        'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform',
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

  describe('algorithms that are too weak or confused', () => {
    const method = (uri: string, inner = ''): string =>
      `<ds:SignatureMethod Algorithm="${uri}">${inner}</ds:SignatureMethod>`;
    const rsaSha256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
    const publicPem = (): string => partner.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const hmac = (octets: Buffer): Buffer => createHmac('sha256', publicPem()).update(octets).digest();
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
        const refusal = await refusalFrom(verify(signedEnvelope(weak, { sign: octets }), async () => weak));
        expect(refusal.code).to.equal('signature_invalid');
      });
    }

    it('an ECDSA signature in DER form, which is not what XML Signature says', async () => {
      const elliptic = await newPartner('P-256');
      const der = signedEnvelope(elliptic, { sign: octets => sign('sha256', octets, elliptic.privateKey) });
      expect((await refusalFrom(verify(der, async () => elliptic))).code).to.equal('signature_invalid');
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
      expect((await refusalFrom(verify(valid, async () => undefined))).code).to.equal('certificate_invalid');
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
      'signed with the headers of the part included': () =>
        signedEnvelope(partner, {
          also: [
            {
              uri: 'cid:one',
              octets: 'x',
              transforms: transform(attachmentContentTransform.replace('Content', 'Complete')),
            },
          ],
        }),
    });
  });
});

/** The first element of that name with its content; elements of the same name must not nest. */
function cut(xml: string, name: string): string {
  const start = xml.indexOf(`<${name}`);
  const end = xml.indexOf(`</${name}>`, start);
  if (start < 0 || end < 0) throw new Error(`no ${name}`);
  return xml.slice(start, end + name.length + 3);
}

function replace(xml: string, ...changes: [from: string, to: string][]): string {
  let text = xml;
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}
