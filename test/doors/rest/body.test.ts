import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { BodyRoom, readBody } from '../../../src/doors/rest/body.ts';
import { refusalFrom } from '../../kit/refusal.ts';

const kilo = 1000;

/** A request whose body comes in these pieces. */
function sending(pieces: Iterable<Buffer>): IncomingMessage {
  return Object.assign(Readable.from(pieces), { headers: { 'transfer-encoding': 'chunked' } }) as never;
}

describe('the room for request bodies', () => {
  const large = () => sending([Buffer.alloc(4 * kilo)]);

  it('lets a sender have as much in hand as there is, and more when something is done', async () => {
    const room = new BodyRoom(10 * kilo);
    const [first, second, third] = [room.open('a'), room.open('a'), room.open('a')];
    await readBody(large(), 36 * kilo, first);
    await readBody(large(), 36 * kilo, second);
    expect(await refusalFrom(readBody(large(), 36 * kilo, third))).to.include({ code: 'rate_limited', retryAfter: 1 });
    for (const lease of [second, third]) lease.close();
    expect((await readBody(large(), 36 * kilo, room.open('a'))).octets).to.have.length(4 * kilo);
  });

  it('is each sender’s own', async () => {
    const room = new BodyRoom(5 * kilo);
    await readBody(large(), 36 * kilo, room.open('a'));
    expect((await readBody(large(), 36 * kilo, room.open('b'))).octets).to.have.length(4 * kilo);
  });

  it('counts what small pieces cost, not only their octets', async () => {
    const room = new BodyRoom(100 * kilo);
    const singles = sending(Array.from({ length: 500 }, () => Buffer.of(0x20)));
    expect((await refusalFrom(readBody(singles, 36 * kilo, room.open('a')))).code).to.equal('rate_limited');
  });

  it('is given back whole, however it is closed', async () => {
    const room = new BodyRoom(5 * kilo);
    for (let i = 0; i < 20; i++) {
      const lease = room.open('a');
      await readBody(large(), 36 * kilo, lease);
      lease.close();
      lease.close();
    }
  });
});
