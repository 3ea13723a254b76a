import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import PostalMime from 'postal-mime';
import { areas } from '../../../src/areas.ts';
import { encodeRequest } from '../../../src/doors/soap/encode.ts';
import { buildModel } from '../../../src/doors/soap/model.ts';
import { type Kit, startKit } from '../../kit/app.ts';
import {
  attachmentReference,
  type EnvelopeOptions,
  signedEnvelope,
  xmlCryptoEnvelope,
} from '../../kit/soap-signing.ts';

const operation = buildModel(areas)
  .areas.find(each => each.name === 'secure-email')!
  .operations.get('SendSecureEmail')!;

type Parts = Record<string, Buffer>;

/** As MTOM stacks label and cut a message. */
function mtom(envelope: string, parts: Parts): { raw: Buffer; headers: Record<string, string> } {
  const head = (type: string, id: string): Buffer =>
    Buffer.from(`--b\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <${id}>\r\n\r\n`);
  const rest = Object.entries(parts).flatMap(([id, content]) => [
    Buffer.from('\r\n'),
    head('application/octet-stream', id),
    content,
  ]);
  const root = head('application/xop+xml; charset=UTF-8; type="application/soap+xml"', 'root@x');
  return {
    raw: Buffer.concat([root, Buffer.from(envelope), ...rest, Buffer.from('\r\n--b--\r\n')]),
    headers: {
      'Content-Type':
        'multipart/related; type="application/xop+xml"; boundary=b; start="<root@x>"; start-info="application/soap+xml"',
    },
  };
}

const include = (href: string): string =>
  `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="${href}"/>`;

