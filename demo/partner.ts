import { createHash } from 'node:crypto';
import PostalMime from 'postal-mime';
import type { Narrator } from './narrator.ts';
import { type Attachment, PartnerClient, signedParts } from './partner-client.ts';
import { arrived, type Stage } from './stage.ts';

/** Story (a): an extranet partner with a client generated from the WSDL. */
export async function partner(stage: Stage, tell: Narrator): Promise<void> {
  tell.chapter('A partner sends a secure mail over SOAP 1.2');
  tell.step(`fetch the WSDL from ${stage.soapOrigin}/soap/v3/secure-email?wsdl and make a client of it`);
  const client = await PartnerClient.fromWsdl(stage, 'secure-email');
  tell.hold('the client knows SendSecureEmail', client.operations.includes('SendSecureEmail'), client.operations);

  tell.step('SendSecureEmail: multipart/related, Body and Timestamp signed, the attachment bound by its SHA-256');
  const statement = Buffer.from('%PDF-1.7 a partner’s statement', 'utf8');
  const attachment: Attachment = {
    contentId: 'statement@partner.example',
    mimetype: 'application/pdf',
    name: 'statement.pdf',
    body: statement,
  };
  const asked = stage.responder.requests.length;
  const { result, xml } = await client.call('SendSecureEmail', mailWith(stage, attachment), {
    attachments: [attachment],
  });
  tell.hold('answered with a message id, after approval', String(result?.messageId).startsWith('msg_'), result);
  tell.show('answer', JSON.stringify(result));

  tell.step("verify the answer with Bastion's certificate");
  const signed = signedParts(xml, stage.bastionCertificate);
  tell.hold('the signature holds and covers Body and Timestamp', covers(signed, 'Body') && covers(signed, 'Timestamp'));
  tell.hold(
    'the message id stands in the signed Body',
    signed.some(part => part.includes(result.messageId)),
  );

  tell.step('the approval webhook was asked, and the mail left');
  const request = stage.responder.requests[asked];
  tell.hold(
    'the authorization request was signed by Bastion',
    request?.verified === true && request.digestHolds,
    request,
  );
  tell.hold(
    'it shows the attachment as a hash',
    request.authorization.includes(sha256(statement)),
    request.authorization,
  );
  const sunk = await arrived(stage, result.messageId);
  tell.hold('the relay took the mail over TLS', sunk?.tls === true);
  const read = await new PostalMime().parse(sunk.raw);
  const received = Buffer.from(read.attachments[0]!.content as ArrayBuffer);
  tell.hold('the attachment is the same, octet for octet', received.equals(statement));
}

const mailWith = (stage: Stage, { contentId, name, mimetype, body }: Attachment) => ({
  from: stage.sender,
  to: ['patient@example.com'],
  subject: 'Your statement, from a partner',
  bodyHtml: '<p>Your latest statement is attached.</p>',
  attachments: [
    { filename: name, contentType: mimetype, content: { attributes: { contentId, sha256: sha256(body) }, $value: '' } },
  ],
});

const covers = (signed: string[], name: string): boolean =>
  signed.some(part => new RegExp(`^<\\w+:${name}[ >]`).test(part));

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
