import { AddressSet, normalizeBlock } from '../../core/addresses.ts';
import { invalid, Refusal } from '../../core/errors.ts';
import type { PrepareContext } from '../../core/operation.ts';
import { AllowedAddress } from './entities.ts';

/** IPv4 /8 and IPv6 /16: a larger block is no place, and an allowlist of everybody is none. */
const shortestPrefix = { ipv4: 8, ipv6: 16 } as const;

/** The block in its one spelling; 422 when it is none, or too large. */
export function readBlock(text: string): string {
  const cidr = normalizeBlock(text);
  if (cidr === undefined) throw invalid('cidr', 'is no IP address or CIDR block without host bits');
  const shortest = cidr.includes(':') ? shortestPrefix.ipv6 : shortestPrefix.ipv4;
  if (Number(cidr.split('/')[1]) < shortest) throw invalid('cidr', `must be /${shortest} or smaller`, 'too_large');
  return cidr;
}

/** The blocks of the organisation, or of those above it. */
export const inheritedBlocks = ({ inherited, organization }: PrepareContext, whose: 'all' | 'ancestors') =>
  inherited(async em => {
    const own = whose === 'all' ? {} : { organizationId: { $ne: organization.id } };
    return (await em.find(AllowedAddress, own)).map(row => row.cidr);
  });

/** Whoever removes the block that lets them in could not come back to add another. */
export function refuseLockOut(remaining: readonly string[], callerAddress: string): void {
  if (!new AddressSet(remaining).has(callerAddress)) {
    throw new Refusal('conflict', 'This block alone lets the calling address in. Add another one first.');
  }
}
