/**
 * Edits of a signed message, each at a random place: of octets, of tags, of names and namespaces, of characters and their
 * encoding, of parts. Some are harmless; none may be accepted as something else than what was signed.
 */

export interface Source {
  readonly random: () => number;
  /** Another message that the same partner signed, for pieces of it. */
  readonly other: string;
}

type Mutation = (text: string, source: Source) => string;

const pick = <T>(items: readonly T[], random: () => number): T => items[Math.floor(random() * items.length)]!;
const place = (text: string, random: () => number): number => Math.floor(random() * text.length);
const splice = (text: string, at: number, cut: number, put: string): string =>
  text.slice(0, at) + put + text.slice(at + cut);

interface Span {
  readonly start: number;
  readonly end: number;
}

const anyTag = /<(?:[A-Za-z_][^\s/>]*)(?:"[^"]*"|'[^']*'|[^>"'])*>/g;

/** The start tags of a text; XML of any kind, well-formed or no longer. */
const tags = (text: string): Span[] =>
  [...text.matchAll(anyTag)].map(({ index, 0: found }) => ({ start: index, end: index + found.length }));

/** An element with all that is in it, found by its name; the tag alone when it is not closed. */
function elementAt(text: string, { start, end }: Span): Span {
  const name = /^<([^\s/>]+)/.exec(text.slice(start, end))![1]!;
  if (text[end - 2] === '/') return { start, end };
  let depth = 0;
  for (const { index, 0: found } of text.slice(start).matchAll(/<\/?([^\s/>]+)(?:"[^"]*"|'[^']*'|[^>"'])*>/g)) {
    if (found.startsWith(`<${name}`) && !found.endsWith('/>')) depth++;
    else if (found.startsWith(`</${name}`)) depth--;
    if (depth === 0) return { start, end: start + index + found.length };
  }
  return { start, end };
}

const anElement = (text: string, random: () => number): Span => {
  const all = tags(text);
  return all.length === 0 ? { start: 0, end: 0 } : elementAt(text, pick(all, random));
};
const cutOut = (text: string, { start, end }: Span): string => text.slice(start, end);

/** Puts a piece before, into or after some element. */
function graft(text: string, piece: string, random: () => number): string {
  const all = tags(text);
  if (all.length === 0) return text;
  const tag = pick(all, random);
  const { end } = elementAt(text, tag);
  return splice(text, pick([tag.start, tag.end, end], random), 0, piece);
}

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
  '\t',
  ';',
  '<a>',
];
const attributes = [
  'wsu:Id="Body-1"',
  'Id="Body-1"',
  'ID="TS-1"',
  'xml:id="Body-1"',
  'xml:lang="en"',
  'xml:space="preserve"',
  'soap:mustUnderstand="1"',
  'soap:role="urn:x"',
  'contentId="part-0"',
  'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"',
];
const namespaces = [
  'xmlns="urn:x"',
  'xmlns=""',
  'xmlns:m="urn:x"',
  'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"',
  'xmlns:ds="urn:x"',
  'xmlns:wsu="urn:x"',
  'xmlns:xml="urn:x"',
  'xmlns:z="relative"',
];
const insertions = [
  '<!-- x -->',
  '<?x y?>',
  '<![CDATA[]]>',
  '<![CDATA[x]]>',
  '<!DOCTYPE a>',
  '&lt;',
  '&e;',
  '&#13;',
  '&#x85;',
  '\u0000',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\u200b',
];
const characters = ['\u0430', '\u00e9', 'e\u0301', '\uff41', '\u{1d4d0}', '\ufffe', '\ud800'];
const headers = [
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Transfer-Encoding: quoted-printable\r\n',
  'Content-Encoding: gzip\r\n',
  'Content-ID: <part-0@partner>\r\n',
  'Content-Type: application/soap+xml; charset=utf-16\r\n',
  ' folded\r\n',
];

