import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Refusal } from '../../src/core/errors.ts';
import { type CursorScope, decodeCursor, encodeCursor } from '../../src/core/page.ts';
import { Keyring } from '../../src/core/seal.ts';

const keyring = new Keyring([{ id: 1, bytes: randomBytes(32) }]);
const scope: CursorScope = {
  operation: 'ListKeys',
  organization: 'org_a',
  filter: { status: 'active' },
  sort: 'newest',
};

const expectRefused = (used: CursorScope, cursor: string) =>
  expect(() => decodeCursor(keyring, used, cursor), cursor)
    .to.throw(Refusal)
    .with.property('code', 'cursor_invalid');

describe('a cursor', () => {
  const cursor = encodeCursor(keyring, scope, 'key_1');

  it('gives its position back to the list it was made for [BAS-025]', () => {
    expect(decodeCursor(keyring, scope, cursor)).to.equal('key_1');
  });

  it('is refused by another operation, organisation, filter or sort', () => {
    expectRefused({ ...scope, operation: 'ListMembers' }, cursor);
    expectRefused({ ...scope, organization: 'org_b' }, cursor);
    expectRefused({ ...scope, filter: {} }, cursor);
    expectRefused({ ...scope, sort: 'oldest' }, cursor);
  });

  it('is refused when its position was changed', () => {
    const forged = `${Buffer.from('key_2').toString('base64url')}.${cursor.split('.')[1]}`;
    expectRefused(scope, forged);
  });

  it('is refused in another spelling of the same octets', () => {
    const [position, mac] = cursor.split('.');
    for (const spelling of [`${cursor}A`, `${cursor}=`, `${cursor} `, `${position}A.${mac}`, ` ${cursor}`]) {
      expectRefused(scope, spelling);
    }
  });

  it('is refused when it is garbage', () => {
    for (const bad of ['', '.', 'abc', `${cursor}.`, `${cursor}.x`, 'eyJpZCI6MX0', '\u0000', '.'.repeat(1000)]) {
      expectRefused(scope, bad);
    }
  });
});
