import { createHash, randomBytes } from 'node:crypto';
import { areas } from '../../../src/areas.ts';
import { encodeRequest } from '../../../src/doors/soap/encode.ts';
import { buildModel } from '../../../src/doors/soap/model.ts';
import { type Attack, filesIn, type Part, refused, related, type Scene, type Sending } from '../../kit/hostile-soap.ts';
import { attachmentReference, type EnvelopeOptions, tokenReference } from '../../kit/soap-signing.ts';

/** The files are kept with LF so that no tool harms them; on the wire lines end in CRLF. Their envelope is signed when sent. */
function fromFile(octets: Buffer): Attack {
  const text = octets.toString();
  const end = text.indexOf('\n\n');
  return s => ({
    contentType: text.slice('Content-Type: '.length, end),
    octets: text
      .slice(end + 2)
      .replaceAll('\n', '\r\n')
      .replace(/<soap:Envelope .*<\/soap:Envelope>/g, () => s.valid),
  });
}

/** A multipart message of whole parts, headers and all. */
const multipart = (...parts: (string | Buffer)[]): Sending => ({
  contentType: 'multipart/related; boundary=b1',
  octets: Buffer.concat([
    ...parts.flatMap(part => [Buffer.from('--b1\r\n'), Buffer.from(part), Buffer.from('\r\n')]),
    Buffer.from('--b1--\r\n'),
  ]),
});
const root = (s: Scene): string => `Content-Type: application/soap+xml; charset=utf-8\r\n\r\n${s.valid}`;

const report = Buffer.from('the quarterly report');
const forged = Buffer.from('the forged report');
const base64 = report.toString('base64');
const sendSecureEmail = buildModel(areas)
  .areas.find(({ name }) => name === 'secure-email')!
  .operations.get('SendSecureEmail')!;

/** A mail with the report in it, as base64 unless it is attached. */
function mail(attach?: () => string): string {
  const attachments = [{ filename: 'a.bin', content_type: 'application/x-sample', content: base64 }];
  const words = { from: 'billing@acme.test', to: ['patient@example.com'], subject: 's', body_html: '<p>x</p>' };
  return encodeRequest(sendSecureEmail, { ...words, attachments }, attach);
}

type Parts = Record<string, Buffer>;

function sending(envelope: string, parts: Parts): Sending {
  const attached = Object.entries(parts).map(
    ([contentId, content]): Part => ({ contentId, contentType: 'a/b', content }),
  );
  return { ...related(envelope, attached), area: 'secure-email' };
}

interface Mailing {
  /** Of the Body, before it is signed. */
  change?: (body: string) => string;
  envelope?: EnvelopeOptions;
  parts?: Parts;
}

/** The report attached as `report`, with its SHA-256 in the Body. */
const mailing =
  ({ change = body => body, envelope = {}, parts = { report } }: Mailing): Attack =>
  s =>
    sending(s.sign({ body: change(mail(() => 'report')), ...envelope }), parts);

interface Packaging {
  href?: string;
  parts?: Parts;
  /** Of the signed envelope. */
  change?: (envelope: string) => string;
}

/** As MTOM has it: signed with the base64 in the message, sent with an Include in its place. */
const packaged =
  ({ href = 'cid:report', parts = { report }, change = envelope => envelope }: Packaging): Attack =>
  s =>
    sending(change(s.sign({ body: mail() }).replace(`>${base64}<`, `>${includeOf(href)}<`)), parts);

const includeOf = (href: string): string =>
  `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="${href}"/>`;
const withoutHash = (body: string): string => body.replace(/ sha256="[^"]*"/, '');
const bySignature = { also: [attachmentReference('report', report)] };
const included =
  (href: string, beside = '') =>
  (body: string) =>
    body.replace(/ contentId="report"([^>]*)>/, `$1>${includeOf(href)}${beside}`);
const certificateElsewhere = { token: '', keyInfo: tokenReference('cid:certificate') };