export const mutations: Record<string, Mutation> = {
  'a bit flipped': (text, { random }) => {
    const at = place(text, random);
    return splice(text, at, 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << Math.floor(random() * 7))));
  },
  'octets cut out': (text, { random }) => splice(text, place(text, random), 1 + Math.floor(random() * 40), ''),
  'octets put in': (text, { random }) =>
    splice(text, place(text, random), 0, String.fromCharCode(...Array.from({ length: 5 }, () => random() * 256))),
  'a piece repeated': (text, { random }) => {
    const at = place(text, random);
    return splice(text, at, 0, text.slice(at, at + Math.floor(random() * 300)));
  },
  'the end cut off': (text, { random }) => text.slice(0, place(text, random)),
  'a scrap of markup put in': (text, { random }) =>
    splice(text, place(text, random), random() < 0.5 ? Math.floor(random() * 3) : 0, pick(scraps, random)),
  'an element moved': (text, { random }) => {
    const from = anElement(text, random);
    return graft(splice(text, from.start, from.end - from.start, ''), cutOut(text, from), random);
  },
  'an element repeated elsewhere': (text, { random }) => graft(text, cutOut(text, anElement(text, random)), random),
  'an element left out': (text, { random }) => {
    const { start, end } = anElement(text, random);
    return splice(text, start, end - start, '');
  },
  'an element wrapped': (text, { random }) => {
    const from = anElement(text, random);
    return splice(text, from.start, from.end - from.start, `<w:w xmlns:w="urn:w">${cutOut(text, from)}</w:w>`);
  },
  'an element of another message put in its place': (text, { random, other }) => {
    const all = tags(text);
    const tag = pick(all, random);
    if (!tag) return text;
    const name = /^<[^\s/>]+/.exec(text.slice(tag.start))![0];
    const twin = tags(other).find(({ start }) => other.startsWith(name, start));
    const { start, end } = elementAt(text, tag);
    return twin ? splice(text, start, end - start, cutOut(other, elementAt(other, twin))) : text;
  },
  'an element of another message beside it': (text, { random, other }) =>
    graft(text, cutOut(other, anElement(other, random)), random),
  'an element repeated a thousand times': (text, { random }) => {
    const from = anElement(text, random);
    return splice(text, from.end, 0, cutOut(text, from).slice(0, 300).repeat(1000));
  },
  'a tag renamed': (text, { random }) => {
    const tag = pick(tags(text), random);
    if (!tag) return text;
    const { start, end } = elementAt(text, tag);
    const name = /^<([^\s/>]+)/.exec(text.slice(start))![1]!;
    const renamed = pick(
      [`${name}x`, name.replace(/^.*:/, ''), `soap:${name.replace(/^.*:/, '')}`, '__proto__'],
      random,
    );
    return splice(text, start, end - start, cutOut(text, { start, end }).replaceAll(name, renamed));
  },
  'an attribute put on': (text, { random }) => {
    const tag = pick(tags(text), random);
    if (!tag) return text;
    const at = tag.start + /^<[^\s/>]+/.exec(text.slice(tag.start))![0].length;
    return splice(text, at, 0, ` ${pick([...attributes, ...namespaces], random)}`);
  },
  'an attribute taken off': (text, { random }) => {
    const found = pick([...text.matchAll(/\s[\w:]+="[^"]*"/g)], random);
    return found ? splice(text, found.index, found[0].length, '') : text;
  },
  'an attribute changed': (text, { random }) => {
    const found = pick([...text.matchAll(/="([^"]*)"/g)], random);
    const value = pick(['', '#Body-1', '#TS-1', 'cid:part-0@partner', 'urn:x', 'true'], random);
    return found ? splice(text, found.index + 2, found[1]!.length, value) : text;
  },
  'something put between': (text, { random }) => graft(text, pick(insertions, random), random),
  'something put into a text': (text, { random }) => splice(text, place(text, random), 0, pick(insertions, random)),
  'a character written as a reference': (text, { random }) => {
    const found = pick([...text.matchAll(/>([^<]+)</g)], random);
    if (!found) return text;
    const at = found.index + 1 + place(found[1]!, random);
    return splice(text, at, 1, `&#${text.charCodeAt(at)};`);
  },
  'a text written as CDATA': (text, { random }) => {
    const found = pick([...text.matchAll(/>([^<&]+)</g)], random);
    return found ? splice(text, found.index + 1, found[1]!.length, `<![CDATA[${found[1]}]]>`) : text;
  },
  'a text exchanged': (text, { random, other }) => {
    const found = pick([...text.matchAll(/>([^<]+)</g)], random);
    const put = pick([...other.matchAll(/>([^<]+)</g)], random);
    return found && put ? splice(text, found.index + 1, found[1]!.length, put[1]!) : text;
  },
  'a character of another script': (text, { random }) => splice(text, place(text, random), 1, pick(characters, random)),
  'line ends changed': (text, { random }) =>
    pick([text.replaceAll('\n', '\r\n'), text.replaceAll('\r\n', '\n'), text.replaceAll('\n', '\r')], random),
  'white space put into tags': text => text.replaceAll('/>', ' />').replaceAll('="', ' = "'),
  'quotes exchanged': text => text.replace(/="([^"']*)"/g, "='$1'"),
  'an XML declaration put first': (text, { random }) =>
    `<?xml version="1.0" encoding="${pick(['utf-8', 'UTF-16', 'iso-8859-1', 'utf-7'], random)}"?>${text}`,
  'a byte order mark put first': text => `\ufeff${text}`,
  'a header of a part put in': (text, { random }) => {
    const found = pick([...text.matchAll(/\r\n/g)], random);
    return found ? splice(text, found.index + 2, 0, pick(headers, random)) : text;
  },
  'a boundary put in': (text, { random }) => {
    const [boundary = '--b'] = /^--[^\r\n]+/.exec(text) ?? [];
    const line = pick(
      [`\r\n${boundary}\r\n\r\n`, `\r\n${boundary}--\r\n`, `\r\n${boundary}x\r\n`, `\n${boundary}\n`],
      random,
    );
    return splice(text, place(text, random), 0, line);
  },
  'a part repeated': (text, { random }) => {
    const [boundary] = /^--[^\r\n]+/.exec(text) ?? [];
    if (boundary === undefined) return text;
    const parts = text.split(boundary);
    parts.splice(1 + Math.floor(random() * (parts.length - 1)), 0, pick(parts.slice(1, -1), random) ?? '');
    return parts.join(boundary);
  },
};
