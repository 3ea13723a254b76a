import { createHash, randomBytes } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { areas } from '../../../src/areas.ts';
import { encodeRequest } from '../../../src/doors/soap/encode.ts';
import { buildModel } from '../../../src/doors/soap/model.ts';
import { writeRelated } from '../../../src/doors/soap/multipart.ts';
import { type Signer, verifyEnvelope, verifyLargeEnvelope } from '../../../src/doors/soap/verify.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { refusalFrom } from '../../kit/refusal.ts';
import { areaNamespace, newPartner, type Partner, signedEnvelope, xmlCryptoEnvelope } from '../../kit/soap-signing.ts';

/** An envelope of markup throughout, as large as one may be. */
const dense = (elements: number): string =>
  `<m:Op xmlns:m="${areaNamespace}">${'<m:item a="b">c&amp;d</m:item>'.repeat(elements)}</m:Op>`;

describe('envelopes that would hold up the event loop', () => {
  let partner: Partner;
  let xml: string;
  const threads: Worker[] = [];
  const started = (worker: Worker) => threads.push(worker);
  after(() => process.off('worker', started));
  before(async () => {
    process.on('worker', started);
    partner = await newPartner();
    xml = signedEnvelope(partner, { body: dense(40_000), expires: null });
  });

  const settings = (resolve: () => Promise<Signer | undefined> = async () => partner) => ({
    receivedAt: new Date(),
    contextNamespace: areaNamespace,
    resolve,
  });
  const root = (text: string) => ({ octets: Buffer.from(text), charset: undefined });

  it('are verified in another thread, and say the same there', async () => {
    const [here, there] = [
      await verifyEnvelope(root(xml), settings()),
      await verifyLargeEnvelope(root(xml), settings()),
    ];
    for (const each of ['replayKey', 'signatureValue', 'algorithm', 'created', 'addressing', 'context'] as const) {
      expect(there[each], each).to.deep.equal(here[each]);
    }
    expect(there.operationName.local).to.equal('Op');
    expect(there.signer).to.equal(partner);
    expect(() => there.operation, 'the tree stays where it was verified').to.throw('another thread');
    there[Symbol.dispose]();
  });

  it('take the event loop a small part of the time that they take', async () => {
    (await verifyLargeEnvelope(root(xml), settings()))[Symbol.dispose]();
    const cost = async (verify: typeof verifyEnvelope) => {
      const before = process.threadCpuUsage();
      (await verify(root(xml), settings()))[Symbol.dispose]();
      const { user, system } = process.threadCpuUsage(before);
      return user + system;
    };
    const [there, here] = [await cost(verifyLargeEnvelope), await cost(verifyEnvelope)];
    expect(there * 4, `${there} us beside ${here} us`).to.be.below(here);
  });

  const refused: Record<string, [code: string, make: () => string, resolve?: () => Promise<Signer | undefined>]> = {
    'changed after signing': ['signature_invalid', () => xml.replace('c&amp;d', 'c&amp;e')],
    'signed by nobody known': ['certificate_invalid', () => xml, async () => undefined],
    'not well-formed at its end': ['malformed', () => xml.slice(0, -1)],
    'too old': ['timestamp_invalid', () => signedEnvelope(partner, { body: dense(3000), created: new Date(0) })],
  };
  for (const [what, [code, make, resolve]] of Object.entries(refused)) {
    it(`are refused alike in a thread when ${what}`, async () => {
      const told = await Promise.all(
        [verifyEnvelope, verifyLargeEnvelope].map(async verify => {
          const refusal = await refusalFrom(verify(root(make()), settings(resolve)));
          return { code: refusal.code, message: refusal.message, cause: (refusal.cause as Error | undefined)?.message };
        }),
      );
      expect(told[0]?.code).to.equal(code);
      expect(told[1]).to.deep.equal(told[0]);
    });
  }

  it('end with what the look for their signer ends with', async () => {
    const failure = new Error('no database');
    const fails = verifyLargeEnvelope(
      root(xml),
      settings(() => Promise.reject(failure)),
    );
    expect(await fails.catch(error => error)).to.equal(failure);
  });

  it('that wait for something outside the thread keep no other from being verified', async () => {
    const { promise, resolve } = Promise.withResolvers<Signer>();
    const small = signedEnvelope(partner, { expires: null });
    const all = Array.from({ length: 100 }, () =>
      verifyLargeEnvelope(
        root(small),
        settings(() => promise),
      ),
    );
    (await verifyLargeEnvelope(root(xml), settings()))[Symbol.dispose]();
    resolve(partner);
    for (const each of await Promise.all(all)) each[Symbol.dispose]();
  });

  it('are refused when their thread has ended before they are decoded, and those that come then are verified', async () => {
    const inHand = await verifyLargeEnvelope(root(xml), settings());
    await Promise.all(threads.map(each => each.terminate()));
    const decoded = inHand.decode({} as never);
    expect((await refusalFrom(decoded)).code).to.equal('unavailable');
    (await verifyLargeEnvelope(root(xml), settings()))[Symbol.dispose]();
  });
});

