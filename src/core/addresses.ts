import ipaddr from 'ipaddr.js';

/**
 * Source addresses and blocks of them. One spelling per block, so that equal blocks are equal text; an IPv4 address inside
 * IPv6 (::ffff:192.0.2.1, as dual-stack sockets report it) is the IPv4 address everywhere.
 */

/** `192.0.2.0/24`, `2001:db8::/32`; a single address is its own block. Undefined for anything else, such as host bits set. */
export function normalizeBlock(text: string): string | undefined {
  const [address = '', prefix, surplus] = text.trim().split('/');
  const octets = octetsOf(address);
  if (octets === undefined || surplus !== undefined) return undefined;
  const mapped = octets.length === 4 && address.includes(':');
  const length = prefix === undefined ? octets.length * 8 : prefixLength(prefix, octets.length * 8, mapped ? 96 : 0);
  if (length === undefined || !sameOctets(masked(octets, length), octets)) return undefined;
  return `${ipaddr.fromByteArray(octets).toString()}/${length}`;
}

/** One spelling of an address; undefined when it is none. A zone (`%eth0`) is dropped: it means nothing elsewhere. */
export function normalizeAddress(text: string): string | undefined {
  const octets = octetsOf(text.split('%', 1)[0]!);
  return octets === undefined ? undefined : ipaddr.fromByteArray(octets).toString();
}

/** What one subscriber is given: an IPv4 address, or the /64 that an IPv6 address lies in. `address` is normalised. */
export function subscriberOf(address: string): string {
  const octets = octetsOf(address)!;
  return networkKey(octets, octets.length === 4 ? 32 : 64);
}

/** Whether every address of `inner` lies in `outer`; both normalised. */
export function blockWithin(inner: string, outer: string): boolean {
  const [innerAddress, innerLength] = inner.split('/');
  const [outerAddress, outerLength] = outer.split('/');
  const octets = octetsOf(innerAddress!)!;
  const network = octetsOf(outerAddress!)!;
  if (octets.length !== network.length || Number(innerLength) < Number(outerLength)) return false;
  return sameOctets(masked(octets, Number(outerLength)), network);
}

/** Many blocks, asked often: one look-up per prefix length that occurs. */
export class AddressSet {
  readonly #networks = new Set<string>();
  readonly #lengths = new Map<number, number[]>();

  /** Blocks as `normalizeBlock` writes them. */
  constructor(blocks: Iterable<string>) {
    for (const block of blocks) {
      const [address, prefix] = block.split('/');
      const octets = octetsOf(address!)!;
      const length = Number(prefix);
      this.#networks.add(networkKey(octets, length));
      const lengths = this.#lengths.get(octets.length) ?? [];
      if (!lengths.includes(length)) this.#lengths.set(octets.length, [...lengths, length]);
    }
  }

  has(address: string): boolean {
    const octets = octetsOf(address);
    if (octets === undefined) return false;
    const lengths = this.#lengths.get(octets.length) ?? [];
    return lengths.some(length => this.#networks.has(networkKey(octets, length)));
  }
}

function octetsOf(address: string): number[] | undefined {
  // ipaddr.js reads 010.1 and 0x7f.1 as the C library does; two readers of an allowlist must agree.
  if (!address.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(address)) return undefined;
  if (address.includes('%') || !ipaddr.isValid(address)) return undefined;
  return ipaddr.process(address).toByteArray();
}

function prefixLength(text: string, most: number, offset: number): number | undefined {
  if (!/^(?:0|[1-9]\d{0,2})$/.test(text)) return undefined;
  const length = Number(text) - offset;
  return length >= 0 && length <= most ? length : undefined;
}

function masked(octets: readonly number[], length: number): number[] {
  return octets.map((octet, index) => octet & (0xff00 >> Math.min(8, Math.max(0, length - index * 8))) & 0xff);
}

const networkKey = (octets: readonly number[], length: number): string =>
  `${masked(octets, length).join('.')}/${length}`;

const sameOctets = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((octet, index) => octet === b[index]);
