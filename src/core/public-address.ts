import ipaddr from 'ipaddr.js';

/** What an operator may open. Link-local is not among it: that is where clouds keep their machines' credentials. */
const openable = new Set(['private', 'uniqueLocal', 'carrierGradeNat', 'loopback']);

/**
 * Whether we may connect to an address: a public one, or one that `allowPrivate` (CIDRs, the operator's setting) opens.
 * Public means global unicast by the registries of RFC 6890; addresses that carry another inside (mapped, NAT64, 6to4,
 * Teredo) are refused, whatever they carry.
 */
export function mayConnectTo(address: string, allowPrivate: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range === 'unicast') return parsed.kind() === 'ipv4' || isGlobalUnicast(parsed as ipaddr.IPv6);
  return openable.has(range) && allowPrivate.some(cidr => contains(cidr, parsed));
}

/** 2000::/3: nothing else has been given out (RFC 4291 section 2.4, IANA). */
function isGlobalUnicast(address: ipaddr.IPv6): boolean {
  return (address.parts[0]! & 0xe000) === 0x2000;
}

function contains(cidr: string, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  const [network, bits] = ipaddr.parseCIDR(cidr);
  return network.kind() === address.kind() && address.match(network, bits);
}