describe('large messages through the whole server', () => {
  const operation = buildModel(areas)
    .areas.find(each => each.name === 'secure-email')!
    .operations.get('SendSecureEmail')!;
  const mail = {
    from: 'billing@acme.test',
    to: ['patient@example.com'],
    subject: 'Your statement',
    body_html: `<p>${'A &amp; B '.repeat(20_000)}</p>`,
  };
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit?.close());

  const partner = () => {
    const { x509, privateKey, publicKey } = kit.tenant.certificate;
    return { certificate: x509, privateKey, publicKey };
  };
  const send = (envelope: string, headers: Record<string, string> = {}) =>
    kit.soap.call('SendSecureEmail', mail, { raw: envelope, headers });
  const envelope = (input: object, sign = signedEnvelope) =>
    sign(partner(), { body: encodeRequest(operation, input), created: kit.clock.now(), expires: null });

  it('are taken once, and refused when they are sent again or changed', async () => {
    const message = envelope(mail, xmlCryptoEnvelope);
    expect((await send(message)).status).to.equal(200);
    expect((await send(message)).fault?.code).to.equal('replayed');
    expect((await send(envelope(mail).replace('patient@', 'attacker@'))).fault?.code).to.equal('FailedCheck');
  });

  it('name every field that is broken, as small ones do', async () => {
    const body = encodeRequest(operation, mail).replace('<to>', '<cc>x</cc><to>').replace('</from>', '<b/></from>');
    const { fault } = await send(signedEnvelope(partner(), { body, created: kit.clock.now(), expires: null }));
    expect(fault?.errors?.map(({ field }) => field)).to.deep.equal(['from', 'cc']);
  });

  it('have their attachments put in their places', async () => {
    const file = randomBytes(300_000);
    const sha256 = createHash('sha256').update(file).digest('hex');
    const input = { ...mail, attachments: [{ filename: 'a.bin', content_type: 'a/b', content: 'AAAA' }] };
    const named = `<content contentId="one" sha256="${sha256}"></content>`;
    const body = encodeRequest(operation, input).replace('<content>AAAA</content>', named);
    const sent = async (content: Buffer) => {
      const message = signedEnvelope(partner(), { body, created: kit.clock.now(), expires: null });
      const related = writeRelated(message, [{ contentId: 'one', contentType: 'a/b', content }]);
      return send(Buffer.concat(await related.body.toArray()) as never, { 'Content-Type': related.contentType });
    };
    expect((await sent(randomBytes(300_000))).fault?.code).to.equal('signature_invalid');
    const { status, text } = await sent(file);
    expect(status, text).to.equal(200);
    await kit.settle();
    expect(kit.sink.mails.at(-1)!.raw.toString()).to.include(file.toString('base64').slice(0, 76));
  });
});