export const cases = [
  ...refused(
    'malformed',
    Object.fromEntries(
      filesIn(import.meta.dirname, '.txt')
        // HTTP has no way to send it; a reader that is given it refuses it (mime.test.ts).
        .filter(([name]) => name !== 'boundary with a line end')
        .map(([name, octets]) => [name, fromFile(octets)]),
    ),
  ),
  ...refused('malformed', {
    'lines that end in LF alone': s => ({
      ...multipart(),
      octets: multipart(root(s)).octets.toString().replaceAll('\r\n', '\n'),
    }),
    'a part after the root that no boundary ends': s => ({
      ...multipart(),
      octets: multipart(root(s), 'Content-ID: <one>\r\n\r\nx').octets.toString().replace('--b1--', ''),
    }),
    'two envelopes, each a part': s => multipart(root(s), root(s).replace('\r\n\r\n', '\r\nContent-ID: <two>\r\n\r\n')),
    'a part that the Body does not name': s => multipart(root(s), 'Content-ID: <one>\r\n\r\nx'),
    'a part with a file name that leads out of its folder': s =>
      multipart(root(s), 'Content-ID: <one>\r\nContent-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nx'),
    'an attachment that the Body names and that is left out': mailing({ parts: {} }),
    'an attachment beside the one that the Body names': mailing({ parts: { report, more: forged } }),
    'an attachment under another name than the Body says': mailing({ parts: { other: report } }),
    'an attachment that the Body names twice': mailing({
      change: body => body.replace(/<(\w+:)?attachments>.*<\/(\w+:)?attachments>/, '$&$&'),
    }),
    'the certificate as the third part': mailing({ envelope: certificateElsewhere }),
    'an xop:Include in a value that is not binary': mailing({
      change: body =>
        body.replace(
          /(<(\w+:)?subject>)[^<]*/,
          '$1<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:report"/>',
        ),
    }),
    'an xop:Include of a part that is not there': mailing({ change: included('cid:elsewhere') }),
  }),
  ...refused('validation_failed', {
    'an xop:Include of a web address': mailing({ change: included('http://127.0.0.1:9/report') }),
    'an xop:Include of a file': mailing({ change: included('file:///etc/passwd') }),
    'an xop:Include of an identifier of the message (cyclic)': mailing({ change: included('#Body-1') }),
    'an xop:Include beside base64': mailing({ change: included('cid:report', 'AAAA') }),
    'two xop:Includes in one value': mailing({
      change: body => included('cid:report')(body).replace(/<xop:Include[^>]*\/>/, '$&$&'),
    }),
  }),
  ...refused('signature_invalid', {
    'exchanged under the same Content-ID, when the Body has its SHA-256': mailing({ parts: { report: forged } }),
    'exchanged under the same Content-ID, when the signature covers it': mailing({
      change: withoutHash,
      envelope: bySignature,
      parts: { report: forged },
    }),
    'bound by nothing that is signed': mailing({ change: withoutHash }),
    'included by XOP and bound by nothing that is signed': mailing({
      change: body => included('cid:report')(withoutHash(body)),
    }),
    'signed as one text and sent with white space after it': mailing({
      change: withoutHash,
      envelope: bySignature,
      parts: { report: Buffer.concat([report, Buffer.from(' ')]) },
    }),
    'signed, with a SHA-256 of another in the Body': mailing({
      change: body => body.replace(/sha256="[^"]*"/, `sha256="${createHash('sha256').update(forged).digest('hex')}"`),
      envelope: bySignature,
    }),
    'a certificate part that is no certificate': mailing({
      envelope: certificateElsewhere,
      parts: { certificate: report, report },
    }),
  }),
  ...refused('signature_invalid', {
    'exchanged, where base64 was signed in its place (MTOM)': packaged({ parts: { report: forged } }),
    'made longer, where base64 was signed in its place': packaged({
      parts: { report: Buffer.concat([report, Buffer.from('x')]) },
    }),
    'left empty, where base64 was signed in its place': packaged({ parts: { report: Buffer.alloc(0) } }),
    'beside a Body that was changed, where base64 was signed in its place': packaged({
      change: envelope => envelope.replace('patient@', 'attacker@'),
    }),
    'included twice, where base64 was signed once': packaged({
      change: envelope => envelope.replace(/<(\w+:)?attachments>.*<\/(\w+:)?attachments>/, '$&$&'),
    }),
    'included by the Timestamp as well': packaged({
      change: envelope => envelope.replace('<wsu:Created>', `${includeOf('cid:report')}<wsu:Created>`),
    }),
  }),
  ...refused(['signature_invalid', 'malformed'], {
    'left out, where base64 was signed in its place': packaged({ parts: {} }),
    'beside another, where base64 was signed in its place': packaged({ parts: { report, more: forged } }),
    'a web address, where base64 was signed in its place': packaged({ href: 'http://127.0.0.1:9/report' }),
    'the envelope itself, where base64 was signed in its place (cyclic)': packaged({ href: 'cid:envelope' }),
  }),
  ...refused('certificate_invalid', {
    "a stranger's certificate as the second part": s => ({
      ...related(s.sign(certificateElsewhere, s.stranger), [
        { contentId: 'certificate', contentType: 'application/pkix-cert', content: s.stranger.certificate.raw },
      ]),
    }),
  }),
  ...refused('too_large', {
    'more than 50 parts': s =>
      multipart(root(s), ...Array.from({ length: 50 }, (_, i) => `Content-ID: <p${i}>\r\n\r\nx`)),
    'part headers over 8 KiB': s => multipart(root(s), `Content-ID: <one>\r\nX-A: ${'a'.repeat(9000)}\r\n\r\nx`),
    'headers of the root over 8 KiB': s =>
      multipart(root(s).replace('Content-Type', `X-A: ${'a'.repeat(9000)}\r\nContent-Type`)),
    'a certificate part over 16 KiB': mailing({
      envelope: certificateElsewhere,
      parts: { certificate: randomBytes(16_385), report },
    }),
    'a root over 2 MiB': s => multipart(root(s) + ' '.repeat(2 * 1024 * 1024)),
  }),
  ...refused('unsupported_media_type', {
    'multipart/mixed': s => ({ ...multipart(root(s)), contentType: 'multipart/mixed; boundary=b1' }),
    'multipart/signed': s => ({ ...multipart(root(s)), contentType: 'multipart/signed; boundary=b1' }),
    'message/rfc822': s => ({ ...multipart(root(s)), contentType: 'message/rfc822' }),
  }),
];
