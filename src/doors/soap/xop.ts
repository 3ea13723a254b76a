import { createHash } from 'node:crypto';
import type { HashName } from './algorithms.ts';
import { canonicalize } from './canonical.ts';
import { contentIdOfUrl } from './multipart.ts';
import { refuse } from './refuse.ts';
import { attributeOf, isNamed, type XmlElement } from './tree.ts';

/**
 * XML-binary Optimized Packaging 1.0: an Include stands where the base64 of a part would. Stacks with MTOM sign the message
 * with that base64 in its place, so that is what must be digested.
 */

const namespace = 'http://www.w3.org/2004/08/xop/include';

/** A digest that was signed of an element with base64 in the place of each Include. */
export interface Reconstitution {
  readonly uri: string;
  readonly hash: HashName;
  /** base64 */
  readonly digest: string;
  /** Canonical; between two of them belongs the part of the same index. */
  readonly texts: readonly string[];
  /** Content-IDs, in document order. */
  readonly parts: readonly string[];
}

/** The Content-ID of the part whose octets an element holds by an Include and nothing else (XOP 1.0 section 2.1). */
export function includedPart({ children }: XmlElement): string | undefined {
  const [only, second] = children;
  if (only === undefined || second !== undefined || !isNamed(only, namespace, 'Include')) return undefined;
  if (only.children.length > 0 || only.attributes.length > 1) return undefined;
  return contentIdOfUrl(attributeOf(only, '', 'href') ?? '');
}

/** What was parsed never holds this character, not even by a reference. */
const gap = '\u0000';

/** Undefined when the element holds no Include. */
export function reconstitution(
  element: XmlElement,
  {
    inclusivePrefixes,
    ...signed
  }: Pick<Reconstitution, 'uri' | 'hash' | 'digest'> & { inclusivePrefixes: readonly string[] },
): Reconstitution | undefined {
  const parts: string[] = [];
  const gapped = withGaps(element, parts);
  if (parts.length === 0) return undefined;
  if (new Set(parts).size < parts.length) refuse('two Includes name the same part');
  const { uri, hash, digest } = signed;
  return { uri, hash, digest, parts, texts: canonicalize(gapped, inclusivePrefixes).split(gap) };
}

/** The element with a gap for every Include; those without one are the same as before. */
function withGaps(element: XmlElement, parts: string[]): XmlElement {
  const part = includedPart(element);
  if (part !== undefined) {
    parts.push(part);
    return { ...element, children: [gap] };
  }
  let changed = false;
  const children = element.children.map(child => {
    if (typeof child === 'string') return child;
    if (isNamed(child, namespace, 'Include'))
      return refuse('an Include is not the one child of its element, or names no part');
    const gapped = withGaps(child, parts);
    changed ||= gapped !== child;
    return gapped;
  });
  return changed ? { ...element, children } : element;
}

/** Whether the parts, as base64 without line breaks (XOP 1.0 section 3.1), give the digest that was signed. */
export async function isReconstituted(
  { hash, digest, texts, parts }: Reconstitution,
  content: (contentId: string) => AsyncIterable<Buffer>,
): Promise<boolean> {
  const sum = createHash(hash);
  for (const [index, text] of texts.entries()) {
    sum.update(text);
    const part = parts[index];
    if (part === undefined) continue;
    for await (const piece of base64(content(part))) sum.update(piece);
  }
  return sum.digest('base64') === digest;
}

/** In pieces: the base64 of a large part is never in memory as a whole. */
export async function* base64(content: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of content) {
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = octets.length - (octets.length % 3);
    yield octets.toString('base64', 0, whole);
    rest = octets.subarray(whole);
  }
  yield rest.toString('base64');
}
