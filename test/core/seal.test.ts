import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Keyring, type Place } from '../../src/core/seal.ts';

const master = (id: number) => ({ id, bytes: randomBytes(32) });
const place: Place = { table: 'keys', column: 'secret', row: 'key_1', organization: 'org_a' };

describe('a sealed value', () => {
  const first = master(1);
  const second = master(2);
  const keyring = new Keyring([first]);

  it('opens in its place', () => {
    expect(keyring.openText(place, keyring.sealText(place, 'geheim ☂'))).to.equal('geheim ☂');
    expect(keyring.open(place, keyring.seal(place, Buffer.alloc(0)))).to.have.length(0);
  });

  it('is another one every time', () => {
    expect(keyring.sealText(place, 'same')).to.not.deep.equal(keyring.sealText(place, 'same'));
  });

  for (const part of ['table', 'column', 'row', 'organization'] as const) {
    it(`does not open with another ${part}`, () => {
      const sealed = keyring.sealText(place, 'secret');
      expect(() => keyring.open({ ...place, [part]: 'another' }, sealed)).to.throw();
    });
  }

  it('does not open when the parts of its place are cut differently', () => {
    const sealed = keyring.sealText({ ...place, row: 'a', organization: 'bc' }, 'secret');
    expect(() => keyring.open({ ...place, row: 'ab', organization: 'c' }, sealed)).to.throw();
  });

  it('does not open after any byte of it was changed', () => {
    const sealed = keyring.sealText(place, 'secret');
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(() => keyring.open(place, changed), `byte ${index}`).to.throw();
    }
  });

  it('does not open when it was cut off', () => {
    const sealed = keyring.sealText(place, 'secret');
    for (let length = 0; length < sealed.length; length++) {
      expect(() => keyring.open(place, sealed.subarray(0, length)), `length ${length}`).to.throw();
    }
  });

  it('does not open under another master key with the same number', () => {
    const stranger = new Keyring([master(1)]);
    expect(() => stranger.open(place, keyring.sealText(place, 'secret'))).to.throw();
  });

  it('stays readable while a new master key writes, and is resealed under it', () => {
    const sealed = keyring.sealText(place, 'secret');
    const rotated = new Keyring([second, first]);
    expect(rotated.openText(place, sealed)).to.equal('secret');
    const resealed = rotated.reseal(place, sealed);
    expect(resealed[0]).to.equal(2);
    expect(new Keyring([second]).openText(place, resealed)).to.equal('secret');
  });

  it('says by number which master key is missing', () => {
    const sealed = new Keyring([second]).sealText(place, 'secret');
    expect(() => keyring.open(place, sealed)).to.throw('master key 2 is not on the keyring');
  });
});

describe('a MAC', () => {
  const keyring = new Keyring([master(1)]);
  const mac = keyring.mac('cursor', 'org_a', 'text');

  it('verifies for its purpose, organisation and text only', () => {
    expect(keyring.verify('cursor', 'org_a', 'text', mac)).to.equal(true);
    expect(keyring.verify('nonce', 'org_a', 'text', mac)).to.equal(false);
    expect(keyring.verify('cursor', 'org_b', 'text', mac)).to.equal(false);
    expect(keyring.verify('cursor', 'org_a', 'texts', mac)).to.equal(false);
  });

  it('does not verify when it is empty, cut off or longer', () => {
    for (const bad of [Buffer.alloc(0), mac.subarray(0, 1), mac.subarray(0, -1), Buffer.concat([mac, mac])]) {
      expect(keyring.verify('cursor', 'org_a', 'text', bad)).to.equal(false);
    }
  });
});

describe('a keyring', () => {
  it('refuses no key, a short key, numbers out of range and numbers used twice', () => {
    expect(() => new Keyring([])).to.throw('needs a master key');
    expect(() => new Keyring([{ id: 1, bytes: randomBytes(16) }])).to.throw('not 32 bytes');
    expect(() => new Keyring([{ ...master(1), id: 0 }])).to.throw('1 to 255');
    expect(() => new Keyring([{ ...master(1), id: 256 }])).to.throw('1 to 255');
    expect(() => new Keyring([master(1), master(1)])).to.throw('same number');
  });
});
