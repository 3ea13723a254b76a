/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const texts = [
  'plain text',
  '  spaced\n  lines\t',
  '&amp;&lt;&gt;&quot;&apos;',
  '&#13;&#xA;&#9;',
  '<![CDATA[<not & markup>]]>',
  '<!-- a comment -->',
  'before<!-- cut -->after',
  'Gr\u00fc\u00dfe \u0085 \u2028 \u2029 \ufeff',
  '\u{1f600}&#x1F600;',
  ']] >',
];
const values = [
  '1',
  'a &amp; b',
  '&lt;&gt;',
  '&quot;',
  'tab\there',
  '&#9;&#10;&#13;',
  'line\nbreak',
  '\u00e9\u2028',
  '  two  ',
];
/** Upper and lower case, since an order by locale differs from the order by code point. */
const prefixes = ['a', 'B', 'c'];
const uris = ['urn:one', 'urn:two', 'http://example.com/three#'];

/**
 * A well-formed document with redeclared, undeclared and unused namespaces. Some elements have an attribute `wsuId`,
 * the document element among them; `ids` are their values.
 */
export function randomDocument(random: () => number): { xml: string; ids: string[] } {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const ids: string[] = [];

  const element = (depth: number, bound: readonly string[]): string => {
    const declared = new Map<string, string>();
    for (const prefix of prefixes) if (depth === 0 || random() < 0.25) declared.set(prefix, pick(uris));
    if (random() < 0.3) declared.set('', pick([...uris, '']));
    const inScope = [...new Set([...bound, ...declared.keys()])].filter(prefix => prefix !== '');
    const own = random() < 0.6 ? `${pick(inScope)}:` : '';
    const name = `${own}${pick(['e', 'Elem', 'x-1', 'd\u00e9'])}`;

    const attributes = [...declared].map(([prefix, uri]) => `xmlns${prefix && `:${prefix}`}="${uri}"`);
    if (depth === 0 || random() < 0.4) {
      ids.push(`id${ids.length}`);
      attributes.push(`wsuId="${ids.at(-1)}"`);
    }
    for (const local of ['k', 'K', 'z']) if (random() < 0.3) attributes.push(`${local}="${pick(values)}"`);
    // One prefixed attribute of a local name at most: two prefixes may mean one namespace.
    for (const local of ['p', 'q']) if (random() < 0.3) attributes.push(`${pick(inScope)}:${local}="${pick(values)}"`);
    if (random() < 0.15) attributes.push(pick(['xml:lang="en"', 'xml:space="preserve"']));
    const start = [name, ...shuffled(attributes, random)].join(pick([' ', '\n  ']));

    const children: string[] = [];
    const count = depth > 4 ? 0 : Math.floor(random() * 4);
    for (let i = 0; i < count; i++) children.push(random() < 0.5 ? element(depth + 1, inScope) : pick(texts));
    return children.length === 0 && random() < 0.5 ? `<${start}/>` : `<${start}>${children.join('')}</${name}>`;
  };

  return { xml: element(0, []), ids };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map(item => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** One or two random edits at places where they hurt. */
export function mutated(xml: string, random: () => number): string {
  const scraps = [
    '<',
    '>',
    '&',
    '"',
    "'",
    '/',
    ':',
    '=',
    ' ',
    '\r\n',
    ']]>',
    '<!--',
    '-->',
    '&#',
    'xmlns',
    'x',
    '\t',
    ';',
    '<a>',
  ];
  let text = xml;
  for (let edits = random() < 0.5 ? 1 : 2; edits > 0; edits--) {
    const at = Math.floor(random() * text.length);
    const cut = random() < 0.5 ? Math.floor(random() * 3) : 0;
    text = text.slice(0, at) + scraps[Math.floor(random() * scraps.length)] + text.slice(at + cut);
  }
  return text;
}
