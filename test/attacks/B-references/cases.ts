import { type Attack, refused, replace } from '../../kit/hostile-soap.ts';

const uris = [
  '',
  '#',
  '#xpointer(/)',
  "#xpointer(id('Body-1'))",
  "#xpointer(//*[local-name()='Body'])",
  'http://127.0.0.1:9/x',
  'file:///etc/passwd',
  '#nowhere',
  "#Body-1' or '1'='1",
  '#Body-1"]|//*["',
  '#*',
  '#Sec-1',
  '#Op-1',
  '#Env-1',
  '#body-1',
  '# Body-1',
  'Body-1',
  'cid:',
  'cid:%',
  'data:text/plain,x',
  `#${'B'.repeat(201)}`,
];

const leading: [string, Attack][] = uris.map(uri => [
  `a further reference to "${uri.length > 100 ? '# and 201 characters' : uri}"`,
  s =>
    s.sign({
      envelopeAttributes: 'wsu:Id="Env-1"',
      securityAttributes: 'wsu:Id="Sec-1"',
      body: s.operation.replace('<m:GetOrganization', '<m:GetOrganization wsu:Id="Op-1"'),
      also: [{ uri: uri.replaceAll('"', '&quot;'), octets: '' }],
    }),
]);

export const cases = refused('signature_invalid', {
  ...Object.fromEntries(leading),
  'the Body referenced by an empty URI': s => s.sign({ references: [{ uri: '', octets: s.valid }, { uri: '#TS-1' }] }),
  'a reference without URI': s => replace(s.valid, ['URI="#Body-1"', '']),
  'the same reference twice': s => s.sign({ also: [{ uri: '#Body-1' }] }),
  'no references': s => s.sign({ references: [] }),
  '65 references': s =>
    s.sign({
      headers: Array.from({ length: 63 }, (_, i) => `<x:h xmlns:x="urn:x" wsu:Id="h${i}"/>`).join(''),
      also: Array.from({ length: 63 }, (_, i) => ({ uri: `#h${i}` })),
    }),
  '4,000 references': s => s.sign({ also: Array.from({ length: 4000 }, (_, i) => ({ uri: `#h${i}`, octets: '' })) }),
  'a Manifest instead of the references themselves': s =>
    replace(s.valid, ['</ds:KeyInfo>', '</ds:KeyInfo><ds:Object><ds:Manifest/></ds:Object>']),
  'the Signature references itself': s =>
    replace(s.sign({ also: [{ uri: '#Sig-1', octets: '' }] }), ['<ds:Signature ', '<ds:Signature Id="Sig-1" ']),
  'the KeyInfo is signed and the Body is not': s =>
    replace(s.sign({ references: [{ uri: '#Key-1', octets: '' }, { uri: '#TS-1' }] }), [
      '<ds:KeyInfo>',
      '<ds:KeyInfo Id="Key-1">',
    ]),
  'the Body is not referenced': s => s.sign({ references: [{ uri: '#TS-1' }] }),
  'the Timestamp is not referenced': s => s.sign({ references: [{ uri: '#Body-1' }] }),
  'a signed attachment that is not there stands for the Body': s =>
    s.sign({ references: [{ uri: 'cid:body', octets: '' }, { uri: '#TS-1' }] }),
});
