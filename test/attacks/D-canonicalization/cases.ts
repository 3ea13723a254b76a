import { exclusiveCanonicalization } from '../../../src/doors/soap/algorithms.ts';
import { type Attack, harmless, refused, replace } from '../../kit/hostile-soap.ts';
import { transform } from '../../kit/soap-signing.ts';

const inclusive = (prefixes: string): string =>
  `<ec:InclusiveNamespaces xmlns:ec="${exclusiveCanonicalization}" PrefixList="${prefixes}"/>`;
const listed =
  (prefixes: string): Attack =>
  s =>
    s.sign({
      references: [
        { uri: '#Body-1', transforms: transform(exclusiveCanonicalization, inclusive(prefixes)) },
        { uri: '#TS-1' },
      ],
    });

/** Text beyond ASCII that some reader takes for something else; the value is that of the organisation with it in front. */
const odd =
  (text: string): Attack =>
  s =>
    replace(s.valid, ['<m:orgId>', `<m:orgId>${text}`]);

export const cases = [
  ...refused('signature_invalid', {
    'the digest of nothing, as of a canonicalization that failed': s =>
      s.sign({ references: [{ uri: '#Body-1', octets: '' }, { uri: '#TS-1' }] }),
    'all digests of nothing': s =>
      s.sign({
        references: [
          { uri: '#Body-1', octets: '' },
          { uri: '#TS-1', octets: '' },
        ],
      }),
    'the digest of the Body with its comments': s => {
      const body = s.operation.replace('<m:orgId>', '<m:orgId><!--x-->');
      const octets = `<soap:Body xmlns:soap="http://www.w3.org/2003/05/soap-envelope">${body}</soap:Body>`;
      return s.sign({ body, references: [{ uri: '#Body-1', octets }, { uri: '#TS-1' }] });
    },
    'the digest of the Body as sent, not as canonical': s =>
      s.sign({
        references: [
          { uri: '#Body-1', octets: `<soap:Body wsu:Id="Body-1">${s.operation}</soap:Body>` },
          { uri: '#TS-1' },
        ],
      }),
    'a PrefixList that was added later': s =>
      replace(s.sign({ envelopeAttributes: 'xmlns:z="urn:z"' }), [
        transform(exclusiveCanonicalization),
        transform(exclusiveCanonicalization, inclusive('z')),
      ]),
    'a PrefixList that was taken away': s =>
      replace(
        s.sign({
          envelopeAttributes: 'xmlns:z="urn:z"',
          references: [{ uri: '#Body-1', inclusivePrefixes: 'z' }, { uri: '#TS-1' }],
        }),
        [inclusive('z'), ''],
      ),
    'a listed prefix that is bound to something else afterwards': s =>
      replace(
        s.sign({
          envelopeAttributes: 'xmlns:z="urn:z"',
          references: [{ uri: '#Body-1', inclusivePrefixes: 'z' }, { uri: '#TS-1' }],
        }),
        ['xmlns:z="urn:z"', 'xmlns:z="urn:y"'],
      ),
    'a PrefixList of 65 prefixes': listed(Array.from({ length: 65 }, (_, i) => `p${i}`).join(' ')),
    'two PrefixLists': s =>
      s.sign({
        references: [
          { uri: '#Body-1', transforms: transform(exclusiveCanonicalization, inclusive('a').repeat(2)) },
          { uri: '#TS-1' },
        ],
      }),
    'a PrefixList of another namespace': s =>
      s.sign({
        references: [
          { uri: '#Body-1', transforms: transform(exclusiveCanonicalization, '<InclusiveNamespaces PrefixList="a"/>') },
          { uri: '#TS-1' },
        ],
      }),
    'a default namespace declared around the signed Body, which its names then mean': s =>
      replace(s.sign({ body: s.operation.replaceAll('m:', '').replace('xmlns:m', 'xmlns') }), [
        'xmlns="http',
        'xmlns="urn:x" xmlns:m="http',
      ]),
    'the namespace of the operation exchanged by redeclaring its prefix': s =>
      replace(s.valid, ['<m:request>', '<m:request xmlns:m="urn:x">']),
    'xml:lang put on the Body': s => replace(s.valid, ['<soap:Body ', '<soap:Body xml:lang="en" ']),
    'xml:base put on the operation': s =>
      replace(s.valid, ['<m:GetOrganization ', '<m:GetOrganization xml:base="urn:x" ']),
    'xml:space put on a value': s => replace(s.valid, ['<m:orgId>', '<m:orgId xml:space="preserve">']),
    'an attribute called xmlnsfoo put on a value': s => replace(s.valid, ['<m:orgId>', '<m:orgId xmlnsfoo="1">']),
    'a carriage return written as a reference': odd('&#13;'),
    'a tab before the value': odd('\t'),
    'U+0085 before the value': odd('\u0085'),
    'U+2028 before the value': odd('\u2028'),
    'U+FEFF before the value': odd('\ufeff'),
    'U+200B before the value': odd('\u200b'),
    'a letter of the value in its decomposed form': s => replace(s.valid, ['<m:orgId>o', '<m:orgId>o\u0308']),
    'a letter of the value replaced by one that looks alike': s => replace(s.valid, ['<m:orgId>o', '<m:orgId>\u043e']),
  }),
  ...refused('malformed', {
    'a relative namespace name, for which canonical XML has no answer': s =>
      replace(s.valid, ['<m:request>', '<m:request xmlns:z="relative">']),
    'a processing instruction in a signed value, which digests like text in some readers': s =>
      replace(s.valid, ['<m:orgId>', '<m:orgId><?x admin?>']),
    'an entity in a signed value': s => replace(s.valid, ['<m:orgId>', '<m:orgId>&e;']),
    'NUL in a signed value': odd('\u0000'),
  }),
  ...harmless({
    'a listed prefix that is not declared': s =>
      s.sign({ references: [{ uri: '#Body-1', inclusivePrefixes: 'nowhere' }, { uri: '#TS-1' }] }),
    'an unused namespace declared around what is signed': s =>
      replace(s.valid, ['<soap:Envelope ', '<soap:Envelope xmlns:unused="urn:x" ']),
    'attributes and quotes written in another way': s => replace(s.valid, ['wsu:Id="Body-1"', "wsu:Id\n=\n'Body-1'"]),
    'line ends that a relay changed': s => s.sign({ body: `\n${s.operation}\n` }).replaceAll('\n', '\r\n'),
    'a character written as a reference': s => replace(s.valid, ['<m:orgId>o', '<m:orgId>&#x6f;']),
  }),
];
