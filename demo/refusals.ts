import type { Narrator } from './narrator.ts';
import { type Answer, type Call, call } from './rest-caller.ts';
import { foreignAddress, type Stage } from './stage.ts';

/** Story (c), over REST: what each control refuses, and with which code. */
export async function refusals(stage: Stage, tell: Narrator, reader: string): Promise<void> {
  tell.chapter('What is refused over REST');
  const mail = { from: stage.sender, to: ['patient@example.com'], subject: 'No', body_html: '<p>Never sent.</p>' };
  const send: Call = { method: 'POST', path: '/v3/secure-email/send', body: mail };
  const sunkBefore = stage.sink.mails.length;
  const refused = (what: string, answer: Answer, status: number, code: string): void => {
    tell.step(what);
    tell.hold(`${status} ${code}`, answer.status === status && answer.body.error === code, answer);
  };

  const nonce = `demo-replay-${Date.now()}`;
  const first = await call(stage, { method: 'GET', path: '/v3/scopes', nonce });
  tell.step('a signed GET /v3/scopes');
  tell.hold('200 the first time', first.status === 200, first);
  refused('the same nonce again', await call(stage, { method: 'GET', path: '/v3/scopes', nonce }), 401, 'nonce_reused');

  const tamper = (body: string) => body.replace('patient@example.com', 'thief@example.com');
  refused('another recipient than was signed', await call(stage, { ...send, tamper }), 401, 'signature_invalid');

  if (foreignAddress !== undefined) {
    const elsewhere = await call(stage, { ...send, localAddress: foreignAddress });
    refused('a call from an address nobody registered', elsewhere, 403, 'address_not_allowed');
  }

  refused('a key that may only read', await call(stage, { ...send, apiKey: reader }), 403, 'scope_missing');

  stage.responder.decide = () => 'deny';
  refused('the approval webhook denies', await call(stage, send), 403, 'approval_denied');

  stage.responder.decide = () => 'ignore';
  refused('the approval webhook does not decide in time', await call(stage, send), 403, 'approval_expired');
  stage.responder.decide = () => 'approve';

  tell.step('and the relay');
  tell.hold('none of them left', stage.sink.mails.length === sunkBefore, stage.sink.mails.length - sunkBefore);
}

/** A key that may read secure mail and nothing else. */
export async function readerKey(stage: Stage, tell: Narrator): Promise<string> {
  tell.chapter('A key that may only read');
  tell.step('POST /v3/api-keys with secure_email:read alone, approved like every change of access');
  const body = { name: 'Reader of the demo', scopes: ['secure_email:read'] };
  const answer = await call(stage, { method: 'POST', path: '/v3/api-keys', body });
  const { secret } = answer.body;
  tell.hold('200, with the secret shown once', answer.status === 200 && typeof secret === 'string', answer);
  return secret;
}
