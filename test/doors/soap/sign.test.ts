import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DOMParser } from '@xmldom/xmldom';
import { expect } from 'chai';
import { SignedXml } from 'xml-crypto';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import { createEnvelopeSigner, type SignedAnswer } from '../../../src/doors/soap/sign.ts';
import { verifyEnvelope } from '../../../src/doors/soap/verify.ts';
import { areaNamespace, elementById, newPartner, type Partner } from '../../kit/soap-signing.ts';

const answer: SignedAnswer = {
  body: `<m:GetOrganizationResponse xmlns:m="${areaNamespace}"><m:name>Grüße &amp; \u2028 &lt;more&gt;</m:name></m:GetOrganizationResponse>`,
  now: new Date(),
};

const fault: SignedAnswer = {
  body:
    '<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value><soap:Subcode><soap:Value>b:not_found</soap:Value>' +
    '</soap:Subcode></soap:Code><soap:Reason><soap:Text xml:lang="en">There is no such thing here.</soap:Text></soap:Reason></soap:Fault>',
  textPrefixes: { b: areaNamespace },
  now: new Date(),
};

const addressed: SignedAnswer = { ...answer, addressing: { action: 'urn:a', relatesTo: 'urn:uuid:1 & 2' } };

const answers: Record<string, SignedAnswer> = {
  'an answer': answer,
  'a fault': fault,
  'an addressed answer': addressed,
};

const xmlsec1Installed = spawnSync('xmlsec1', ['--version']).status === 0;

describe('the envelope signer', () => {
  let rsa: Partner;
  let p256: Partner;
  let p384: Partner;
  before(async () => {
    [rsa, p256, p384] = await Promise.all([newPartner('RSA-2048'), newPartner('P-256'), newPartner('P-384')]);
  });

  const signed = (content: SignedAnswer): Promise<string> =>
    createEnvelopeSigner(rsa.privateKey, rsa.certificate).sign(content);
  const elliptic = (content: SignedAnswer) =>
    Promise.all(
      [
        { partner: p256, algorithm: 'ecdsaSha256' as const },
        { partner: p384, algorithm: 'ecdsaSha384' as const },
      ].map(async ({ partner, algorithm }) => ({
        partner,
        xml: await createEnvelopeSigner(partner.privateKey, partner.certificate, algorithm).sign(content),
      })),
    );

  for (const [what, content] of Object.entries(answers)) {
    it(`signs ${what} so that our verifier and xml-crypto accept it`, async () => {
      const xml = await signed(content);
      expect(byXmlCrypto(xml, rsa)).to.equal(true);
      expect((await verify(xml, rsa)).signer).to.equal(rsa);
    });

    it(`signs ${what} with ECDSA on P-256 and P-384 so that our verifier accepts it`, async () => {
      for (const { partner, xml } of await elliptic(content))
        expect((await verify(xml, partner)).signer).to.equal(partner);
    });

    if (xmlsec1Installed) {
      it(`signs ${what} with RSA and ECDSA so that xmlsec1 accepts it`, async () => {
        expect(byXmlsec1(await signed(content), rsa)).to.equal('OK');
        for (const { partner, xml } of await elliptic(content)) expect(byXmlsec1(xml, partner)).to.equal('OK');
      });
    }

    it(`signs every header block of ${what} and none of them loosely`, async () => {
      const xml = await signed(content);
      const document = parseXml(xml);
      const referenced = [...xml.matchAll(/<ds:Reference URI="#([^"]+)"/g)].map(([, id]) => id!);
      for (const id of referenced) expect(elementById(document, id), id).to.not.equal(undefined);
      const identified = [...xml.matchAll(/ wsu:Id="([^"]+)"/g)].map(([, id]) => id!);
      expect(identified.filter(id => id !== 'token').sort()).to.deep.equal([...referenced].sort());
    });
  }

  it('is refused by all oracles when one character is changed', async () => {
    const xml = (await signed(answer)).replace('Grüße', 'Grusse');
    expect(byXmlCrypto(xml, rsa)).to.equal(false);
    if (xmlsec1Installed) expect(byXmlsec1(xml, rsa)).to.equal('FAIL');
    expect(await verify(xml, rsa).catch((error: Error) => error.message)).to.include('does not verify');
  });

  it('declares the prefix of a Subcode where the verifier keeps it', async () => {
    const body = elementById(parseXml(await signed(fault)), 'body')!;
    expect(body.name).to.equal('soap:Body');
    expect(await signed(fault)).to.include('PrefixList="b"');
  });

  it('puts the RelatesTo of the request and a message id of its own into the header', async () => {
    const xml = await signed(addressed);
    expect(xml).to.match(/<wsa:RelatesTo [^>]*>urn:uuid:1 &amp; 2<\/wsa:RelatesTo>/);
    expect(xml).to.match(/<wsa:MessageID [^>]*>urn:uuid:[0-9a-f-]{36}</);
  });

  it('confirms the signature of the request under its own signature', async () => {
    const xml = await signed({ ...answer, confirms: 'c2lnbmF0dXJl' });
    expect(xml).to.match(/<wsse11:SignatureConfirmation [^>]*Value="c2lnbmF0dXJl" wsu:Id="confirmation">/);
    expect(byXmlCrypto(xml, rsa)).to.equal(true);
    expect(byXmlCrypto(xml.replace('c2lnbmF0dXJl', 'c2lnbmF0dXJs'), rsa)).to.equal(false);
  });

  it('does not start with a key that the algorithm cannot use', () => {
    expect(() => createEnvelopeSigner(p256.privateKey, p256.certificate)).to.throw('cannot be used');
  });
});

