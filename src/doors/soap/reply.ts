import { randomUUID, X509Certificate } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Refusal } from '../../core/errors.ts';
import type { SigningIdentity } from '../../core/signing-identity.ts';
import { keyFits, type SignatureAlgorithm, type SignatureName, signatureAlgorithms } from './algorithms.ts';
import { encodeAnswer } from './encode.ts';
import { faultBody, faultStatus, unsignedFault } from './faults.ts';
import type { SoapOperation } from './model.ts';
import { type OutgoingPart, writeRelated } from './multipart.ts';
import { ns } from './namespaces.ts';
import type { Partner } from './partner.ts';
import { createEnvelopeSigner, type EnvelopeSigner, type SignedAnswer } from './sign.ts';
import type { SignedBody } from './verify.ts';

/** What goes back over HTTP. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Readable;
}

const contentType = 'application/soap+xml; charset=utf-8';

/** Bastion's own signature, in the way that the partner's policy asks for. */
export type AnswerSigner = (partner: Partner) => EnvelopeSigner;

/** With the keys that Bastion has now: they may be exchanged while the door is open. */
export function answerSigner(identity: SigningIdentity, ellipticIdentity?: SigningIdentity): AnswerSigner {
  const keys = () => [identity, ellipticIdentity].map(each => each?.thumbprint).join();
  const make = () => ({ of: keys(), signer: signersOf(identity, ellipticIdentity) });
  let made = make();
  return partner => {
    if (made.of !== keys()) made = make();
    return made.signer(partner);
  };
}

/** The partner decides, not its request: a stack signs with one algorithm and may check another only. */
function signersOf(identity: SigningIdentity, ellipticIdentity?: SigningIdentity): AnswerSigner {
  const all = Object.entries(signatureAlgorithms) as [SignatureName, SignatureAlgorithm][];
  const signers = new Map<string, EnvelopeSigner>();
  for (const { privateKey, certificatePem } of ellipticIdentity ? [ellipticIdentity, identity] : [identity]) {
    const certificate = new X509Certificate(certificatePem);
    for (const [key, algorithm] of all) {
      if (keyFits(algorithm, privateKey))
        signers.set(algorithm.name, createEnvelopeSigner(privateKey, certificate, key));
    }
  }
  const standard = signers.get(identity.privateKey.asymmetricKeyType === 'ec' ? 'ecdsa-sha256' : 'rsa-sha256');
  if (standard === undefined) throw new Error('the signing key must be RSA of 2048 to 8192 bits, P-256 or P-384');
  return ({ policy }) => signers.get(policy.answer_algorithm ?? '') ?? standard;
}

/** What an answer repeats of the message that it answers. */
export interface Asked {
  readonly body: SignedBody;
  readonly partner: Partner;
  /** Came as multipart/related: the sender reads it too, so binary values of the answer are attached. */
  readonly related: boolean;
  readonly now: Date;
}

export async function answer(
  signer: AnswerSigner,
  operation: SoapOperation,
  output: unknown,
  asked: Asked,
): Promise<Reply> {
  const parts: OutgoingPart[] = [];
  const attach = (content: Buffer): string => {
    const contentId = `${randomUUID()}@bastion`;
    parts.push({ contentId, contentType: 'application/octet-stream', content });
    return contentId;
  };
  const body = encodeAnswer(operation, output, asked.related ? attach : undefined);
  const envelope = await signer(asked.partner).sign({
    body,
    ...related(asked, `${operation.action}Response`),
    now: asked.now,
  });
  return parts.length === 0
    ? { status: 200, contentType, body: envelope }
    : { status: 200, ...writeRelated(envelope, parts) };
}

/** A fault for a caller who is proven to have sent the message. */
export async function signedFault(
  signer: AnswerSigner,
  refusal: Refusal,
  requestId: string,
  asked: Asked,
): Promise<Reply> {
  const fault = faultBody(refusal, requestId);
  const envelope = { ...fault, ...related(asked, `${ns.wsa}/soap/fault`), now: asked.now };
  const body = await signer(asked.partner).sign(envelope);
  const status = asked.partner.policy.faults_as_500 ? 500 : faultStatus(refusal);
  return { status, contentType, body };
}

export function strangerFault(refusal: Refusal, requestId: string): Reply {
  return { status: faultStatus(refusal), contentType, body: unsignedFault(refusal, requestId) };
}

/** WS-Addressing is spoken to those who speak it, a confirmation given to those who want one. */
function related({ body, partner }: Asked, action: string): Pick<SignedAnswer, 'addressing' | 'confirms'> {
  const { messageId } = body.addressing;
  const confirms = partner.policy.signature_confirmation ? body.signatureValue : undefined;
  return messageId === undefined ? { confirms } : { confirms, addressing: { action, relatesTo: messageId } };
}
