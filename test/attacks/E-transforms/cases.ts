import {
  attachmentCompleteTransform,
  attachmentContentTransform,
  exclusiveCanonicalization,
  tokenTransform,
} from '../../../src/doors/soap/algorithms.ts';
import { canonicalizeToken } from '../../../src/doors/soap/canonical.ts';
import { ns, tokenType } from '../../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import { type Attack, harmless, refused, type Scene } from '../../kit/hostile-soap.ts';
import {
  type EnvelopeOptions,
  elementById,
  type ReferenceOptions,
  tokenReference,
  transform,
} from '../../kit/soap-signing.ts';

const algorithms: Record<string, string> = {
  'enveloped signature': `${ns.ds}enveloped-signature`,
  XSLT: 'http://www.w3.org/TR/1999/REC-xslt-19991116',
  XPath: 'http://www.w3.org/TR/1999/REC-xpath-19991116',
  'XPath filter 2': 'http://www.w3.org/2002/06/xmldsig-filter2',
  base64: `${ns.ds}base64`,
  'inclusive c14n': 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
  'inclusive c14n with comments': 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments',
  'c14n 1.1': 'http://www.w3.org/2006/12/xml-c14n11',
  'c14n 2.0': 'http://www.w3.org/2010/xml-c14n2',
  'exclusive c14n with comments': `${exclusiveCanonicalization}WithComments`,
  decryption: 'http://www.w3.org/2002/07/decrypt#XML',
  'STR-Transform': tokenTransform,
  'attachment content': attachmentContentTransform,
  'attachment with headers': attachmentCompleteTransform,
  'an unknown one': 'urn:transform',
  'one whose name is a property of every object': '__proto__',
};

const withTransforms =
  (transforms: string): Attack =>
  s =>
    s.sign({ references: [{ uri: '#Body-1', transforms }, { uri: '#TS-1' }] });

const asTransform = Object.entries(algorithms).map(([name, uri]) => [
  `the Body through ${name}`,
  withTransforms(transform(uri)),
]);
const asMethod = Object.entries(algorithms).map(([name, uri]): [string, Attack] => [
  `SignedInfo through ${name}`,
  s => s.sign({ canonicalizationMethod: `<ds:CanonicalizationMethod Algorithm="${uri}"/>` }),
]);

/** The token that an STR-Transform stands for, and a message that signs it so. */
const parameters = (inner: string): string =>
  transform(
    tokenTransform,
    `<wsse:TransformationParameters xmlns:wsse="${ns.wsse}">${inner}</wsse:TransformationParameters>`,
  );
const method = `<ds:CanonicalizationMethod Algorithm="${exclusiveCanonicalization}"/>`;
const named = tokenReference('#X509-1').replace('Reference>', 'Reference wsu:Id="STR-1">');
const token = (s: Scene): string => canonicalizeToken(elementById(parseXml(s.unsigned()), 'X509-1')!, []);
const identifier = (s: Scene, id: string): string =>
  `<wsse:SecurityTokenReference wsu:Id="${id}"><wsse:KeyIdentifier EncodingType="${tokenType.base64}" ` +
  `ValueType="${tokenType.certificate}">${s.partner.certificate.raw.toString('base64')}</wsse:KeyIdentifier></wsse:SecurityTokenReference>`;
const through = (s: Scene, reference: Partial<ReferenceOptions>, options: EnvelopeOptions = {}): string => {
  const whole = { uri: '#STR-1', transforms: parameters(method), octets: token(s), ...reference };
  return s.sign({ keyInfo: named, also: [whole], ...options });
};

export const cases = [
  ...refused('signature_invalid', {
    ...Object.fromEntries(asTransform),
    ...Object.fromEntries(asMethod),
    'no transform': withTransforms(''),
    'no Transforms element': s => s.valid.replace(/<ds:Transforms>.*?<\/ds:Transforms>/, ''),
    'exclusive c14n twice': withTransforms(transform(exclusiveCanonicalization).repeat(2)),
    'enveloped signature before exclusive c14n': withTransforms(
      transform(`${ns.ds}enveloped-signature`) + transform(exclusiveCanonicalization),
    ),
    'exclusive c14n before an XPath that selects nothing': withTransforms(
      transform(exclusiveCanonicalization) +
        transform('http://www.w3.org/TR/1999/REC-xpath-19991116', '<ds:XPath>false()</ds:XPath>'),
    ),
    'a parameter that is no PrefixList': withTransforms(transform(exclusiveCanonicalization, '<ds:XPath>1</ds:XPath>')),
    'an XSLT stylesheet inside exclusive c14n': withTransforms(
      transform(exclusiveCanonicalization, '<s:stylesheet xmlns:s="http://www.w3.org/1999/XSL/Transform"/>'),
    ),
    'a transform of another namespace': withTransforms(
      `<x:Transform xmlns:x="urn:x" Algorithm="${exclusiveCanonicalization}"/>`,
    ),
    'CanonicalizationMethod without Algorithm': s => s.sign({ canonicalizationMethod: '<ds:CanonicalizationMethod/>' }),
    'no CanonicalizationMethod': s => s.sign({ canonicalizationMethod: '' }),
    'the STR-Transform over another token than the one sent': s =>
      through(s, { octets: token(s).replace('X509-1', 'X509-2') }),
    'the STR-Transform over the reference instead of the token': s => through(s, { octets: named }),
    'the STR-Transform asked for the Body': s =>
      through(s, { uri: '#Body-1', octets: token(s) }, { references: [{ uri: '#TS-1' }] }),
    'the STR-Transform instead of the signature of the Body': s => through(s, {}, { references: [{ uri: '#TS-1' }] }),
    'the STR-Transform without parameters': s => through(s, { transforms: transform(tokenTransform) }),
    'the STR-Transform with two canonicalizations': s => through(s, { transforms: parameters(method + method) }),
    'the STR-Transform with inclusive canonicalization': s =>
      through(s, { transforms: parameters(method.replace(exclusiveCanonicalization, algorithms['inclusive c14n']!)) }),
    'the STR-Transform of a reference that stands in the header': s =>
      through(s, { uri: '#STR-2' }, { headers: identifier(s, 'STR-2') }),
    'the STR-Transform of a reference that leads to no token of the message': s =>
      through(s, {}, { token: '', keyInfo: identifier(s, 'STR-1') }),
    'the STR-Transform and exclusive c14n at once': s =>
      through(s, { transforms: parameters(method) + transform(exclusiveCanonicalization) }),
    'an attachment through exclusive c14n': s => s.sign({ also: [{ uri: 'cid:one', octets: 'x' }] }),
    'an attachment through a transform of another name': s =>
      s.sign({
        also: [
          {
            uri: 'cid:one',
            octets: 'x',
            transforms: transform(attachmentContentTransform.replace('Content', 'Whole')),
          },
        ],
      }),
  }),
  ...harmless({ 'the STR-Transform as WS-Security has it': s => through(s, {}) }),
];
