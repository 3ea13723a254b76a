import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { type AttachmentClaim, bindAttachments, Spool } from '../../src/doors/soap/attachments.ts';
import { readMessage, writeRelated } from '../../src/doors/soap/multipart.ts';
import { verifyEnvelope } from '../../src/doors/soap/verify.ts';
import { refusalFrom } from '../kit/refusal.ts';
import {
  areaNamespace,
  attachmentReference,
  completeReference,
  newPartner,
  type Partner,
  signedEnvelope,
  tokenReference,
} from '../kit/soap-signing.ts';

type Parts = Record<string, Buffer>;

describe('attachments on the wire', () => {
  const report = Buffer.from('the quarterly report');
  const forged = Buffer.from('the forged report');
  const sha256 = createHash('sha256').update(report).digest('hex');
  const signedClaim: AttachmentClaim[] = [{ contentId: 'report' }];
  let partner: Partner;
  before(async () => {
    partner = await newPartner();
  });

  /** All the way that a message takes, but for the decoder, whose finds are given as claims. */
  async function receive(envelope: string, parts: Parts, claims: readonly AttachmentClaim[]): Promise<string[]> {
    const outgoing = Object.entries(parts).map(([contentId, content]) => ({ contentId, contentType: 'a/b', content }));
    const { contentType, body } = writeRelated(envelope, outgoing);
    const message = await readMessage(Readable.from(body), contentType);
    const signed = await verifyEnvelope(message.root, {
      receivedAt: new Date(),
      contextNamespace: areaNamespace,
      resolve: async () => partner,
      early: (contentId, limit) => message.early(contentId, limit),
    });
    await using spool = new Spool();
    const kept = [];
    for await (const part of message.attachments()) {
      kept.push(await spool.keep(part, signed.attachments.get(part.contentId)));
    }
    return [...bindAttachments(signed.attachments, claims, kept).keys()];
  }

  const bySignature = () => signedEnvelope(partner, { also: [attachmentReference('report', report)] });
  const byBody = () => signedEnvelope(partner);

  it('are taken when the signature covers them', async () => {
    expect(await receive(bySignature(), { report }, signedClaim)).to.deep.equal(['report']);
  });

  it('are taken when the signed Body states their SHA-256', async () => {
    expect(await receive(byBody(), { report }, [{ contentId: 'report', sha256 }])).to.deep.equal(['report']);
  });

  it('are taken when they are signed with SHA-512', async () => {
    const reference = {
      ...attachmentReference('report', report),
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha512',
    };
    expect(await receive(signedEnvelope(partner, { also: [reference] }), { report }, signedClaim)).to.deep.equal([
      'report',
    ]);
  });

  const headers = 'Content-ID:<report>\r\nContent-Type:a/b\r\n';
  const withHeaders = (canonical = headers) =>
    signedEnvelope(partner, { also: [completeReference('report', canonical, report)] });

  it('are taken when they are signed with their headers', async () => {
    expect(await receive(withHeaders(), { report }, signedClaim)).to.deep.equal(['report']);
  });

  it('are taken after the part with the certificate', async () => {
    const envelope = signedEnvelope(partner, {
      token: '',
      keyInfo: tokenReference('cid:certificate'),
      also: [attachmentReference('report', report)],
    });
    const parts = { certificate: partner.certificate.raw, report };
    expect(await receive(envelope, parts, signedClaim)).to.deep.equal(['report']);
  });

  const refused: Record<string, [code: string, envelope: () => string, parts: Parts, claims: AttachmentClaim[]]> = {
    'exchanged under the same Content-ID, when signed': [
      'signature_invalid',
      bySignature,
      { report: forged },
      signedClaim,
    ],
    'exchanged under the same Content-ID, when named by SHA-256': [
      'signature_invalid',
      byBody,
      { report: forged },
      [{ contentId: 'report', sha256 }],
    ],
    'exchanged, when signed with its headers': ['signature_invalid', withHeaders, { report: forged }, signedClaim],
    'relabelled, when signed with its headers': [
      'signature_invalid',
      () => withHeaders(headers.replace('a/b', 'text/html')),
      { report },
      signedClaim,
    ],
    'neither signed nor named with a SHA-256': ['signature_invalid', byBody, { report }, signedClaim],
    'left out': ['malformed', bySignature, {}, signedClaim],
    'added to a message that was signed without': ['malformed', byBody, { report }, []],
    'added to a message with another': ['malformed', bySignature, { report, more: forged }, signedClaim],
    'signed under one name and sent under another': ['malformed', bySignature, { other: report }, signedClaim],
  };
  for (const [what, [code, envelope, parts, claims]] of Object.entries(refused)) {
    it(`are refused when ${what}`, async () => {
      expect((await refusalFrom(receive(envelope(), parts, claims))).code).to.equal(code);
    });
  }

  describe('a certificate sent as a part', () => {
    const envelope = () => signedEnvelope(partner, { token: '', keyInfo: tokenReference('cid:certificate') });

    it('must be the second part', async () => {
      const parts = { report, certificate: partner.certificate.raw };
      expect((await refusalFrom(receive(envelope(), parts, []))).code).to.equal('malformed');
    });

    it('must be there', async () => {
      expect((await refusalFrom(receive(envelope(), {}, []))).code).to.equal('malformed');
    });

    it('must be small', async () => {
      expect((await refusalFrom(receive(envelope(), { certificate: randomBytes(16_385) }, []))).code).to.equal(
        'too_large',
      );
    });

    it('must be a certificate', async () => {
      expect((await refusalFrom(receive(envelope(), { certificate: report }, []))).code).to.equal('signature_invalid');
    });

    it('cannot be named by the Body as well', async () => {
      const claims = [{ contentId: 'certificate' }];
      const parts = { certificate: partner.certificate.raw };
      expect((await refusalFrom(receive(envelope(), parts, claims))).code).to.equal('malformed');
    });
  });
});
