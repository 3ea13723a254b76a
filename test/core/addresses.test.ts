import { expect } from 'chai';
import { AddressSet, blockWithin, normalizeAddress, normalizeBlock } from '../../src/core/addresses.ts';

describe('address blocks', () => {
  const spellings: [string, string][] = [
    ['192.0.2.7', '192.0.2.7/32'],
    [' 192.0.2.0/24 ', '192.0.2.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8:0:0::/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::ffff:192.0.2.7', '192.0.2.7/32'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
  ];
  for (const [given, spelled] of spellings) {
    it(`spells ${given} as ${spelled}`, () => expect(normalizeBlock(given)).to.equal(spelled));
  }

  const refused = [
    ...['', 'localhost', '192.0.2', '192.0.2.256', '192.0.2.1/24', '192.0.2.0/33', '192.0.2.0/024', '192.0.2.0/-1'],
    ...['192.0.2.0/24/24', '010.0.0.1', '0x7f.0.0.1', '3221225985', '2001:db8::1/32', '2001:db8::/129', 'fe80::1%eth0'],
    ...['::ffff:192.0.2.0/24', '192.0.2.0/', '192.0.2.0/ 24'],
  ];
  for (const block of refused) {
    it(`refuses ${JSON.stringify(block)}`, () => expect(normalizeBlock(block)).to.equal(undefined));
  }

  it('reads an IPv4 address inside IPv6 as the IPv4 address, and drops a zone', () => {
    expect(normalizeAddress('::ffff:127.0.0.1')).to.equal('127.0.0.1');
    expect(normalizeAddress('fe80::1%eth0')).to.equal('fe80::1');
    expect(normalizeAddress('nowhere')).to.equal(undefined);
  });

  it('finds an address in blocks of every length', () => {
    for (let length = 0; length <= 32; length++) {
      const ones = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
      const network = dotted((0xc6336401 & ones) >>> 0);
      const set = new AddressSet([`${network}/${length}`]);
      expect(set.has('198.51.100.1'), `/${length}`).to.equal(true);
      if (length > 0)
        expect(set.has(dotted((0xc6336401 ^ (1 << (32 - length))) >>> 0)), `beside /${length}`).to.equal(false);
    }
  });

  it('keeps IPv4 and IPv6 apart', () => {
    const set = new AddressSet(['0.0.0.0/0', '2001:db8::/33']);
    expect(set.has('2001:db8:7fff::1')).to.equal(true);
    expect(set.has('2001:db8:8000::1')).to.equal(false);
    expect(set.has('::1')).to.equal(false);
    expect(set.has('::ffff:192.0.2.1')).to.equal(true);
    expect(set.has('nonsense')).to.equal(false);
  });

  it('holds nothing when it was given nothing', () => expect(new AddressSet([]).has('127.0.0.1')).to.equal(false));

  it('knows whether one block lies in another', () => {
    expect(blockWithin('192.0.2.128/25', '192.0.2.0/24')).to.equal(true);
    expect(blockWithin('192.0.2.0/24', '192.0.2.0/24')).to.equal(true);
    expect(blockWithin('192.0.2.0/23', '192.0.2.0/24')).to.equal(false);
    expect(blockWithin('192.0.3.0/24', '192.0.2.0/24')).to.equal(false);
    expect(blockWithin('2001:db8::/48', '0.0.0.0/0')).to.equal(false);
  });
});

const dotted = (value: number): string => [24, 16, 8, 0].map(shift => (value >>> shift) & 255).join('.');