function verify(xml: string, partner: Partner) {
  return verifyEnvelope(
    { octets: Buffer.from(xml), charset: undefined },
    {
      // The answers are as old as the loading of this file, which a slow run of all suites leaves behind.
      receivedAt: answer.now,
      contextNamespace: areaNamespace,
      resolve: async () => partner,
    },
  );
}

function byXmlCrypto(xml: string, { certificate }: Partner): boolean {
  // xml-crypto turns U+2028 into a line end, as XML 1.1 would: it is handed over as the reference it stands for.
  const text = xml.replaceAll('\u2028', '&#x2028;');
  const document = new DOMParser().parseFromString(text, 'text/xml');
  const [signature] = document.getElementsByTagNameNS(ns.ds, 'Signature');
  const verifier = new SignedXml({ idMode: 'wssecurity', publicCert: certificate.toString() });
  verifier.loadSignature(signature!.toString());
  try {
    return verifier.checkSignature(text);
  } catch {
    return false;
  }
}

/** The C library that zeep, PHP and many others stand on; OK or FAIL as it prints it. */
function byXmlsec1(xml: string, { certificate }: Partner): string {
  const folder = mkdtempSync(join(tmpdir(), 'bastion-sign-'));
  try {
    writeFileSync(join(folder, 'envelope.xml'), xml);
    writeFileSync(join(folder, 'certificate.pem'), certificate.toString());
    const identified = [
      ...[`${ns.soap}:Body`, `${ns.wsu}:Timestamp`, `${ns.wsse11}:SignatureConfirmation`],
      ...['Action', 'MessageID', 'RelatesTo'].map(local => `${ns.wsa}:${local}`),
    ];
    const { stdout, stderr } = spawnSync(
      'xmlsec1',
      [
        '--verify',
        ...identified.flatMap(name => ['--id-attr:Id', name]),
        ...['--pubkey-cert-pem', 'certificate.pem', '--node-xpath', `//*[local-name()='Signature']`, 'envelope.xml'],
      ],
      { cwd: folder, encoding: 'utf8', timeout: 10_000 },
    );
    return /^(OK|FAIL)$/m.exec(`${stdout}\n${stderr}`)?.[1] ?? `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
