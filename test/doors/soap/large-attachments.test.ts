import { createHash, createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { SecureMessage } from '../../../src/areas/secure-email/entities.ts';
import { areas } from '../../../src/areas.ts';
import { Blob, BlobChunk } from '../../../src/db/blobs.ts';
import { canonicalize } from '../../../src/doors/soap/canonical.ts';
import { encodeRequest } from '../../../src/doors/soap/encode.ts';
import { buildModel } from '../../../src/doors/soap/model.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import { readAnswer } from '../../kit/soap-client.ts';
import { elementById, type Partner, signedEnvelope, unsignedEnvelope } from '../../kit/soap-signing.ts';
import { watch } from '../../kit/watch.ts';

const MiB = 1024 * 1024;
/** Divisible by three, so that the base64 of the whole is that of its pieces. */
const block = randomBytes(3 * 64 * 1024);
const blocks = Math.ceil((100 * MiB) / block.length);
const size = blocks * block.length;

const sumOf = (pieces: Iterable<Buffer | string>): string => {
  const sum = createHash('sha256');
  for (const piece of pieces) sum.update(piece);
  return sum.digest('hex');
};
const whole = function* (): Generator<Buffer> {
  for (let i = 0; i < blocks; i++) yield block;
};
const sha256 = sumOf(whole());

const area = buildModel(areas).areas.find(each => each.name === 'secure-email')!;
const operation = area.operations.get('SendSecureEmail')!;
const input = {
  from: 'billing@acme.test',
  to: ['patient@example.com'],
  subject: 'A scan',
  body_html: '<p>It is attached.</p>',
  attachments: [{ filename: 'scan.tiff', content_type: 'image/tiff', content: '' }],
};
const include = '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:large"/>';
const bodyWith = (element: string) => encodeRequest(operation, input).replace('<content></content>', element);

interface Form {
  /** A signed message that has the file as its part `large`. */
  envelope(partner: Partner, created: Date): string;
  /** Where the Body waits for its parts, nobody is proven when they are not the signed ones. */
  readonly refusedAs: 'FailedCheck' | 'signature_invalid';
}

const forms: Record<string, Form> = {
  'signed as base64 in the place of its Include (MTOM)': {
    refusedAs: 'FailedCheck',
    /** The signature over 100 MiB of base64 that is never written out. */
    envelope(partner, created) {
      const body = bodyWith('<content>HERE</content>');
      const element = elementById(parseXml(unsignedEnvelope(partner, { body })), 'Body-1')!;
      const [before, after] = canonicalize(element).split('HERE');
      const sum = createHash('sha256').update(before!);
      for (const octets of whole()) sum.update(octets.toString('base64'));
      const digest = sum.update(after!).digest('base64');
      return signedEnvelope(partner, {
        body: bodyWith(`<content>${include}</content>`),
        created,
        expires: null,
        references: [{ uri: '#Body-1', digest }, { uri: '#TS-1' }],
      });
    },
  },
  'named by its SHA-256 (SwA)': {
    refusedAs: 'signature_invalid',
    envelope: (partner, created) =>
      signedEnvelope(partner, {
        body: bodyWith(`<content contentId="large" sha256="${sha256}"></content>`),
        created,
        expires: null,
      }),
  },
};

function* octetsOf(envelope: string, file: Iterable<Buffer>): Generator<Buffer> {
  const head = (type: string, id: string) => `--b\r\nContent-Type: ${type}\r\nContent-ID: <${id}>\r\n\r\n`;
  yield Buffer.from(`${head('application/xop+xml', 'root')}${envelope}\r\n${head('image/tiff', 'large')}`);
  yield* file;
  yield Buffer.from('\r\n--b--\r\n');
}

/** What a descriptor leads to; that of the listing itself is closed by now. */
function target(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

describe('a mail with an attachment of 100 MiB', function () {
  // A database server writes its octets several times over.
  this.timeout(120_000);
  let kit: Kit;
  let partner: Partner;
  let agent: Agent;
  before(async () => {
    kit = await startKit({ config: { maxMailBytes: 101 * MiB } });
    const { certificate, key } = kit.tenant.certificate;
    partner = {
      certificate: new X509Certificate(certificate),
      privateKey: createPrivateKey(key),
      publicKey: createPublicKey(certificate),
    };
    agent = new Agent({ ca: kit.set.ca, cert: certificate, key });
    // What a process takes once for a request, its approval and its delivery is not counted to the large ones.
    const small = {
      ...input,
      attachments: [{ ...input.attachments[0]!, content: randomBytes(MiB).toString('base64') }],
    };
    await kit.soap.call('SendSecureEmail', small, { attached: true });
    await kit.settle();
  });
  after(async () => {
    agent.destroy();
    await kit.close();
  });
  beforeEach(() => {
    // The mail is delivered when a test has looked at the rest: the relay of the tests has it in memory as a whole.
    kit.sinkRules.recipient = () => '451 4.3.0 later';
  });

  async function send(envelope: string, file: Iterable<Buffer> = whole()) {
    const sent = request(kit.app.soap.url + area.path, {
      agent,
      method: 'POST',
      headers: {
        Authorization: `Bearer ${kit.tenant.apiKey}`,
        'Content-Type': 'multipart/related; type="application/xop+xml"; boundary=b; start="<root>"',
      },
    });
    const answered = new Promise<string>((resolve, reject) => {
      sent.on('response', response => text(response).then(resolve, reject)).on('error', reject);
    });
    await pipeline(Readable.from(octetsOf(envelope, file)), sent).catch(() => {});
    return readAnswer(await answered, operation, kit.clock.now());
  }

  /** Files without a name that this process has open. */
  const spooled = () =>
    readdirSync('/proc/self/fd').filter(fd => /\/bastion-[0-9a-f-]{36} \(deleted\)$/.test(target(fd))).length;
  afterEach(() => {
    expect(spooled(), 'spools that are left').to.equal(0);
  });

  const system = () => kit.app.db.fork('system');
  const stored = () => Promise.all([system().count(Blob, {}), system().count(BlobChunk, {})]);
  const envelopeOf = ({ envelope }: Form) => envelope(partner, kit.clock.now());

  // First, so that what a process takes once is not counted to the others.
  for (const [what, form] of Object.entries(forms)) {
    it(`${what} of which one octet was changed on the way is refused, and nothing of it is stored`, async () => {
      const envelope = envelopeOf(form);
      const before = await stored();
      const changed = Buffer.from(block);
      changed[1000]! ^= 1;
      const { fault } = await send(envelope, [...whole()].with(300, changed));
      expect(fault).to.include({ code: form.refusedAs });
      expect(await stored()).to.deep.equal(before);
    });
  }

  for (const [what, form] of Object.entries(forms)) {
    it(`${what} is received, verified, approved and stored without being in memory as a whole`, async () => {
      const envelope = envelopeOf(form);
      const watched = watch();
      // Of a message that is refused, too: a watch that goes on keeps the process.
      const { output, fault } = await send(envelope).finally(watched.stop);
      const { grownMiB, longestTurnMs } = watched.stop();
      expect(output, JSON.stringify(fault)).to.include({ status: 'queued' });
      const question = kit.responder.requests.at(-1)!;
      expect(question.authorization).to.contain(`"content":"sha256:${sha256}"`);
      expect(grownMiB, 'MiB of memory more than before').to.be.below(200);
      // 25 to 30 ms, the client's own share included, where little else runs; a busy machine takes several times as long.
      expect(longestTurnMs, 'ms of CPU in one turn of the event loop').to.be.below(80);

      const id = String(output!.message_id);
      const { id: blob } = await system().findOneOrFail(Blob, { ownerId: id, size });
      const sum = createHash('sha256');
      for await (const octets of kit.app.services.openStored(kit.tenant.id, blob)) sum.update(octets);
      expect(sum.digest('hex')).to.equal(sha256);

      kit.sinkRules.recipient = undefined;
      kit.clock.advance(60 * 60_000);
      await kit.settle();
      const { status } = await system().findOneOrFail(SecureMessage, { id });
      expect(status).to.equal('sent');
      const { raw } = kit.sink.mails.pop()!;
      const start = raw.indexOf('\r\n\r\n', raw.indexOf('filename=scan.tiff')) + 4;
      const base64 = raw.toString('latin1', start, raw.indexOf('\r\n--', start));
      expect(sumOf([Buffer.from(base64, 'base64')])).to.equal(sha256);
    });
  }

  it('whose sender leaves in its middle leaves nothing', async () => {
    const before = await stored();
    const leaving = (function* () {
      yield* [...whole()].slice(0, 200);
      throw new Error('gone');
    })();
    const envelope = envelopeOf(forms['named by its SHA-256 (SwA)']!);
    await send(envelope, leaving).catch(() => {});
    for (let i = 0; spooled() > 0; i++) {
      if (i > 500) throw new Error('it is still spooled');
      await sleep(10);
    }
    expect(await stored()).to.deep.equal(before);
  });

  it('is refused before anything is stored when a mail may hold less', async () => {
    const before = await stored();
    const settings = kit.app.services.settings as { maxMailBytes: number };
    const allowed = settings.maxMailBytes;
    settings.maxMailBytes = 100 * MiB;
    try {
      const { fault } = await send(envelopeOf(forms['named by its SHA-256 (SwA)']!));
      expect(fault).to.include({ error: 'validation_failed' });
      expect(fault!.errors![0]).to.include({ code: 'too_large' });
    } finally {
      settings.maxMailBytes = allowed;
    }
    expect(await stored()).to.deep.equal(before);
  });
});
