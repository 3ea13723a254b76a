import { createHash } from 'node:crypto';
import PostalMime from 'postal-mime';
import type { Narrator } from './narrator.ts';
import { call } from './rest-caller.ts';
import { arrived, eventually, type Stage } from './stage.ts';

/** Story (b): an integrator on the internet, with nothing but node:https and node:crypto. */
export async function integrator(stage: Stage, tell: Narrator): Promise<void> {
  tell.chapter('An integrator sends a secure mail over REST');
  const statement = Buffer.from('%PDF-1.7 a statement, as far as this demo is concerned');
  const mail = {
    from: stage.sender,
    to: ['patient@example.com'],
    subject: 'Your statement',
    body_html: '<p>Your latest statement is attached.</p>',
    expires_in: 604_800,
    allow_recall: true,
    attachments: [
      { filename: 'statement.pdf', content_type: 'application/pdf', content: statement.toString('base64') },
    ],
  };

  tell.step('POST /v3/secure-email/send: client certificate, API key, signature over five lines, fresh nonce');
  const asked = stage.responder.requests.length;
  const answer = await call(stage, { method: 'POST', path: '/v3/secure-email/send', body: mail });
  tell.hold('answered 200 on the same connection, after approval', answer.status === 200, answer);
  tell.show('answer', JSON.stringify(answer.body));
  tell.hold('the answer carries a request_id', typeof answer.body.request_id === 'string', answer.body);

  const request = stage.responder.requests[asked];
  tell.step("the organisation's approval webhook had the last word");
  tell.hold(
    "it received an authorization request that Bastion's certificate signed",
    request?.verified === true,
    request,
  );
  tell.hold('the request names operation and address', request.operation === 'SendSecureEmail', request);
  tell.hold('the digest covers the text that it was shown', request.digestHolds, request);
  tell.show('approved as', `${request.customerApprovalId} for ${request.digest}`);

  tell.step('the mail leaves over real SMTP');
  const sunk = await arrived(stage, answer.body.message_id);
  tell.hold('the relay took it over TLS', sunk?.tls === true, sunk?.to);
  const read = await new PostalMime().parse(sunk.raw);
  const received = Buffer.from(read.attachments[0]!.content as ArrayBuffer);
  tell.hold('subject and recipient are as sent', read.subject === mail.subject && sunk.to[0] === mail.to[0]);
  tell.hold('the attachment is the same, octet for octet', sha256(received) === sha256(statement));

  tell.step('GET /v3/secure-email/{message_id}');
  const path = `/v3/secure-email/${answer.body.message_id}`;
  const status = await eventually(async () => {
    const { body } = await call(stage, { method: 'GET', path });
    return body.status === 'sent' ? body : undefined;
  });
  tell.hold('the trail ends with delivered', status?.events.at(-1)?.type === 'delivered', status);
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
