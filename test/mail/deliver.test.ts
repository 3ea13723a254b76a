import { expect } from 'chai';
import type { RelaySink } from '../../src/development/relay-sink.ts';
import { deliver, type Relay } from '../../src/mail/deliver.ts';
import type { Message } from '../../src/mail/dkim.ts';
import { type SinkSetup, startSink } from '../kit/smtp-sink.ts';

const octets = Buffer.from('From: <a@x.example>\r\nMessage-ID: <msg_1@x.example>\r\n\r\nHello\r\n.hidden\r\n');
const message: Message = {
  size: octets.length,
  async *open() {
    yield octets;
  },
};
const envelope = { from: 'a@x.example', to: ['b@y.example', 'c@z.example'] };

describe('delivering to a relay', () => {
  let sink: RelaySink | undefined;
  afterEach(() => sink?.close());

  async function attempt(setup: SinkSetup = {}, change: Partial<Relay> = {}, signal?: AbortSignal) {
    const started = await startSink(setup);
    sink = started.sink;
    const outcome = await deliver({ ...started.relay, ...change }, envelope, message, { name: 'node.example', signal });
    return { ...outcome, each: outcome.recipients.map(({ kind }) => kind), mails: started.sink.mails };
  }

  it('is accepted when the relay took it, over TLS and octet for octet', async () => {
    const { kind, each, mails } = await attempt();
    expect({ kind, each }).to.deep.equal({ kind: 'accepted', each: ['accepted', 'accepted'] });
    expect(mails).to.have.length(1);
    expect(mails[0]!.tls).to.equal(true);
    expect(mails[0]!.raw.equals(octets)).to.equal(true);
    expect(mails[0]!.to).to.deep.equal(envelope.to);
  });

  it('speaks TLS from the first byte when the relay wants it so', async () => {
    const { kind, mails } = await attempt({ implicitTls: true });
    expect({ kind, tls: mails[0]!.tls }).to.deep.equal({ kind: 'accepted', tls: true });
  });

  it('tells recipients apart: one accepted, one refused, with its reply', async () => {
    const { kind, each, recipients } = await attempt({
      recipient: address => (address.startsWith('b') ? '550 5.1.1 no such user' : undefined),
    });
    expect({ kind, each }).to.deep.equal({ kind: 'accepted', each: ['refused', 'accepted'] });
    expect(recipients[0]!.reply).to.equal('550 5.1.1 no such user');
  });

  it('is deferred when one recipient was put off and the other refused', async () => {
    const { kind, each } = await attempt({
      recipient: address => (address.startsWith('b') ? '550 5.1.1 no such user' : '450 4.2.0 later'),
    });
    expect({ kind, each }).to.deep.equal({ kind: 'deferred', each: ['refused', 'deferred'] });
  });

  const replies: [string, SinkSetup, 'deferred' | 'refused'][] = [
    ['refused when every recipient is refused', { recipient: () => '550 5.1.1 no such user' }, 'refused'],
    ['refused when the message itself is refused', { message: () => '554 5.6.0 not this' }, 'refused'],
    ['deferred when the message is put off', { message: () => '451 4.3.0 later' }, 'deferred'],
    ['refused when it is larger than the relay takes', { maxBytes: 20 }, 'refused'],
  ];
  for (const [claim, setup, expected] of replies) {
    it(`is ${claim}`, async () => {
      const { kind, each, mails } = await attempt(setup);
      expect({ kind, each, mails: mails.length }).to.deep.equal({
        kind: expected,
        each: [expected, expected],
        mails: 0,
      });
    });
  }

  it('is uncertain when the reply after the final dot is lost', async () => {
    const { kind, each, mails } = await attempt({ message: () => 'lose' });
    expect({ kind, each, mails: mails.length }).to.deep.equal({
      kind: 'uncertain',
      each: ['uncertain', 'uncertain'],
      mails: 1,
    });
  });

  it('is deferred, never sent, when the relay is not there', async () => {
    expect((await attempt({}, { port: 1 })).kind).to.equal('deferred');
  });

  it('says nothing to a relay whose certificate it cannot check', async () => {
    const { kind, mails } = await attempt({}, { ca: undefined });
    expect({ kind, mails: mails.length }).to.deep.equal({ kind: 'deferred', mails: 0 });
  });

  it('says nothing to a relay whose certificate names another host', async () => {
    const { kind, mails, reply } = await attempt({ certificateFor: 'elsewhere.example' });
    expect({ kind, mails: mails.length }).to.deep.equal({ kind: 'deferred', mails: 0 });
    expect(reply).to.match(/altnames/);
  });

  it('sends nothing in the clear to a relay that offers no TLS', async () => {
    const { kind, mails } = await attempt({ plain: true });
    expect({ kind, mails: mails.length }).to.deep.equal({ kind: 'deferred', mails: 0 });
  });

  it('blames no mail for a refused login', async () => {
    expect((await attempt({}, { user: 'u', password: 'wrong' })).kind).to.equal('deferred');
  });

  it('ends at once when the node stops, and calls it what it is', async () => {
    const stopping = new AbortController();
    const answerAfterStop = async () => {
      stopping.abort();
      return undefined;
    };
    const { kind } = await attempt({ message: answerAfterStop }, {}, stopping.signal);
    expect(kind).to.equal('uncertain');
  });
});
