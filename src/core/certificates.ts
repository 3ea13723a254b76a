import { X509Certificate } from 'node:crypto';
import { usages } from './certificate-profile.ts';
import { allows, type Link, linkOf, pathFailure, paths, type TrustFailure, thumbprintOf } from './chain.ts';
import type { RevocationList } from './crl.ts';
import { signingKind } from './detached-signature.ts';
import type { OcspAnswers, ResponderPolicy } from './ocsp-answers.ts';

export { thumbprintOf };

/** A SHA-256 thumbprint, in any case, with or without colons, as 64 lowercase hex digits; undefined if it is none. */
export function normalizeThumbprint(value: string): string | undefined {
  if (!/^(?:[0-9a-f]{64}|[0-9a-f]{2}(?::[0-9a-f]{2}){31})$/i.test(value)) return undefined;
  return value.replaceAll(':', '').toLowerCase();
}

/** One certificate, DER or PEM, and nothing beside it; undefined when it is anything else. */
export function parseCertificate(content: string | Buffer): X509Certificate | undefined {
  const all = parseCertificates(content);
  return all?.length === 1 ? all[0] : undefined;
}

const pemBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in its order, or one DER; undefined when one cannot be read or there is none. */
export function parseCertificates(content: string | Buffer): X509Certificate[] | undefined {
  const text = content.toString('latin1');
  const sources = text.includes('-----BEGIN') ? (text.match(pemBlock) ?? []) : [content];
  try {
    const certificates = sources.map(each => new X509Certificate(each));
    // OpenSSL overlooks what follows the certificate; we would store octets that nobody has checked.
    const whole = sources.every((each, i) => typeof each === 'string' || certificates[i]!.raw.equals(each));
    return whole && certificates.length > 0 ? certificates : undefined;
  } catch {
    return undefined;
  }
}

const byPem = new Map<string, X509Certificate>();
const mostKept = 5000;

/** A certificate from our own records, parsed once: the same text answers the same object. Throws on a broken record. */
export function storedCertificate(pem: string): X509Certificate {
  const earlier = byPem.get(pem);
  if (earlier !== undefined) return earlier;
  const certificate = new X509Certificate(pem);
  if (byPem.size >= mostKept) byPem.clear();
  byPem.set(pem, certificate);
  return certificate;
}

/** RSA of 2048 bits or more, P-256 or P-384: what a partner may sign with. */
export function isStrongKey(certificate: X509Certificate): boolean {
  return signingKind(certificate.publicKey) !== undefined;
}

/** What an operator trusts; src/core/trust-files.ts reads it from files. */
export interface TrustMaterial {
  /** Approved authorities, roots or intermediates: each one ends a path. */
  readonly authorities: readonly X509Certificate[];
  readonly revocationLists: readonly RevocationList[];
  /** Thumbprints of the authorities beneath which a certificate for servers is accepted from a client. */
  readonly withoutClientAuth: ReadonlySet<string>;
  /** By thumbprint of an approved authority: responders are asked about everything beneath it. */
  readonly responders: ReadonlyMap<string, ResponderPolicy>;
}

export type Verdict =
  /** `chain` goes from the leaf to the approved authority. */
  | { readonly ok: true; readonly chain: readonly X509Certificate[] }
  | { readonly ok: false; readonly reason: TrustFailure };

interface Kept {
  readonly verdict: Verdict;
  readonly from: number;
  readonly until: number;
}

const keptMs = 60_000;
const mostIntermediates = 8;

/** Decides whether a client certificate comes from an approved authority and is in force. */
export class TrustStore {
  #read: () => TrustMaterial;
  #material!: TrustMaterial;
  #anchors!: ReadonlyMap<string, readonly Link[]>;
  /**
   * Trusted certificates by thumbprint. Refusals are not kept: anyone can present another's certificate without its
   * intermediates, and must not shut the owner out.
   */
  #kept = new Map<string, Kept>();

  #answers: OcspAnswers | undefined;

  /** `read` is called now and by every reload; it throws on material that cannot be used. */
  constructor(read: () => TrustMaterial, answers?: OcspAnswers) {
    this.#read = read;
    this.#answers = answers;
    this.reload();
  }

  /** Takes changed files into use, all or none: when they cannot be read it throws and the store stays as it was. */
  reload(): void {
    const material = this.#read();
    const links = material.authorities.map(linkOf);
    this.#anchors = Map.groupBy(links, link => link.profile.subject);
    this.#material = material;
    this.#kept.clear();
  }

