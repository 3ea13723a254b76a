import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { readBody } from '../../src/doors/rest/body.ts';
import { readMessage } from '../../src/doors/soap/multipart.ts';
import { type BodyLease, BodyRoom } from '../../src/gate/body-room.ts';
import { refusalFrom } from '../kit/refusal.ts';

const kilo = 1000;

/** A body that comes in these pieces. */
const sending = (pieces: Iterable<Buffer>) => Readable.from(pieces, { objectMode: false });
const large = () => sending([Buffer.alloc(4 * kilo, ' ')]);

/** How each door reads. */
const readers: Record<string, (source: Readable, lease: BodyLease) => Promise<Buffer>> = {
  async rest(source, lease) {
    const request = Object.assign(source, { headers: { 'transfer-encoding': 'chunked' } }) as unknown;
    return (await readBody(request as IncomingMessage, 36 * kilo, lease)).octets;
  },
  async soap(source, lease) {
    return (await readMessage(source, 'application/soap+xml', octets => lease.take(octets))).root.octets;
  },
};

for (const [door, read] of Object.entries(readers)) {
  describe(`the room for request bodies, as ${door} takes it`, () => {
    it('lets a sender have a quarter of it in hand, and more when something is done', async () => {
      const room = new BodyRoom(40 * kilo);
      const [first, second, third] = [room.open('a'), room.open('a'), room.open('a')];
      await read(large(), first);
      await read(large(), second);
      expect(await refusalFrom(read(large(), third))).to.include({ code: 'rate_limited', retryAfter: 1 });
      second[Symbol.dispose]();
      expect(await read(large(), third)).to.have.length(4 * kilo);
    });

    it('keeps something for the next sender however many are greedy, and never holds more than it is', async () => {
      const room = new BodyRoom(1000 * kilo);
      let held = 0;
      for (const sender of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']) {
        for (let refused = false; !refused; ) {
          try {
            room.open(sender).take(kilo);
            held += kilo;
          } catch {
            refused = true;
          }
        }
      }
      expect(held).to.be.within(600 * kilo, 1000 * kilo);
      expect(await read(sending([Buffer.alloc(kilo, ' ')]), room.open('honest'))).to.have.length(kilo);
    });

    it('is not to blame on whoever holds nothing: 503, not 429', async () => {
      const room = new BodyRoom(20 * kilo);
      await read(large(), room.open('a'));
      expect(await refusalFrom(read(large(), room.open('b')))).to.include({ code: 'unavailable', retryAfter: 1 });
    });

    it('counts what small pieces cost, not only their octets', async () => {
      const room = new BodyRoom(100 * kilo);
      const singles = sending(Array.from({ length: 500 }, () => Buffer.of(0x20)));
      expect((await refusalFrom(read(singles, room.open('a')))).code).to.equal('too_large');
    });

    it('is given back whole, however often it is closed', async () => {
      const room = new BodyRoom(20 * kilo);
      for (let i = 0; i < 20; i++) {
        const lease = room.open('a');
        await read(large(), lease);
        lease[Symbol.dispose]();
        lease[Symbol.dispose]();
      }
      expect(await read(large(), room.open('a'))).to.have.length(4 * kilo);
    });
  });
}
