import { parseMediaType } from './media-type.ts';
import type { PartHeaders } from './part-reader.ts';
import { refuse } from './refuse.ts';

/**
 * The headers of a part as the Attachment-Complete-Signature-Transform digests them (SwA profile 1.1, 5.4.1): five of them, in
 * the order of their names, parameters sorted and quoted. Comments, encoded words and split parameters are refused, since
 * every stack unravels them in its own way.
 */
export function canonicalHeaders(headers: PartHeaders): string {
  const present = new Map([['content-type', 'text/plain;charset="us-ascii"'], ...headers]);
  return Object.entries(canonicalNames)
    .filter(([name]) => present.has(name))
    .map(([name, written]) => `${written}:${canonicalValue(name, present.get(name)!)}\r\n`)
    .join('');
}

const canonicalNames = {
  'content-description': 'Content-Description',
  'content-disposition': 'Content-Disposition',
  'content-id': 'Content-ID',
  'content-location': 'Content-Location',
  'content-type': 'Content-Type',
};

/** Those whose value does not distinguish case. */
const caseless = new Set('charset creation-date filename modification-date padding read-date size type'.split(' '));

function canonicalValue(name: string, value: string): string {
  if (/[()\\]|=\?|\*\d*\*?=/.test(value)) return refuse('the headers of a signed part have no canonical form');
  if (name !== 'content-type' && name !== 'content-disposition') return value;
  const { type, parameters } = name === 'content-type' ? parseMediaType(value) : parseDisposition(value);
  const written = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, each]) => `;${key}="${caseless.has(key) ? each.toLowerCase() : each}"`);
  return type + written.join('');
}

/** The same grammar as a media type's, but for its first word. */
function parseDisposition(value: string): ReturnType<typeof parseMediaType> {
  const { type, parameters } = parseMediaType(`disposition/${value}`);
  return { type: type.slice('disposition/'.length), parameters };
}
