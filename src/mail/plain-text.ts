const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };
const lineBreaks = new Set(['br', 'p', 'div', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'tr', 'li', 'hr']);
const unread = new Set(['script', 'style', 'title', 'template']);

/**
 * The text/plain alternative of an HTML body: for readers that show no HTML and for filters that distrust mail without
 * one. It is a reading aid, never a security boundary: nothing renders its result as HTML. One pass over the input,
 * because the body is a stranger's and megabytes long.
 */
export function plainText(html: string): string {
  let text = '';
  let position = 0;
  let link = '';
  while (position < html.length) {
    const open = html.indexOf('<', position);
    text += words(html.slice(position, open < 0 ? html.length : open));
    if (open < 0) break;
    const tag = /^<(\/?)([a-z][a-z0-9]*)/i.exec(html.slice(open, open + 16));
    if (tag === null && html[open + 1] !== '!') {
      text += '<';
      position = open + 1;
      continue;
    }
    const name = tag?.[2]?.toLowerCase() ?? '';
    const closing = tag?.[1] === '/';
    position = endOf(html, open, closing ? '' : name);
    if (name === 'a') {
      if (closing && link !== '') text += ` <${link}>`;
      link = closing ? '' : target(html.slice(open, position));
    }
    if (name === 'li' && !closing) text += '\n- ';
    else if (lineBreaks.has(name) && (closing || name === 'br' || name === 'hr')) text += '\n';
    else if (name === 'td' || name === 'th') text += ' ';
  }
  return tidy(text);
}

/** Where reading goes on after the tag at `open`: past a comment, or past the whole of an element nobody reads. */
function endOf(html: string, open: number, name: string): number {
  if (html.startsWith('<!--', open)) return past(html.indexOf('-->', open + 4), 3, html);
  if (!unread.has(name)) return past(html.indexOf('>', open), 1, html);
  const close = new RegExp(`</${name}[^>]{0,64}>`, 'gi');
  close.lastIndex = open;
  return close.exec(html) === null ? html.length : close.lastIndex;
}

const past = (found: number, length: number, html: string): number => (found < 0 ? html.length : found + length);

const target = (tag: string): string =>
  /\shref="(https?:[^"\s<>]{1,2000})"/i.exec(tag)?.[1]?.replaceAll('&amp;', '&') ?? '';

function words(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,6}));/gi, character);
}

function character(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
  const point = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal);
  const speakable = (point >= 0x20 && point < 0xd800) || (point > 0xdfff && point <= 0x10ffff);
  return speakable ? String.fromCodePoint(point) : '';
}

function tidy(text: string): string {
  const lines = text.split('\n').map(line => line.trim());
  return lines
    .filter((line, index) => line !== '' || lines[index - 1] !== '')
    .join('\n')
    .trim();
}
