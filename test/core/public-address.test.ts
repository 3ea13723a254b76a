import { expect } from 'chai';
import { mayConnectTo } from '../../src/core/public-address.ts';

describe('addresses that we connect to for others', () => {
  const refused: Record<string, string[]> = {
    'this network': ['0.0.0.0', '0.1.2.3', '::'],
    loopback: ['127.0.0.1', '127.255.255.254', '::1'],
    'private networks': ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12:3456::1'],
    'carrier-grade NAT': ['100.64.0.1', '100.127.255.255'],
    'link-local and site-local': ['169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
    'metadata services': ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192'],
    multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
    broadcast: ['255.255.255.255'],
    'documentation and benchmarking': [
      '192.0.2.1',
      '198.51.100.1',
      '203.0.113.1',
      '198.18.0.1',
      '2001:db8::1',
      '3fff::1',
    ],
    'reserved space': ['240.0.0.1', '4000::1', '100::1', '5f00::1'],
    'IPv4 inside IPv6': ['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '::ffff:0:10.0.0.1'],
    'NAT64, 6to4 and Teredo': ['64:ff9b::7f00:1', '64:ff9b::808:808', '64:ff9b:1::1', '2002:7f00:1::', '2001::1'],
    'what is no address': ['', 'localhost', '1.2.3.4.5', '[::1]', '10.0.0.0/8'],
  };
  for (const [what, addresses] of Object.entries(refused)) {
    it(`refuses ${what}`, () => {
      expect(addresses.filter(address => mayConnectTo(address, []))).to.deep.equal([]);
    });
  }

  it('accepts global unicast', () => {
    const accepted = ['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'];
    expect(accepted.filter(address => !mayConnectTo(address, []))).to.deep.equal([]);
  });

  it('opens exactly the private networks that an operator named', () => {
    const opened = ['10.1.0.0/16', 'fd00:1::/32', '127.0.0.1/32'];
    const asked = ['10.1.2.3', '10.2.0.1', 'fd00:1::5', 'fd00:2::5', '127.0.0.1', '127.0.0.2', '192.168.0.1'];
    expect(asked.filter(address => mayConnectTo(address, opened))).to.deep.equal([
      '10.1.2.3',
      'fd00:1::5',
      '127.0.0.1',
    ]);
  });

  it('never opens link-local, multicast or carried addresses, however broad the opened networks are', () => {
    const everything = ['0.0.0.0/0', '::/0'];
    const asked = [
      '169.254.169.254',
      'fe80::1',
      '224.0.0.1',
      'ff02::1',
      '::ffff:10.0.0.1',
      '64:ff9b::a00:1',
      '0.0.0.0',
    ];
    expect(asked.filter(address => mayConnectTo(address, everything))).to.deep.equal([]);
  });
});
