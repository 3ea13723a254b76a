import { SignedXml } from 'xml-crypto';
import { exclusiveCanonicalization, signatureAlgorithms } from '../../../src/doors/soap/algorithms.ts';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { cut, refused, replace, type Scene } from '../../kit/hostile-soap.ts';

const saml = 'urn:oasis:names:tc:SAML:2.0:assertion';
const protocol = 'urn:oasis:names:tc:SAML:2.0:protocol';

const assertion = (id = 'a1'): string =>
  `<saml:Assertion xmlns:saml="${saml}" ID="${id}" Version="2.0"><saml:Issuer>partner</saml:Issuer>` +
  '<saml:Subject><saml:NameID>admin@example.com</saml:NameID></saml:Subject></saml:Assertion>';
const response = (content: string): string =>
  `<samlp:Response xmlns:samlp="${protocol}" ID="r1" Version="2.0">${content}</samlp:Response>`;

/** Signed as identity providers sign: enveloped, the certificate in X509Data, by the library of the advisories. */
function enveloped(s: Scene, xml: string, local: string): string {
  const signer = new SignedXml({
    privateKey: s.partner.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    publicCert: s.partner.certificate.toString(),
    signatureAlgorithm: signatureAlgorithms.rsaSha256.uri,
    canonicalizationAlgorithm: exclusiveCanonicalization,
  });
  signer.addReference({
    xpath: `//*[local-name(.)='${local}']`,
    transforms: [`${ns.ds}enveloped-signature`, exclusiveCanonicalization],
    digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
  });
  signer.computeSignature(xml, {
    prefix: 'ds',
    location: { reference: `//*[local-name(.)='${local}']`, action: 'append' },
  });
  return signer.getSignedXml();
}

const signedAssertion = (s: Scene): string => enveloped(s, assertion(), 'Assertion');

/** In the Security header, where a token would stand. */
const asToken = (s: Scene, token: string): string => replace(s.unsigned(), ['<!--security-->', token]);

export const cases = [
  ...refused('signature_invalid', {
    'a signed SAML assertion as the only token': s => asToken(s, signedAssertion(s)),
    'a signed SAML assertion beside the signature of the message': s =>
      replace(s.valid, [s.signature, signedAssertion(s) + s.signature]),
    'an unsigned SAML assertion beside the signature of the message': s =>
      replace(s.valid, [s.signature, assertion() + s.signature]),
    'a SAML assertion as the signer': s =>
      s.sign({
        token: '',
        keyInfo:
          '<wsse:SecurityTokenReference><wsse:KeyIdentifier ValueType="http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLID">a1</wsse:KeyIdentifier></wsse:SecurityTokenReference>',
      }),
    'the enveloped signature moved into the Security header': s => {
      const signed = enveloped(s, s.unsigned(), 'Body');
      const signature = cut(signed, 'ds:Signature');
      return replace(signed, [signature, ''], ['</wsse:Security>', `${signature}</wsse:Security>`]);
    },
    'an assertion whose digest has a comment in it (CVE-2025-29775)': s =>
      asToken(s, signedAssertion(s).replace('<ds:DigestValue>', '<ds:DigestValue><!--x-->AAAA')),
    'an assertion with two SignedInfo (CVE-2025-29774)': s => {
      const signed = signedAssertion(s);
      const info = cut(signed, 'ds:SignedInfo');
      return asToken(s, replace(signed, [info, info + info]));
    },
    'an assertion inside the signed one (XSW4 as it was told first)': s =>
      asToken(s, replace(signedAssertion(s), ['</saml:Subject>', `</saml:Subject>${assertion('a2')}`])),
  }),
  ...refused('malformed', {
    'the enveloped signature of the Envelope instead of the one of WS-Security': s =>
      enveloped(s, s.unsigned(), 'Envelope'),
    'the enveloped signature of the Body instead of the one of WS-Security': s => enveloped(s, s.unsigned(), 'Body'),

    'a SAML response instead of an envelope': s => enveloped(s, response(assertion()), 'Response'),
    'a SAML response with a signed assertion': s => response(signedAssertion(s)),
    'a SAML response with the forged assertion first': s => response(assertion('a2') + signedAssertion(s)),
    'a SAML response without SignedInfo': s => {
      const signed = signedAssertion(s);
      return response(replace(signed, [cut(signed, 'ds:SignedInfo'), '']));
    },
    'a name cut by a processing instruction': s => response(signedAssertion(s).replace('admin@', 'admin<?x ?>@')),
  }),
];
