import { refused, replace } from '../../kit/hostile-soap.ts';

/** Spellings of an identifier. Which of them a reader follows is how two readers come to find two elements. */
export const spellings: Record<string, string> = {
  'wsu:Id': 'wsu:Id=',
  Id: 'Id=',
  ID: 'ID=',
  id: 'id=',
  iD: 'iD=',
  'xml:id': 'xml:id=',
  'an Id in a foreign namespace': 'xmlns:x="urn:x" x:Id=',
};

const byHeader = Object.entries(spellings).map(([name, attribute]) => [
  `the Body's identifier repeated on a header block as ${name}`,
  (s: { valid: string }) =>
    replace(s.valid, ['<wsse:Security', `<h xmlns="urn:h" ${attribute}"Body-1"/><wsse:Security`]),
]);

const alone = Object.entries(spellings)
  .filter(([name]) => name !== 'wsu:Id')
  .map(([name, attribute]) => [
    `a signed Body that is identified by ${name} alone`,
    (s: { sign(options: object): string }) => s.sign({ bodyAttributes: `${attribute}"Body-1"` }),
  ]);

export const cases = refused('signature_invalid', {
  ...Object.fromEntries(byHeader),
  ...Object.fromEntries(alone),
  'a Body with two identifiers of the same value': s => s.sign({ bodyAttributes: 'wsu:Id="Body-1" Id="Body-1"' }),
  "the Timestamp's identifier on the Body": s => replace(s.valid, [s.body, s.evilBody('wsu:Id="TS-1"')]),
  "the token's identifier on the Body": s => replace(s.valid, ['wsu:Id="Body-1"', 'wsu:Id="X509-1"']),
  "the Body's identifier on the Envelope": s =>
    replace(s.valid, ['<soap:Envelope ', '<soap:Envelope wsu:Id="Body-1" ']),
  "the Body's identifier with a character reference, which is the same": s =>
    replace(s.valid, ['<wsse:Security', '<h xmlns="urn:h" Id="Body&#45;1"/><wsse:Security']),
});
