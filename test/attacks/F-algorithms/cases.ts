import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { type Attack, harmless, refused, type Scene } from '../../kit/hostile-soap.ts';
import { parameterisedPss } from '../../kit/soap-signing.ts';

const more = 'http://www.w3.org/2001/04/xmldsig-more#';
const method = (uri: string, inner = ''): string =>
  `<ds:SignatureMethod Algorithm="${uri}">${inner}</ds:SignatureMethod>`;
const hmac = (s: Scene, octets: Buffer, secret: string | Buffer = publicPem(s)): Buffer =>
  createHmac('sha256', secret).update(octets).digest();
const publicPem = (s: Scene): string => s.partner.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const rsa =
  (uri: string, hash: string): Attack =>
  s =>
    s.sign({ signatureMethod: method(uri), sign: octets => sign(hash, octets, s.partner.privateKey) });
const digestedBy =
  (digestAlgorithm: string): Attack =>
  s =>
    s.sign({ references: [{ uri: '#Body-1', digestAlgorithm }, { uri: '#TS-1' }] });
const claimed =
  (uri: string): Attack =>
  s =>
    s.sign({ signatureMethod: method(uri) });

const pssGames: Record<string, (parameters: string) => string> = {
  'a SHA-1 hash': all => all.replaceAll('http://www.w3.org/2001/04/xmlenc#sha256', `${ns.ds}sha1`),
  'a SHA-1 mask': all => all.replace(/(MGF1"><ds:DigestMethod Algorithm=)"[^"]+/, `$1"${ns.ds}sha1`),
  'another mask than its hash': all => all.replace(/(MGF1"><ds:DigestMethod Algorithm=".*?)sha256/, '$1sha512'),
  'a mask that is not MGF1': all => all.replace('#MGF1', '#MGF2'),
  'no salt': all => all.replace('>32<', '>0<'),
  'a salt of a million octets': all => all.replace('>32<', '>1000000<'),
  'another trailer': all => all.replace('>1<', '>2<'),
  'a parameter twice': all => all.replace(/<p:SaltLength>.*?<\/p:SaltLength>/, '$&$&'),
  'parameters out of order': all => all.replace(/(<p:SaltLength>.*<\/p:SaltLength>)(<p:T.*?d>)/, '$2$1'),
  'parameters twice': all => all + all,
  'parameters of another namespace': all => all.replace(/xmlns:p="[^"]+"/, 'xmlns:p="urn:p"'),
  'an element inside its hash': all => all.replace(/#sha256"\/>/, '#sha256"><p:x/></ds:DigestMethod>'),
};
const pss = Object.entries(pssGames).map(([what, change]): [string, Attack] => [
  `RSASSA-PSS with ${what}`,
  s => s.sign(parameterisedPss(s.partner, 'sha256', change)),
]);

export const cases = [
  ...refused('signature_invalid', {
    'RSA with SHA-1': rsa(`${ns.ds}rsa-sha1`, 'sha1'),
    'RSA with MD5': rsa(`${more}rsa-md5`, 'md5'),
    'RSA with RIPEMD-160': rsa(`${more}rsa-ripemd160`, 'ripemd160'),
    'RSA with SHA-224': rsa(`${more}rsa-sha224`, 'sha224'),
    'DSA with SHA-1': claimed(`${ns.ds}dsa-sha1`),
    'ECDSA with SHA-1': claimed(`${more}ecdsa-sha1`),
    'EdDSA claimed for an RSA key': s =>
      s.sign({
        signatureMethod: method('http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519'),
        sign: octets => sign(null, octets, generateKeyPairSync('ed25519').privateKey),
      }),
    'RSA encryption (PKCS#1 1.5 key transport) as a signature': claimed('http://www.w3.org/2001/04/xmlenc#rsa-1_5'),
    'the name of a digest as a signature': claimed('http://www.w3.org/2001/04/xmlenc#sha256'),
    'HMAC with the public key in PEM as its secret': s =>
      s.sign({ signatureMethod: method(`${more}hmac-sha256`), sign: octets => hmac(s, octets) }),
    'HMAC with the public key in DER as its secret': s =>
      s.sign({
        signatureMethod: method(`${more}hmac-sha256`),
        sign: octets => hmac(s, octets, s.partner.publicKey.export({ type: 'spki', format: 'der' })),
      }),
    'HMAC with the certificate as its secret': s =>
      s.sign({
        signatureMethod: method(`${more}hmac-sha256`),
        sign: octets => hmac(s, octets, s.partner.certificate.raw),
      }),
    'HMAC with an empty secret': s =>
      s.sign({ signatureMethod: method(`${more}hmac-sha256`), sign: octets => hmac(s, octets, '') }),
    'HMAC cut to one octet': s =>
      s.sign({
        signatureMethod: method(`${ns.ds}hmac-sha1`, '<ds:HMACOutputLength>8</ds:HMACOutputLength>'),
        sign: octets => hmac(s, octets).subarray(0, 1),
      }),
    'HMAC cut to nothing': s =>
      s.sign({
        signatureMethod: method(`${ns.ds}hmac-sha1`, '<ds:HMACOutputLength>0</ds:HMACOutputLength>'),
        sign: () => Buffer.alloc(0),
      }),
    'a parameter inside SignatureMethod': s =>
      s.sign({ signatureMethod: method(`${more}rsa-sha256`, '<ds:HMACOutputLength>8</ds:HMACOutputLength>') }),
    ...Object.fromEntries(pss),
    'no algorithm at all': s => s.sign({ signatureMethod: '<ds:SignatureMethod/>' }),
    'no SignatureMethod': s => s.sign({ signatureMethod: '' }),
    'the algorithm none': claimed('none'),
    'the name of an algorithm that is a property of every object': claimed('__proto__'),
    'the name of an algorithm in other letters': claimed(`${more}RSA-SHA256`),
    'the name of an algorithm with white space': claimed(` ${more}rsa-sha256`),
    'ECDSA claimed for an RSA key': claimed(`${more}ecdsa-sha256`),
    'PSS claimed for a PKCS#1 signature': claimed('http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1'),
    'PKCS#1 claimed for a PSS signature': s =>
      s.sign({ ...parameterisedPss(s.partner, 'sha256'), signatureMethod: method(`${more}rsa-sha256`) }),
    'SHA-512 claimed for a SHA-256 signature': claimed(`${more}rsa-sha512`),
    'a SHA-1 digest': digestedBy(`${ns.ds}sha1`),
    'an MD5 digest': digestedBy(`${more}md5`),
    'a SHA-224 digest': digestedBy(`${more}sha224`),
    'a digest without a name': s => s.valid.replace(/<ds:DigestMethod [^>]*>/, '<ds:DigestMethod/>'),
    'a digest whose name is a property of every object': digestedBy('constructor'),
    'SHA-512 claimed for a SHA-256 digest': s =>
      s.valid.replace(/(<ds:DigestMethod Algorithm=")[^"]*/, '$1http://www.w3.org/2001/04/xmlenc#sha512'),
    'random octets as signature': s => s.sign({ sign: () => randomBytes(256) }),
    'zeros as signature': s => s.sign({ sign: () => Buffer.alloc(256) }),
    'the number one as signature': s => s.sign({ sign: () => Buffer.from(`${'00'.repeat(255)}01`, 'hex') }),
    'a signature with an octet too many': s =>
      s.sign({ sign: octets => Buffer.concat([sign('sha256', octets, s.partner.privateKey), Buffer.from([0])]) }),
    'a signature of 64 KiB': s => s.sign({ sign: () => randomBytes(65_536) }),
  }),
  ...harmless({
    'RSASSA-PSS with its parameters': s => s.sign(parameterisedPss(s.partner, 'sha256')),
  }),
];
