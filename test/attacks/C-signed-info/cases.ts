import { cut, harmless, refused, replace } from '../../kit/hostile-soap.ts';
import { areaNamespace } from '../../kit/soap-signing.ts';

const signedInfo = (s: { valid: string }): string => cut(s.valid, 'ds:SignedInfo');
const forgedInfo = (s: { valid: string; sign(options: object): string; evil: string }): string =>
  cut(s.sign({ body: s.evil }), 'ds:SignedInfo');

export const cases = [
  ...refused('signature_invalid', {
    'a value in the Body changed': s => replace(s.valid, [s.operation, s.evil]),
    'white space put into the Body': s => replace(s.valid, ['<m:orgId>', ' <m:orgId>']),
    'an attribute put on the Body': s => replace(s.valid, ['wsu:Id="Body-1"', 'wsu:Id="Body-1" a="b"']),
    'the namespace of the operation changed': s =>
      replace(s.valid, [`xmlns:m="${areaNamespace}"`, 'xmlns:m="urn:other"']),
    'the prefix of the operation changed': s =>
      replace(s.valid, [s.operation, s.operation.replaceAll('m:', 'n:').replace('xmlns:m', 'xmlns:n')]),
    'the Timestamp changed': s => s.valid.replace(/(<wsu:Created>)\d{4}/, '$12099'),
    'a DigestValue changed': s => s.valid.replace(/(<ds:DigestValue>).{4}/, '$1AAAA'),
    'the references exchanged': s => {
      const [first, second] = s.valid.match(/<ds:Reference .*?<\/ds:Reference>/g)!;
      return replace(s.valid, [first! + second!, second! + first!]);
    },
    'an octet of the SignatureValue changed': s =>
      s.valid.replace(/(<ds:SignatureValue>)(.)/, (_all, start, first) => `${start}${first === 'A' ? 'B' : 'A'}`),
    'a DigestValue with another before it, hidden by a comment (CVE-2025-29775)': s =>
      s.valid.replace('<ds:DigestValue>', '<ds:DigestValue><!--x-->AAAA'),
    'a DigestValue with another after it, hidden by a comment': s =>
      s.valid.replace('</ds:DigestValue>', '<!--x-->AAAA</ds:DigestValue>'),
    "the forged Body's DigestValue before the signed one, parted by a comment": s => {
      const digests = (xml: string) => /<ds:DigestValue>([^<]*)</.exec(xml)![1]!;
      const forged = digests(s.sign({ body: s.evil }));
      const changed = replace(s.valid, [s.operation, s.evil]);
      return changed.replace('<ds:DigestValue>', `<ds:DigestValue>${forged}<!---->`);
    },
    'a DigestValue in a child element': s => s.valid.replace(/<ds:DigestValue>([^<]*)</, '<ds:DigestValue><x>$1</x><'),
    'two DigestValues': s => s.valid.replace(/<ds:DigestValue>[^<]*<\/ds:DigestValue>/, '$&$&'),
    'a DigestValue of another length': s => s.valid.replace(/(<ds:DigestValue>)[^<]*/, '$1AAAA'),
    'an empty DigestValue': s => s.valid.replace(/(<ds:DigestValue>)[^<]*/, '$1'),
    'a SignatureValue that is not base64': s => s.valid.replace('<ds:SignatureValue>', '<ds:SignatureValue>****'),
    'an empty SignatureValue': s => s.valid.replace(/(<ds:SignatureValue>)[^<]*/, '$1'),
    'a SignatureValue in a child element': s =>
      s.valid.replace(/<ds:SignatureValue>([^<]*)</, '<ds:SignatureValue><x>$1</x><'),
    'no SignatureValue': s => replace(s.valid, [cut(s.valid, 'ds:SignatureValue'), '']),
    'two SignedInfo (CVE-2025-29774)': s => replace(s.valid, [signedInfo(s), signedInfo(s).repeat(2)]),
    'two SignedInfo, the forged one first (CVE-2025-29774)': s =>
      replace(s.valid, [s.operation, s.evil], [signedInfo(s), forgedInfo(s) + signedInfo(s)]),
    'two SignedInfo, the forged one last (CVE-2025-29774)': s =>
      replace(s.valid, [s.operation, s.evil], [signedInfo(s), signedInfo(s) + forgedInfo(s)]),
    'SignedInfo one level deeper': s => replace(s.valid, [signedInfo(s), `<ds:W>${signedInfo(s)}</ds:W>`]),
    'the signed SignedInfo deeper, a forged one in its place': s =>
      replace(
        s.valid,
        [s.operation, s.evil],
        [signedInfo(s), forgedInfo(s)],
        ['</ds:KeyInfo>', `${signedInfo(s)}</ds:KeyInfo>`],
      ),
    'SignedInfo of another namespace': s =>
      replace(s.valid, [
        signedInfo(s),
        signedInfo(s).replaceAll('ds:SignedInfo', 'x:SignedInfo').replace(' xmlns:ds', ' xmlns:x="urn:x" xmlns:ds'),
      ]),
    'no SignedInfo': s => replace(s.valid, [signedInfo(s), '']),
    'SignedInfo after the SignatureValue': s =>
      replace(s.valid, [signedInfo(s), ''], ['</ds:SignatureValue>', `</ds:SignatureValue>${signedInfo(s)}`]),
    'text inside SignedInfo': s => s.valid.replace('<ds:Reference ', 'x<ds:Reference '),
    'an unknown element inside SignedInfo': s => s.valid.replace('<ds:Reference ', '<ds:Extra/><ds:Reference '),
    'an unknown element inside a Reference': s => s.valid.replace('<ds:Transforms>', '<ds:Extra/><ds:Transforms>'),
    'a Signature inside the Signature': s => replace(s.valid, ['</ds:KeyInfo>', `</ds:KeyInfo>${s.signature}`]),
    'a Signature in ds:Object of the Signature': s =>
      replace(s.valid, ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${s.signature}</ds:Object>`]),
    'two Signatures': s => replace(s.valid, [s.signature, s.signature.repeat(2)]),
    "two Signatures, a stranger's first": s =>
      replace(s.valid, [s.signature, cut(s.sign({}, s.stranger), 'ds:Signature') + s.signature]),
    'two KeyInfo': s => replace(s.valid, [cut(s.valid, 'ds:KeyInfo'), cut(s.valid, 'ds:KeyInfo').repeat(2)]),
    'no KeyInfo': s => replace(s.valid, [cut(s.valid, 'ds:KeyInfo'), '']),
  }),

  // What canonicalization leaves out was not signed, and nobody reads it.
  ...harmless({
    'a comment inside a DigestValue': s => s.valid.replace(/(<ds:DigestValue>.{4})/, '$1<!--x-->'),
    'a comment inside a value of the Body': s => s.valid.replace('<m:orgId>org', '<m:orgId>org<!--x-->'),
    'a value of the Body as CDATA': s => s.valid.replace(/<m:orgId>(.*?)</, '<m:orgId><![CDATA[$1]]><'),
    'white space inside the SignatureValue': s => s.valid.replace('<ds:SignatureValue>', '<ds:SignatureValue>\n  '),
  }),
];
