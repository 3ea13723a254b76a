import type { Narrator } from './narrator.ts';
import { faultCode, PartnerClient, signedParts } from './partner-client.ts';
import { foreignAddress, type Stage } from './stage.ts';

const area = 'secure-email';

/** Story (c), over SOAP: the same controls, with faults instead of JSON. */
export async function partnerRefusals(stage: Stage, tell: Narrator, reader: string): Promise<void> {
  tell.chapter('What is refused over SOAP');
  const client = await PartnerClient.fromWsdl(stage, area);
  // The client's clock has whole seconds: two equal mails within one would be one message, sent twice.
  const mail = (subject: string) => ({
    from: stage.sender,
    to: ['patient@example.com'],
    subject,
    bodyHtml: '<p>Never sent.</p>',
  });
  const sunkBefore = stage.sink.mails.length;
  const refused = (what: string, xml: string, code: string): void => {
    tell.step(what);
    tell.hold(`a fault ${code}`, faultCode(xml) === code, xml);
  };
  const signedFault = (what: string, xml: string, code: string): void => {
    refused(what, xml, code);
    const signed = signedParts(xml, stage.bastionCertificate);
    tell.hold(
      'the fault is signed by Bastion',
      signed.some(part => part.includes(`:${code}<`)),
      xml,
    );
  };

  const missing = { messageId: 'msg_01jzzzzzzzzzzzzzzzzzzzzzzz' };
  signedFault(
    'GetSecureEmail of a message that is not there',
    (await client.call('GetSecureEmail', missing)).xml,
    'not_found',
  );
  const copy = client.lastEnvelope;
  signedFault('the same envelope again, octet for octet', await client.post(area, copy), 'replayed');

  const tampered = copy.replace(missing.messageId, missing.messageId.replace('z', 'y'));
  refused('an envelope whose Body was changed after signing', await client.post(area, tampered), 'FailedCheck');

  if (foreignAddress !== undefined) {
    const elsewhere = await client.call('SendSecureEmail', mail('Foreign'), { from: foreignAddress });
    refused('a call from an address nobody registered', elsewhere.xml, 'FailedCheck');
  }

  const readerClient = await PartnerClient.fromWsdl({ ...stage, apiKey: reader }, area);
  signedFault(
    'a key that may only read',
    (await readerClient.call('SendSecureEmail', mail('Unscoped'))).xml,
    'scope_missing',
  );

  stage.responder.decide = () => 'deny';
  signedFault(
    'the approval webhook denies',
    (await client.call('SendSecureEmail', mail('Denied'))).xml,
    'approval_denied',
  );

  stage.responder.decide = () => 'ignore';
  const expired = await client.call('SendSecureEmail', mail('Late'));
  signedFault('the approval webhook does not decide in time', expired.xml, 'approval_expired');
  stage.responder.decide = () => 'approve';

  tell.step('and the relay');
  tell.hold('none of them left', stage.sink.mails.length === sunkBefore, stage.sink.mails.length - sunkBefore);
}
