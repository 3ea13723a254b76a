import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DOMParser } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';
import { ns } from '../../src/doors/soap/namespaces.ts';
import { verifyEnvelope } from '../../src/doors/soap/verify.ts';
import { areaNamespace, newPartner, type Partner, signedEnvelope } from '../kit/soap-signing.ts';

const sizes = [4_000, 100_000, 1_000_000];

/**
 * How many signed messages a second are parsed and verified: by Bastion, by xml-crypto in the same process, and by the
 * xmlsec1 program, whose `--repeat` parses and verifies one file again and again.
 */
export async function compareVerification(): Promise<void> {
  const partner = await newPartner();
  console.log('parsed and verified, messages a second (RSA-2048, SHA-256, 3 references)');
  console.log('    size     Bastion  xml-crypto     xmlsec1  to xml-crypto  to xmlsec1');
  for (const size of sizes) console.log(row(await measure(partner, message(partner, size))));
  console.log('aims: at 4 kB 1.5 times xmlsec1, at 100 kB 50 times xml-crypto, at 1 MB as fast as xmlsec1\n');
}

/** Elements with an attribute and a short text, as records of a partner's system are. */
function message(partner: Partner, size: number): string {
  const record = (n: number) =>
    `<m:entry kind="contact"><m:name>Name ${n} &amp; Co</m:name><m:value>${n * 7919}</m:value></m:entry>`;
  const count = Math.max(1, Math.round((size - 3400) / record(1000).length));
  const records = Array.from({ length: count }, (_, n) => record(1000 + n)).join('');
  const headers = `<wsa:MessageID xmlns:wsa="${ns.wsa}" wsu:Id="Message-1">urn:uuid:1</wsa:MessageID>`;
  const body = `<m:GetOrganization xmlns:m="${areaNamespace}">${records}</m:GetOrganization>`;
  return signedEnvelope(partner, { body, headers, also: [{ uri: '#Message-1' }] });
}

async function measure(partner: Partner, xml: string) {
  return {
    bytes: Buffer.byteLength(xml),
    ours: await rate(() => byBastion(partner, xml)),
    xmlCrypto: await rate(() => byXmlCrypto(partner, xml)),
    xmlsec1: byXmlsec1(partner, xml, Math.max(5, Math.round(20_000_000 / xml.length))),
  };
}

async function rate(once: () => unknown): Promise<number> {
  const until = async (end: number) => {
    let count = 0;
    for (; performance.now() < end; count++) await once();
    return count;
  };
  await until(performance.now() + 500);
  const started = performance.now();
  const count = await until(started + 3000);
  return (count * 1000) / (performance.now() - started);
}

function byBastion(partner: Partner, xml: string) {
  return verifyEnvelope(
    { octets: Buffer.from(xml), charset: undefined },
    { receivedAt: new Date(), contextNamespace: areaNamespace, resolve: async () => partner },
  );
}

function byXmlCrypto({ certificate }: Partner, xml: string): void {
  const document = new DOMParser().parseFromString(xml, 'text/xml');
  const verifier = new SignedXml({ idMode: 'wssecurity', publicCert: certificate.toString() });
  verifier.loadSignature(document.getElementsByTagNameNS(ns.ds, 'Signature')[0]!.toString());
  if (!verifier.checkSignature(xml)) throw new Error('xml-crypto refuses the message');
}

/** NaN where the program is not installed. */
function byXmlsec1({ certificate }: Partner, xml: string, times: number): number {
  const folder = mkdtempSync(join(tmpdir(), 'bastion-bench-'));
  try {
    writeFileSync(join(folder, 'message.xml'), xml);
    writeFileSync(join(folder, 'certificate.pem'), certificate.toString());
    const identified = [`${ns.soap}:Body`, `${ns.wsu}:Timestamp`, `${ns.wsa}:MessageID`].flatMap(n => [
      '--id-attr:Id',
      n,
    ]);
    const key = ['--pubkey-cert-pem', 'certificate.pem', '--node-xpath', `//*[local-name()='Signature']`];
    const run = (repeat: number) => {
      const started = performance.now();
      const { status, stderr, error } = spawnSync(
        'xmlsec1',
        ['--verify', '--repeat', String(repeat), ...identified, ...key, 'message.xml'],
        { cwd: folder, encoding: 'utf8', timeout: 120_000 },
      );
      if (error) return Number.NaN;
      if (status !== 0) throw new Error(`xmlsec1 refuses the message: ${stderr}`);
      return performance.now() - started;
    };
    // Starting the program is not what is compared.
    const start = run(1);
    return ((times - 1) * 1000) / (run(times) - start);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function row({ bytes, ours, xmlCrypto, xmlsec1 }: Awaited<ReturnType<typeof measure>>): string {
  const number = (value: number, width: number, digits = 0) =>
    (Number.isNaN(value) ? '-' : value.toFixed(digits)).padStart(width);
  return (
    `${number(bytes / 1000, 5)} kB ${number(ours, 11)} ${number(xmlCrypto, 11, 1)} ${number(xmlsec1, 11)}` +
    `${number(ours / xmlCrypto, 14, 1)} ${number(ours / xmlsec1, 12, 2)}`
  );
}
