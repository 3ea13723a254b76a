import { digestAlgorithms, type HashName, pssOf, rsaPssNamespace, type SignatureAlgorithm } from './algorithms.ts';
import { ns } from './namespaces.ts';
import { refuse } from './refuse.ts';
import { attributeOf, childElements, isNamed, textOf, type XmlElement } from './tree.ts';

const octetsOf: Record<HashName, number> = { sha256: 32, sha384: 48, sha512: 64 };

/**
 * RSAPSSParams (RFC 9231 section 2.3.9). Accepted is what the names without parameters mean too: one hash for the message
 * and for the mask (MGF1), a salt as long as that hash, trailer field 1.
 */
export function readPss(method: XmlElement): SignatureAlgorithm {
  const [parameters, surplus] = childElements(method) ?? refuse('the SignatureMethod holds text');
  if (parameters === undefined) return pssOf('sha256');
  if (surplus !== undefined || !isNamed(parameters, rsaPssNamespace, 'RSAPSSParams')) {
    return refuse('the SignatureMethod has an unknown parameter');
  }
  const left = childElements(parameters) ?? refuse('RSAPSSParams holds text');
  const take = (namespace: string, local: string): XmlElement | undefined =>
    left[0] && isNamed(left[0], namespace, local) ? left.shift() : undefined;
  const hash = hashIn(take(ns.ds, 'DigestMethod')) ?? 'sha256';
  const mask = take(rsaPssNamespace, 'MaskGenerationFunction');
  const salt = numberIn(take(rsaPssNamespace, 'SaltLength')) ?? octetsOf[hash];
  const trailer = numberIn(take(rsaPssNamespace, 'TrailerField')) ?? 1;
  if (left.length > 0) refuse('RSAPSSParams holds something unknown');
  if (maskHash(mask, hash) !== hash || salt !== octetsOf[hash] || trailer !== 1) {
    refuse('these parameters of RSASSA-PSS are not accepted');
  }
  return pssOf(hash);
}

function maskHash(mask: XmlElement | undefined, otherwise: HashName): HashName | undefined {
  if (mask === undefined) return otherwise;
  const [method, surplus] = childElements(mask) ?? [];
  const algorithm = attributeOf(mask, '', 'Algorithm') ?? `${rsaPssNamespace}MGF1`;
  if (algorithm !== `${rsaPssNamespace}MGF1` || surplus !== undefined) return undefined;
  return method === undefined ? otherwise : hashIn(method);
}

function hashIn(method: XmlElement | undefined): HashName | undefined {
  if (method === undefined) return undefined;
  const hash = digestAlgorithms.get(attributeOf(method, '', 'Algorithm') ?? '');
  if (!isNamed(method, ns.ds, 'DigestMethod') || hash === undefined || method.children.length > 0) {
    return refuse('the hash of RSASSA-PSS is not accepted');
  }
  return hash;
}

function numberIn(element: XmlElement | undefined): number | undefined {
  if (element === undefined) return undefined;
  const text = (textOf(element) ?? '').trim();
  return /^\d{1,4}$/.test(text) ? Number(text) : refuse('a parameter of RSASSA-PSS is no number');
}
