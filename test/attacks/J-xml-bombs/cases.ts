import { type Attack, filesIn, refused, replace, type Scene, type Sending } from '../../kit/hostile-soap.ts';

const repeated = (text: string, times: number): string => text.repeat(times);
const numbered = (count: number, each: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => each(i)).join(' ');
/** In the signed message, where a parser comes by before anybody can verify it. */
const inBody = (content: string) => (s: Scene) => replace(s.valid, ['<m:orgId>', `${content}<m:orgId>`]);
const inHeader = (content: string) => (s: Scene) => replace(s.valid, ['<wsse:Security', `${content}<wsse:Security`]);

const shapes: Record<string, Attack> = {
  'nested 101 deep': () => repeated('<a>', 101) + repeated('</a>', 101),
  'nested 101 deep in the Body': inBody(repeated('<a>', 101) + repeated('</a>', 101)),
  'nested 200,000 deep and never closed (coercive parsing)': () => repeated('<a>', 200_000),
  'nested 200,000 deep in the Header': inHeader(repeated('<a>', 200_000)),
  'of 50,001 elements': () => `<a>${repeated('<b/>', 50_000)}</a>`,
  'of 50,001 elements in the Body': inBody(repeated('<b/>', 50_001)),
  'with 65 attributes on one element': () => `<a ${numbered(65, i => `b${i}="1"`)}/>`,
  'with 65 attributes on a header block': inHeader(`<a ${numbered(65, i => `b${i}="1"`)}/>`),
  'with 100,000 attributes on one element (GHSA-8344-3jmq-59r6)': () => `<a ${numbered(100_000, i => `b${i}="1"`)}/>`,
  'with 100,000 attributes of one name': () => `<a ${numbered(100_000, () => 'b="1"')}/>`,
  'with 65 namespaces on one element': () => `<a ${numbered(65, i => `xmlns:b${i}="urn:b"`)}/>`,
  'with one more namespace on each of 65 nested elements (GHSA-965w-775f-mr7g)': () =>
    Array.from({ length: 65 }, (_, i) => `<a xmlns:b${i}="urn:b">`).join('') + repeated('</a>', 65),
  'with a name of 257 characters': () => `<${repeated('a', 257)}/>`,
  'with a name of a million characters (overlong names)': () => `<${repeated('a', 1_000_000)}/>`,
  'with a prefix of a million characters': () => `<${repeated('a', 1_000_000)}:b/>`,
  'with an attribute name of a million characters': inHeader(`<a ${repeated('b', 1_000_000)}="1"/>`),
  'with an attribute of 64 KiB and one': () => `<a b="${repeated('c', 65_537)}"/>`,
  'with an attribute that never ends': () => `<a b="${repeated('c', 1_000_000)}`,
  'with a comment that never ends': () => `<a><!--${repeated(' -', 500_000)}`,
  'with a CDATA section that never ends': () => `<a><![CDATA[${repeated(']]', 500_000)}`,
  'with a declaration that never ends (GHSA-g53g-w8rj-fmg7)': () => `<?xml ${repeated(' version="1.0"', 50_000)}`,
  'with a processing instruction that never ends': () => `<a><?x ${repeated('?', 500_000)}`,
  'with 400,000 open angle brackets': () => repeated('<', 400_000),
  'with a million ampersands': () => `<a>${repeated('&', 1_000_000)}</a>`,
  'with 200,000 references to an undeclared entity': inBody(repeated('&lol;', 200_000)),
  'with 30,000 character references and a wrong one last': () => `<a>${repeated('&#65;', 30_000)}&#0;</a>`,
  'with a million spaces in a tag': () => `<a${repeated(' ', 1_000_000)}b/>`,
  'with 10,000 elements of 30 namespaces each, then a wrong one': () =>
    `<a>${repeated(`<b ${numbered(30, i => `xmlns:c${i}="urn:c"`)}/>`, 2500)}<:/></a>`,
  'with attribute names that collide in a hash (DJBX)': inHeader(
    `<a ${numbered(100, i => `${i.toString(2).padStart(7, '0').replaceAll('0', 'Ez').replaceAll('1', 'FY')}="1"`)}/>`,
  ),
  'with quadratic expansion of an entity': () =>
    `<!DOCTYPE a [<!ENTITY e "${repeated('x', 50_000)}">]><a>${repeated('&e;', 10_000)}</a>`,
};

const charsets = ['iso-8859-1', 'utf-16', 'utf-7', 'us-ascii', 'ibm037', ''];

export const cases = [
  ...refused(
    'malformed',
    Object.fromEntries(
      filesIn(import.meta.dirname, '.xml').map(([name, octets]): [string, Attack] => [name, () => octets]),
    ),
  ),
  ...refused('malformed', shapes),
  ...refused(
    'malformed',
    Object.fromEntries(
      charsets.map((charset): [string, Attack] => [
        `labelled with the charset "${charset}"`,
        (s): Sending => ({ octets: s.valid, contentType: `application/soap+xml; charset="${charset}"` }),
      ]),
    ),
  ),
  ...refused('too_large', {
    'over 2 MiB in one text': s => inBody(repeated('x', 2 * 1024 * 1024))(s),
    'over 2 MiB of white space before the envelope': s => repeated(' ', 2 * 1024 * 1024) + s.valid,
  }),
  // Within the limits, so that the digest must be computed before it is refused.
  ...refused('signature_invalid', {
    'of 49,000 elements within the limits': inBody(`<a>${repeated('<b c="d"/>', 48_900)}</a>`),
    'nested as deep as allowed, each with a namespace': inBody(
      Array.from({ length: 60 }, (_, i) => `<n${i}:a xmlns:n${i}="urn:${i}">`).join('') +
        Array.from({ length: 60 }, (_, i) => `</n${59 - i}:a>`).join(''),
    ),
    'with a PrefixList of 64 over 20,000 elements': s =>
      replace(
        s.sign({ references: [{ uri: '#Body-1', inclusivePrefixes: numbered(64, i => `p${i}`) }, { uri: '#TS-1' }] }),
        ['<m:orgId>', `${repeated('<m:x/>', 20_000)}<m:orgId>`],
      ),
    'with a text of 1.9 million characters to escape': inBody(repeated('&amp;&lt;', 200_000)),
  }),
];
