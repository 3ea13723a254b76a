import { generateKeyPairSync } from 'node:crypto';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { verifyDetached } from '../../src/core/detached-signature.ts';
import { sha256Hex, signRequest } from '../../src/core/request-signature.ts';
import { ApprovalResponder } from '../../src/development/responder.ts';
import { selfSigned } from '../kit/smtp-sink.ts';
import { newPartner, type Partner } from '../kit/soap-signing.ts';

const authorization = '{"authorization_request_id":"areq_1","operation":"SendSecureEmail"}';
const digest = `sha256:${sha256Hex(authorization)}`;
const question = {
  authorization_request_id: 'areq_1',
  requesting_ip: '127.0.0.1',
  received_request: { method: 'POST', path: '/v3/secure-email/send', digest },
  requested_at: '2026-07-02T14:03:00Z',
  expires_at: '2026-07-02T14:04:00Z',
  operation: 'SendSecureEmail',
  request_digest: 'sha256:00',
  authorization,
};

describe('the development approval webhook', () => {
  const approver = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let bastion: Partner;
  let responder: ApprovalResponder;
  let ca: string;

  before(async () => {
    bastion = await newPartner();
    const tls = await selfSigned();
    ca = tls.certificate;
    const key = approver.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const bastionCertificate = bastion.certificate.toString();
    responder = await ApprovalResponder.start({ tls, approval: { key }, bastionCertificate });
  });
  after(() => responder.close());

  /** Posts as Bastion does; `sent` replaces the body after signing. */
  async function post(payload: object, { signer = bastion, nonce = undefined as string | undefined, sent = '' } = {}) {
    const url = new URL(responder.url);
    const body = JSON.stringify(payload);
    const headers = signRequest({
      method: 'POST',
      target: url.pathname,
      host: url.host,
      body,
      contentType: 'application/json',
      version: 2,
      privateKey: signer.privateKey,
      thumbprint: 'ab',
      nonce,
    });
    return new Promise<Record<string, unknown>>((resolve, reject) => {
      const outgoing = request(url, { method: 'POST', headers, ca, agent: false }, async response => {
        const body = await text(response);
        resolve(response.statusCode === 200 ? JSON.parse(body) : { status: response.statusCode });
      });
      outgoing.on('error', reject).end(sent || body);
    });
  }

  it('approves what Bastion asked, with a signature over digest and customer_approval_id', async () => {
    const answer = await post(question);
    expect(answer).to.include({ authorization_request_id: 'areq_1', decision: 'approved', digest });
    const signed = `${answer.digest}${answer.customer_approval_id}`;
    expect(verifyDetached(approver.publicKey, signed, String(answer.signature))).to.equal(true);
  });

  it('answers a registration challenge with a signature over its text', async () => {
    const challenge = 'BASTION-APPROVAL-WEBHOOK\na-fresh-text';
    const answer = await post({ type: 'approval_webhook.challenge', challenge });
    expect(answer.challenge).to.equal(challenge);
    expect(verifyDetached(approver.publicKey, challenge, String(answer.signature))).to.equal(true);
  });

  it('signs no challenge that reads as an approval, and none that Bastion did not send', async () => {
    const type = 'approval_webhook.challenge';
    expect(await post({ type, challenge: `${digest}CHG-1` })).to.deep.equal({ status: 403 });
    const stranger = { signer: await newPartner() };
    expect(await post({ type, challenge: 'BASTION-APPROVAL-WEBHOOK\nx' }, stranger)).to.deep.equal({ status: 403 });
  });

  it('denies when it is told to, without a signature', async () => {
    responder.decide = () => 'deny';
    const answer = await post(question);
    responder.decide = () => 'approve';
    expect(answer.decision).to.equal('denied');
    expect(answer).to.not.have.property('signature');
  });

  it('denies a request that another certificate signed', async () => {
    expect((await post(question, { signer: await newPartner() })).decision).to.equal('denied');
  });

  it('denies a request whose body is not the one that was signed', async () => {
    const sent = JSON.stringify({ ...question, requesting_ip: '203.0.113.9' });
    expect((await post(question, { sent })).decision).to.equal('denied');
  });

  it('denies a request that it has seen before', async () => {
    const nonce = 'used-once-0001';
    expect((await post(question, { nonce })).decision).to.equal('approved');
    expect((await post(question, { nonce })).decision).to.equal('denied');
  });

  it('denies a request whose digest is not that of the text it shows', async () => {
    const altered = { ...question, authorization: authorization.replace('areq_1', 'areq_2') };
    expect((await post(altered)).decision).to.equal('denied');
  });
});
