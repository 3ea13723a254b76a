import { randomBytes, sign } from 'node:crypto';
import { register } from '../../../src/areas/access/registration.ts';
import type { Authority } from '../../../src/core/authority.ts';
import { parseCertificate } from '../../../src/core/certificates.ts';
import { ns, tokenType } from '../../../src/doors/soap/namespaces.ts';
import { pair } from '../../kit/certificates.ts';
import { type Attack, harmless, refused, replace, type Scene, type Sending, signerOf } from '../../kit/hostile-soap.ts';
import { binaryToken, newPartner, type Partner, tokenReference } from '../../kit/soap-signing.ts';
import { type Specimen, specimens, weak } from './specimens.ts';

/** In the table of registered certificates, as if an operator or a bug had let it through. */
async function planted(
  s: Scene,
  { certificate, key, intermediates = [] }: Specimen,
  organization = s.stage.kit.tenant.id,
) {
  const made = pair({ certificate, key });
  const candidate = { certificate: made.x509, intermediates: intermediates.map(pem => parseCertificate(pem)!) };
  await s.stage.kit.app.run.act(organization, { kind: 'cli', name: 'test' }, async context => {
    await register(context, candidate, { uses: ['request'], policy: {} });
  });
  return made;
}

type Made = (authority: Authority) => Promise<Specimen>;
const eachOf = (all: Record<string, Made>, name: (what: string) => string, attack: (make: Made) => Attack) =>
  Object.fromEntries(Object.entries(all).map(([what, make]) => [name(what), attack(make)]));

/** In a way that its key can: P-521 has no algorithm of ours. */
const signedBy = (s: Scene, signer: Partner): string =>
  s.sign({ sign: octets => sign('sha256', octets, { key: signer.privateKey, dsaEncoding: 'ieee-p1363' }) }, signer);

const signs =
  (make: Made): Attack =>
  async s =>
    signedBy(s, signerOf(await planted(s, await make(s.stage.kit.set.authority))));
const connects =
  (make: Made): Attack =>
  async (s): Promise<Sending> => ({
    octets: s.valid,
    over: await planted(s, await make(s.stage.kit.set.authority)),
  });

const identified = (inner: string) => ({
  token: '',
  keyInfo: `<wsse:SecurityTokenReference>${inner}</wsse:SecurityTokenReference>`,
});
const keyIdentifier = (valueType: string, value: Buffer) =>
  identified(`<wsse:KeyIdentifier ValueType="${valueType}">${value.toString('base64')}</wsse:KeyIdentifier>`);
const issuerSerial = (issuer: string, serial: string) =>
  identified(
    `<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>${issuer}</ds:X509IssuerName>` +
      `<ds:X509SerialNumber>${serial}</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>`,
  );
const serialOf = ({ certificate }: Partner): string => BigInt(`0x${certificate.serialNumber}`).toString();
const issuerOf = ({ certificate }: Partner): string => certificate.issuer.replaceAll('\n', ', ');