  /** When the first of the approved authorities, or of the newest revocation lists, ends; undefined when there is none. */
  firstEnd(what: 'authorities' | 'revocationLists'): number | undefined {
    const { authorities, revocationLists } = this.#material;
    const lists = Map.groupBy(revocationLists, list => `${list.issuer}\n${list.partition}`);
    const ends =
      what === 'authorities'
        ? authorities.map(each => each.validToDate.getTime())
        : [...lists.values()].map(each => Math.max(...each.map(list => list.nextUpdate)));
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /**
   * Asks the responders, where the operator wants that, so that `check` knows what they say. Whoever judges a certificate
   * asks before: `check` itself waits for nobody, as it is called inside transactions.
   */
  async learn(leaf: X509Certificate, intermediates: readonly X509Certificate[], now: Date): Promise<void> {
    if (this.#material.responders.size === 0 || this.#keptFor(leaf, now)) return;
    const links = readLinks([leaf, ...intermediates]);
    if (links === undefined || intermediates.length > mostIntermediates) return;
    for (const path of paths(links[0]!, links.slice(1), this.#anchors)) {
      if (pathFailure(path, now, this.#acceptsServers(path)) !== undefined) continue;
      await this.#learnPath(path, now);
      return;
    }
  }

  async #learnPath(path: readonly Link[], now: Date): Promise<void> {
    const policy = this.#policyOf(path);
    if (!policy) return;
    const learned = issuances(path).map(({ subject, issuer }) => {
      const url = issuer === path.at(-1) ? policy.url : undefined;
      return this.#answers?.learn(subject, issuer, url, now, () => this.#kept.clear());
    });
    await Promise.all(learned);
  }

  /** `intermediates` are the sender's own: they help to find a path and are trusted for nothing. */
  check(leaf: X509Certificate, intermediates: readonly X509Certificate[], now: Date): Verdict {
    return this.#keptFor(leaf, now) ?? this.#judge(leaf, intermediates, now);
  }

  #keptFor(leaf: X509Certificate, now: Date): Verdict | undefined {
    const kept = this.#kept.get(thumbprintOf(leaf));
    return kept !== undefined && now.getTime() >= kept.from && now.getTime() < kept.until ? kept.verdict : undefined;
  }

  #judge(leaf: X509Certificate, intermediates: readonly X509Certificate[], now: Date): Verdict {
    const links = readLinks([leaf, ...intermediates]);
    if (links === undefined || intermediates.length > mostIntermediates) return { ok: false, reason: 'malformed' };
    let reason: TrustFailure | undefined;
    for (const path of paths(links[0]!, links.slice(1), this.#anchors)) {
      const failure = this.#failureOf(path, now);
      if (failure === undefined) return this.#keep(path, now);
      reason ??= failure;
    }
    return { ok: false, reason: reason ?? 'untrusted' };
  }

  #failureOf(path: readonly Link[], now: Date): TrustFailure | undefined {
    return (
      pathFailure(path, now, this.#acceptsServers(path)) ??
      this.#revocationFailure(path, now) ??
      this.#responderFailure(path, now)
    );
  }

  #acceptsServers(path: readonly Link[]): boolean {
    return this.#material.withoutClientAuth.has(path.at(-1)!.thumbprint);
  }

  #policyOf(path: readonly Link[]): ResponderPolicy | undefined {
    return this.#material.responders.get(path.at(-1)!.thumbprint);
  }

  /** What responders said of the path's certificates, where the operator wants them asked. */
  #responderFailure(path: readonly Link[], now: Date): TrustFailure | undefined {
    const policy = this.#policyOf(path);
    if (!policy) return undefined;
    const standings = this.#standings(path, now).map(({ standing }) => standing);
    if (standings.includes('revoked')) return 'revoked';
    return policy.without === 'closed' && standings.includes('unknown') ? 'revocation_unknown' : undefined;
  }

  #standings(path: readonly Link[], now: Date) {
    const unasked = { standing: 'unknown', until: now.getTime() } as const;
    return issuances(path).map(({ subject, issuer }) => this.#answers?.standing(subject, issuer, now) ?? unasked);
  }

  /**
   * An issuer without a list is not checked. One with lists must have a current one: an expired list, one that its key
   * did not sign, or a key that may not sign lists, refuses everything that it issued.
   */
  #revocationFailure(path: readonly Link[], now: Date): TrustFailure | undefined {
    for (const [index, issuer] of path.slice(1).entries()) {
      const named = this.#listsNaming(issuer);
      const lists = this.#listsOf(issuer);
      if (lists.some(list => list.revokes(path[index]!.profile.serialNumber))) return 'revoked';
      const current = lists.every(list => list.thisUpdate <= now.getTime() && now.getTime() < list.nextUpdate);
      if (named.length > 0 && (lists.length === 0 || !current)) return 'revocation_unknown';
    }
    return undefined;
  }

  #listsNaming(issuer: Link): readonly RevocationList[] {
    return this.#material.revocationLists.filter(list => list.issuer === issuer.profile.subject);
  }

  /** The issuer's own lists, the newest of each partition. */
  #listsOf(issuer: Link): readonly RevocationList[] {
    if (!allows(issuer.profile.keyUsage, usages.crlSign)) return [];
    const newest = new Map<string, RevocationList>();
    for (const list of this.#listsNaming(issuer)) {
      if (!list.signedBy(issuer.thumbprint, issuer.publicKey)) continue;
      const other = newest.get(list.partition);
      if (other === undefined || other.thisUpdate < list.thisUpdate) newest.set(list.partition, list);
    }
    return [...newest.values()];
  }

  #keep(path: readonly Link[], now: Date): Verdict {
    const verdict: Verdict = { ok: true, chain: path.map(link => link.certificate) };
    const ends = [
      now.getTime() + keptMs,
      ...path.map(link => link.profile.notAfter),
      ...path.slice(1).flatMap(issuer => this.#listsOf(issuer).map(list => list.nextUpdate)),
      // Without an answer nothing is kept: the next one may say `revoked`.
      ...(this.#policyOf(path) ? this.#standings(path, now).map(({ until }) => until) : []),
    ];
    if (this.#kept.size >= mostKept) this.#kept.clear();
    this.#kept.set(path[0]!.thumbprint, { verdict, from: now.getTime(), until: Math.min(...ends) });
    return verdict;
  }
}

/** Each certificate of a path with its issuer. */
const issuances = (path: readonly Link[]) => path.slice(1).map((issuer, index) => ({ subject: path[index]!, issuer }));

function readLinks(certificates: readonly X509Certificate[]): Link[] | undefined {
  try {
    return certificates.map(linkOf);
  } catch {
    return undefined;
  }
}