describe('MTOM: parts in the place of base64 that was signed', () => {
  const one = randomBytes(100_001);
  const two = Buffer.from([0, 13, 10, 255]);
  const forged = Buffer.concat([one.subarray(0, -1), Buffer.from([one.at(-1)! ^ 1])]);
  let kit: Kit;
  before(async () => {
    kit = await startKit();
  });
  after(() => kit?.close());

  const request = (files: readonly Buffer[]) => ({
    from: 'billing@acme.test',
    to: ['patient@example.com'],
    subject: 'Your statement',
    body_html: '<p>Attached.</p>',
    attachments: files.map((content, i) => ({
      filename: `${i}.bin`,
      content_type: 'application/x-sample',
      content: content.toString('base64'),
    })),
  });
  const partner = () => {
    const { x509, privateKey, publicKey } = kit.tenant.certificate;
    return { certificate: x509, privateKey, publicKey };
  };
  const inline = (files: readonly Buffer[], options: EnvelopeOptions = {}, sign = signedEnvelope) => {
    const body = encodeRequest(operation, request(files));
    return sign(partner(), { body, created: kit.clock.now(), expires: null, ...options });
  };
  /** Signed with the base64 in the message; then an Include takes its place. */
  const packaged = (content: Buffer, by = include('cid:one@x'), envelope = inline([content])) => {
    const text = content.toString('base64');
    if (!envelope.includes(`>${text}<`)) throw new Error('nothing to package');
    return envelope.replace(`>${text}<`, () => `>${by}<`);
  };
  const send = (envelope: string, parts: Parts) => kit.soap.call('SendSecureEmail', request([]), mtom(envelope, parts));
  const arrived = async () => {
    await kit.settle();
    const { attachments } = await PostalMime.parse(kit.sink.mails.at(-1)!.raw);
    return attachments.map(each => Buffer.from(each.content as ArrayBuffer));
  };
  const isSent = ({ status, signed, text }: Awaited<ReturnType<typeof send>>) =>
    expect({ status, signed }, text).to.deep.equal({ status: 200, signed: true });

  it('are taken, and mailed as they were signed [BAS-023]', async () => {
    isSent(await send(packaged(one), { 'one@x': one }));
    expect((await arrived())[0]!.equals(one)).to.equal(true);
  });

  it('are taken when another implementation signed the base64', async () => {
    isSent(await send(packaged(one, undefined, inline([one], {}, xmlCryptoEnvelope)), { 'one@x': one }));
  });

  it('are taken for several elements, whatever the order of the parts, and for none of them an empty one', async () => {
    const files = [one, two, Buffer.alloc(0)];
    const envelope = packaged(two, include('cid:two@x'), packaged(one, undefined, inline(files)));
    isSent(await send(envelope, { 'two@x': two, 'one@x': one }));
    expect((await arrived()).slice(0, 2)).to.deep.equal([one, two]);
  });

  it('are taken under another prefix, with an escaped address and a digest of another hash', async () => {
    const digestAlgorithm = 'http://www.w3.org/2001/04/xmlenc#sha512';
    const references = [{ uri: '#Body-1', digestAlgorithm, inclusivePrefixes: 'soap wsu' }, { uri: '#TS-1' }];
    const by = include('cid:one%40x').replaceAll('xop', 'inc').replace('2004/08/inc', '2004/08/xop');
    isSent(await send(packaged(one, by, inline([one], { references })), { 'one@x': one }));
  });

  it('are taken where the Include itself is signed, when the signature or the Body binds the part', async () => {
    const sha256 = createHash('sha256').update(one).digest('hex');
    const withInclude = (attributes = '', options: EnvelopeOptions = {}) => {
      const body = encodeRequest(operation, request([one]));
      const included = body.replace(
        `<content>${one.toString('base64')}`,
        `<content${attributes}>${include('cid:one@x')}`,
      );
      return inline([one], { body: included, ...options });
    };
    isSent(await send(withInclude(` sha256="${sha256}"`), { 'one@x': one }));
    isSent(await send(withInclude('', { also: [attachmentReference('one@x', one)] }), { 'one@x': one }));
    const unbound = await send(withInclude(), { 'one@x': one });
    expect(unbound.fault?.code).to.equal('signature_invalid');
  });

  const refused: Record<string, [code: string, envelope: () => string, parts: Parts]> = {
    'one bit of the part was changed': ['FailedCheck', () => packaged(one), { 'one@x': forged }],
    'the part is longer': ['FailedCheck', () => packaged(one), { 'one@x': Buffer.concat([one, two]) }],
    'the part is empty': ['FailedCheck', () => packaged(one), { 'one@x': Buffer.alloc(0) }],
    'two parts changed places': [
      'FailedCheck',
      () => packaged(two, include('cid:two@x'), packaged(one, undefined, inline([one, two]))),
      { 'one@x': two, 'two@x': one },
    ],
    'the rest of the Body was changed': [
      'FailedCheck',
      () => packaged(one).replace('patient@', 'attacker@'),
      { 'one@x': one },
    ],
    'the part is not there': ['malformed', () => packaged(one), {}],
    'there is another part as well': ['malformed', () => packaged(one), { 'one@x': one, 'two@x': two }],
    'it points at the envelope itself': ['malformed', () => packaged(one, include('cid:root@x')), { 'one@x': one }],
    'one part stands in two places': [
      'FailedCheck',
      () => packaged(one, undefined, packaged(one, undefined, inline([one, one]))),
      { 'one@x': one },
    ],
    'a part is included and named by contentId as well': [
      'malformed',
      () => {
        const sha256 = createHash('sha256').update(one).digest('hex');
        const named = `<content contentId="one@x" sha256="${sha256}"></content>`;
        const body = encodeRequest(operation, request([one, two]));
        const envelope = inline([], { body: body.replace(`<content>${two.toString('base64')}</content>`, named) });
        return packaged(one, undefined, envelope);
      },
      { 'one@x': one },
    ],
  };
  for (const href of [
    'http://127.0.0.1:9/one',
    'file:///etc/passwd',
    'one@x',
    '#Body-1',
    '',
    'cid:',
    'cid:%zz',
    'mid:one@x',
  ]) {
    refused[`it points to "${href}"`] = ['FailedCheck', () => packaged(one, include(href)), { 'one@x': one }];
  }
  const shapes: Record<string, string> = {
    'text stands before it': `QUJD${include('cid:one@x')}`,
    'text stands behind it': `${include('cid:one@x')}QUJD`,
    'white space stands around it': ` ${include('cid:one@x')} `,
    'there are two': include('cid:one@x') + include('cid:one@x'),
    'it has another attribute': include('cid:one@x').replace('/>', ' x="y"/>'),
    'it has content': include('cid:one@x').replace('/>', '>QUJD</xop:Include>'),
    'it includes itself': include('cid:one@x').replace('/>', `>${include('cid:one@x')}</xop:Include>`),
    'it is of another namespace': include('cid:one@x').replace('2004/08', '2003/12'),
    'it stands in an element of its own': `<data>${include('cid:one@x')}</data>`,
  };
  for (const [what, by] of Object.entries(shapes)) {
    refused[what] = ['FailedCheck', () => packaged(one, by), { 'one@x': one }];
  }
  for (const [what, [code, envelope, parts]] of Object.entries(refused)) {
    it(`are refused when ${what}`, async () => {
      await kit.settle();
      const mails = kit.sink.mails.length;
      const { status, fault, text } = await send(envelope(), parts);
      expect({ status, code: fault?.code }, text).to.deep.equal({ status: 400, code });
      await kit.settle();
      expect(kit.sink.mails).to.have.length(mails);
    });
  }

  it('are refused where the element is not binary, though the text that was signed is the same', async () => {
    const subject = Buffer.from('A subject in base64').toString('base64');
    const body = encodeRequest(operation, { ...request([]), subject });
    const envelope = inline([], { body }).replace(`>${subject}<`, `>${include('cid:one@x')}<`);
    const { fault } = await send(envelope, { 'one@x': Buffer.from(subject, 'base64') });
    expect(fault?.code).to.equal('malformed');
  });

  it('are refused in headers', async () => {
    const key = Buffer.from(kit.tenant.apiKey).toString('base64');
    const context = (content: string) =>
      `<c:Context xmlns:c="http://bastioncommunications.com/soap/common" wsu:Id="C"><c:apiKey>${content}</c:apiKey></c:Context>`;
    const envelope = inline([], { headers: context(key), also: [{ uri: '#C' }] });
    const { fault } = await send(envelope.replace(`>${key}<`, `>${include('cid:one@x')}<`), {
      'one@x': Buffer.from(key, 'base64'),
    });
    expect(fault?.code).to.equal('FailedCheck');
  });

  it('may be retried: a part that was changed on the way does not use the message up', async () => {
    const envelope = packaged(one);
    expect((await send(envelope, { 'one@x': forged })).fault?.code).to.equal('FailedCheck');
    isSent(await send(envelope, { 'one@x': one }));
    expect((await send(envelope, { 'one@x': one })).fault?.code).to.equal('replayed');
  });
});
