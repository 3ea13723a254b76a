import { generateKeyPair, type KeyObject } from 'node:crypto';
import type { Resolver } from 'node:dns/promises';
import { domainToASCII } from 'node:url';
import { promisify } from 'node:util';
import type { Domain, DomainKey } from './entities.ts';

const pairOf = promisify(generateKeyPair);

/** Lower-case ASCII (IDNA A-labels), without the final dot; undefined for what cannot be a mail domain, such as an address. */
export function normalizeDomain(text: string): string | undefined {
  const name = text.trim().replace(/\.$/, '');
  // The URL host parser behind domainToASCII decodes percent signs and cuts at delimiters.
  if (/[\s%/:@?#\\[\]]/.test(name)) return undefined;
  const ascii = domainToASCII(name);
  const labels = ascii.split('.');
  const isDomain = labels.length > 1 && labels.every(label => /^(?!-)[a-z0-9-]{1,63}(?<!-)$/.test(label));
  return isDomain && ascii.length <= 253 && !/^\d+$/.test(labels.at(-1)!) ? ascii : undefined;
}

export interface SigningKey {
  readonly selector: string;
  readonly algorithm: 'rsa' | 'ed25519';
  /** The `p=` value of the DNS record. */
  readonly publicKey: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

let making: Promise<unknown> = Promise.resolve();

/**
 * A pair of each kind: every receiver verifies RSA (RFC 6376), those who can prefer Ed25519 (RFC 8463). One request after the
 * other: pairs are made in the few threads that files, names and the signatures of all answers wait for.
 */
export function makeSigningKeys(): Promise<SigningKey[]> {
  const made = making.then(newSigningKeys);
  making = made.catch(() => undefined);
  return made;
}

async function newSigningKeys(): Promise<SigningKey[]> {
  const [rsa, ed25519] = await Promise.all([pairOf('rsa', { modulusLength: 2048 }), pairOf('ed25519')]);
  return [
    {
      selector: 'bastion',
      algorithm: 'rsa',
      publicKey: spki(rsa.publicKey).toString('base64'),
      privateKey: pkcs8(rsa),
    },
    {
      selector: 'bastion-ed25519',
      algorithm: 'ed25519',
      // RFC 8463 section 4: the 32 octets alone, which end the SubjectPublicKeyInfo.
      publicKey: spki(ed25519.publicKey).subarray(-32).toString('base64'),
      privateKey: pkcs8(ed25519),
    },
  ];
}

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const pkcs8 = ({ privateKey }: { privateKey: KeyObject }): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** A record to publish; `host` is relative to the domain, `@` the domain itself. */
export interface DnsRecord {
  type: 'TXT' | 'MX';
  host: string;
  value: string;
  priority?: number;
}

type Claim = Pick<Domain, 'verificationToken'>;
type PublicKey = Pick<DomainKey, 'selector' | 'algorithm' | 'publicKey'>;

export function recordsOf({ verificationToken }: Claim, keys: readonly PublicKey[], mxHost: string): DnsRecord[] {
  return [
    { type: 'TXT', host: '@', value: `bastion-verify=${verificationToken}` },
    { type: 'MX', host: '@', value: mxHost, priority: 10 },
    ...keys.map(({ selector, algorithm, publicKey }) => ({
      type: 'TXT' as const,
      host: `${selector}._domainkey`,
      value: `v=DKIM1; k=${algorithm}; p=${publicKey}`,
    })),
  ];
}

export const findings = ['found', 'missing', 'unreachable'] as const;
export type Finding = (typeof findings)[number];

/** What the domain's name servers say of each record, in the records' order; until `signal` fires. */
export function lookUp(
  resolver: Resolver,
  domain: string,
  records: readonly DnsRecord[],
  signal: AbortSignal,
): Promise<Finding[]> {
  return Promise.all(
    records.map(async record => {
      const name = record.host === '@' ? domain : `${record.host}.${domain}`;
      const published = await before(signal, valuesAt(resolver, record.type, name));
      if (published === undefined) return 'unreachable';
      return published.some(value => isEqual(record.type, value, record.value)) ? 'found' : 'missing';
    }),
  );
}

/** The values that are published; undefined when nobody could be asked. */
async function valuesAt(resolver: Resolver, type: DnsRecord['type'], name: string): Promise<string[] | undefined> {
  try {
    if (type === 'MX') return (await resolver.resolveMx(name)).map(({ exchange }) => exchange.replace(/\.$/, ''));
    return (await resolver.resolveTxt(name)).map(strings => strings.join(''));
  } catch (error) {
    return isAbsent(error) ? [] : undefined;
  }
}

const isAbsent = (error: unknown): boolean => ['ENOTFOUND', 'ENODATA'].includes((error as { code: string }).code);

/** Host names compare without case, keys with it; web forms of DNS hosts put spaces into long values. */
function isEqual(type: DnsRecord['type'], published: string, wanted: string): boolean {
  if (type === 'MX') return published.toLowerCase() === wanted.toLowerCase();
  return published.replaceAll(/\s/g, '') === wanted.replaceAll(/\s/g, '');
}

function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  if (signal.aborted) resolve(undefined);
  signal.addEventListener('abort', () => resolve(undefined), { once: true });
  return Promise.race([work, promise]);
}