export const cases = [
  ...refused('certificate_invalid', {
    ...eachOf({ ...specimens, ...weak }, what => `the signer's certificate ${what}`, signs),
    ...eachOf(specimens, what => `the certificate of the connection ${what}`, connects),
    'a signer whose certificate nobody registered': s => s.sign({}, s.stranger),
    'a signer whose certificate has the names of the registered one (signature faking)': async s =>
      s.sign({}, await newPartner('RSA-2048', 'CN=partner, O=Acme')),
    'a signer whose certificate was revoked by its authority': s => s.sign({}, signerOf(s.stage.revoked)),
    'a connection whose certificate was revoked by its authority': (s): Sending => ({
      octets: s.valid,
      over: s.stage.revoked,
    }),
    'a signer whose registration was revoked': s => s.sign({}, signerOf(s.stage.withdrawn)),
    'a connection whose registration was revoked': (s): Sending => ({ octets: s.valid, over: s.stage.withdrawn }),
    'a signer whose certificate is registered for approvals only': s => s.sign({}, signerOf(s.stage.kit.set.approver)),
    'a signer of another tenant': s => s.sign({}, signerOf(s.stage.kit.set.otherPartner)),
    'a signer of an organisation below': async s =>
      s.sign({}, signerOf(await planted(s, await s.stage.kit.set.authority.client('CN=below'), s.stage.child.id))),
    'a connection by a certificate of an authority that nobody approved': (s): Sending => ({
      octets: s.valid,
      over: s.stage.kit.set.foreign,
    }),
    'a thumbprint (SHA-1) that nobody registered': s =>
      s.sign(keyIdentifier(tokenType.thumbprintSha1, randomBytes(20))),
    'a thumbprint (SHA-256) that nobody registered': s =>
      s.sign(keyIdentifier(tokenType.thumbprintSha256, randomBytes(32))),
    'a thumbprint cut to its first octet': s =>
      s.sign(
        keyIdentifier(
          tokenType.thumbprintSha256,
          Buffer.from(s.stage.kit.set.partner.thumbprint, 'hex').subarray(0, 1),
        ),
      ),
    'a subject key identifier that nobody registered': s =>
      s.sign(keyIdentifier(tokenType.subjectKeyIdentifier, randomBytes(20))),
    'a serial number that the issuer did not give': s => s.sign(issuerSerial(issuerOf(s.partner), '4711')),
    'the serial number of a registered certificate under another issuer': s =>
      s.sign(issuerSerial('CN=Somebody', serialOf(s.partner))),
  }),
  ...refused('key_invalid', {
    'a connection by a certificate of another tenant': (s): Sending => ({
      octets: s.valid,
      over: s.stage.kit.set.otherPartner,
    }),
  }),
  ...refused('signature_invalid', {
    "the partner's certificate with a stranger's signature": s => s.sign({ token: binaryToken(s.partner) }, s.stranger),
    "the stranger's certificate exchanged for the partner's after signing": s =>
      replace(s.sign({}, s.stranger), [binaryToken(s.stranger), binaryToken(s.partner)]),
    "the partner's issuer and serial number over a stranger's signature": s =>
      s.sign(issuerSerial(issuerOf(s.partner), serialOf(s.partner)), s.stranger),
    "the partner's thumbprint over a stranger's signature": s =>
      s.sign(
        keyIdentifier(tokenType.thumbprintSha256, Buffer.from(s.stage.kit.set.partner.thumbprint, 'hex')),
        s.stranger,
      ),
    "a stranger's key in KeyValue beside the partner's token": s =>
      s.sign({ keyInfo: `${tokenReference('#X509-1')}${keyValue(s.stranger)}` }, s.stranger),
    'a bare KeyValue (CVE-2024-32962)': s => s.sign({ token: '', keyInfo: keyValue(s.stranger) }, s.stranger),
    'a KeyName': s => s.sign({ token: '', keyInfo: '<ds:KeyName>partner</ds:KeyName>' }),
    'a RetrievalMethod': s => s.sign({ token: '', keyInfo: '<ds:RetrievalMethod URI="http://127.0.0.1:9/key" />' }),
    'a certificate in X509Data without a token reference (CVE-2024-32962)': s =>
      s.sign({ token: '', keyInfo: x509Data(s.stranger) }, s.stranger),
    'a certificate in X509Data of a token reference': s => s.sign({ ...identified(x509Data(s.partner)) }),
    'a token reference to itself': s =>
      s.sign({
        keyInfo: '<wsse:SecurityTokenReference wsu:Id="X"><wsse:Reference URI="#X"/></wsse:SecurityTokenReference>',
      }),
    'token references that lead to each other': s =>
      s.sign({
        headers: `<wsse:SecurityTokenReference wsu:Id="Y"><wsse:Reference URI="#X"/></wsse:SecurityTokenReference>`,
        keyInfo: '<wsse:SecurityTokenReference wsu:Id="X"><wsse:Reference URI="#Y"/></wsse:SecurityTokenReference>',
      }),
    'a token reference to the Body': s => s.sign({ keyInfo: tokenReference('#Body-1') }),
    'a token reference to a token that stands in another header': s =>
      s.sign({ headers: binaryToken(s.partner), token: '' }),
    'a token reference to a web address': s =>
      s.sign({ token: '', keyInfo: tokenReference('http://127.0.0.1:9/certificate') }),
    'a token reference to a file': s => s.sign({ token: '', keyInfo: tokenReference('file:///etc/ssl/certificate') }),
    'a token reference without URI': s => s.sign({ keyInfo: tokenReference('') }),
    'an embedded token': s => s.sign(identified(`<wsse:Embedded>${binaryToken(s.partner)}</wsse:Embedded>`)),
    'two token references': s => s.sign({ keyInfo: tokenReference('#X509-1').repeat(2) }),
    "two tokens, the partner's and a stranger's": s =>
      s.sign({ token: binaryToken(s.partner) + binaryToken(s.stranger).replace('X509-1', 'X509-2') }),
    'a token that is not referenced': s =>
      s.sign({
        ...keyIdentifier(tokenType.thumbprintSha256, Buffer.from(s.stage.kit.set.partner.thumbprint, 'hex')),
        token: binaryToken(s.stranger),
      }),
    'a token that is not a certificate': s => s.sign({ token: binaryToken(s.partner, undefined, randomBytes(900)) }),
    'a token of an unknown type': s => s.sign({ token: binaryToken(s.partner, 'urn:type') }),
    'a token in another encoding': s =>
      s.sign({ token: binaryToken(s.partner).replace('#Base64Binary', '#HexBinary') }),
    'a token of a hundred kilobytes': s => s.sign({ token: binaryToken(s.partner, undefined, randomBytes(100_000)) }),
    'a token in PEM': s =>
      s.sign({ token: binaryToken(s.partner).replace(/>[^<]+</, `>${s.partner.certificate.toString()}<`) }),
    'a certificate path that is one certificate': s => s.sign({ token: binaryToken(s.partner, tokenType.path) }),
    'an empty certificate path': s => s.sign({ token: binaryToken(s.partner, tokenType.path, Buffer.from([0x30, 0])) }),
    'a certificate path with a length beyond its end': s =>
      s.sign({ token: binaryToken(s.partner, tokenType.path, Buffer.from([0x30, 0x83, 0xff, 0xff, 0xff])) }),
    'a thumbprint that is not base64': s =>
      s.sign(identified(`<wsse:KeyIdentifier ValueType="${tokenType.thumbprintSha1}">****</wsse:KeyIdentifier>`)),
    'a key identifier of an unknown type': s => s.sign(keyIdentifier('urn:type', randomBytes(20))),
    'a serial number that is none': s => s.sign(issuerSerial(issuerOf(s.partner), '0x10')),
  }),
  ...refused(['signature_invalid', 'malformed'], {
    'a certificate part that is not there': s => s.sign({ token: '', keyInfo: tokenReference('cid:certificate') }),
  }),
  ...harmless({
    'the signer named by its SHA-256 thumbprint': s =>
      s.sign(keyIdentifier(tokenType.thumbprintSha256, Buffer.from(s.stage.kit.set.partner.thumbprint, 'hex'))),
    'the signer named by issuer and serial number': s => s.sign(issuerSerial(issuerOf(s.partner), serialOf(s.partner))),
  }),
];

const keyValue = ({ publicKey }: Partner): string => {
  const { n, e } = publicKey.export({ format: 'jwk' });
  const octets = (value: string | undefined) => Buffer.from(value!, 'base64url').toString('base64');
  return `<ds:KeyValue><ds:RSAKeyValue xmlns:ds="${ns.ds}"><ds:Modulus>${octets(n)}</ds:Modulus><ds:Exponent>${octets(e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`;
};
const x509Data = ({ certificate }: Partner): string =>
  `<ds:X509Data><ds:X509Certificate>${certificate.raw.toString('base64')}</ds:X509Certificate></ds:X509Data>`;
