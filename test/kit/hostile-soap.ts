import { expect } from 'chai';
import { type SignedBody, type Signer, verifyEnvelope } from '../../src/doors/soap/verify.ts';
import { refusalFrom } from './refusal.ts';
import { areaNamespace, newPartner, type Partner, signedEnvelope } from './soap-signing.ts';

/** What an attacker has: a valid message of a registered partner and its pieces, a key of their own, and a verifier. */
export interface Scene {
  partner: Partner;
  /** Has a certificate that nobody registered. */
  stranger: Partner;
  /** A signed message that is accepted, and elements of it. */
  valid: string;
  body: string;
  timestamp: string;
  signature: string;
}

export async function newScene(): Promise<Scene> {
  const [partner, stranger] = await Promise.all([newPartner(), newPartner()]);
  const valid = signedEnvelope(partner);
  return {
    partner,
    stranger,
    valid,
    body: cut(valid, 'soap:Body'),
    timestamp: cut(valid, 'wsu:Timestamp'),
    signature: cut(valid, 'ds:Signature'),
  };
}

/** Verifies as the gate would, with `trusted` as the only registered certificate. */
export function verifyTrusting(
  trusted: Signer,
  xml: string,
  resolve?: () => Promise<Signer | undefined>,
): Promise<SignedBody<Signer>> {
  return verifyEnvelope<Signer>(
    { octets: Buffer.from(xml), charset: undefined },
    {
      receivedAt: new Date(),
      contextNamespace: areaNamespace,
      resolve:
        resolve ??
        (async reference =>
          reference.kind === 'certificate' &&
          reference.certificate.fingerprint256 === trusted.certificate.fingerprint256
            ? trusted
            : undefined),
    },
  );
}

/** Makes one test per entry: each message must end in the code, and must not say why it is not authentic. */
export function refusedCases(scene: () => Scene, code: string, cases: Record<string, () => string>): void {
  for (const [name, make] of Object.entries(cases)) {
    it(name, async () => {
      const refusal = await refusalFrom(verifyTrusting(scene().partner, make()));
      expect(refusal.code, String(refusal.cause ?? refusal.message)).to.equal(code);
      if (code === 'signature_invalid') {
        expect(refusal.message).to.equal('The request signature is missing or does not verify.');
      }
    });
  }
}

/** The first element of that name with its content; elements of the same name must not nest. */
export function cut(xml: string, name: string): string {
  const start = xml.indexOf(`<${name}`);
  const end = xml.indexOf(`</${name}>`, start);
  if (start < 0 || end < 0) throw new Error(`no ${name}`);
  return xml.slice(start, end + name.length + 3);
}

export function replace(xml: string, ...changes: [from: string, to: string][]): string {
  let text = xml;
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}
