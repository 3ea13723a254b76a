import { createPrivateKey } from 'node:crypto';
import type { asn1 as Asn1 } from 'node-forge';
import { parseCertificates } from './certificates.ts';
import type { KeyPair } from './key-pair.ts';

/**
 * A certificate, its intermediates and its key as one PKCS#12 file (RFC 7292), as .NET, SoapUI and browsers take them: key
 * under AES-256, whole under HMAC-SHA-256. The library's own export knows RSA keys only; the parts that it is made of take
 * any key.
 */
export async function pkcs12({ certificate, key }: KeyPair, password: string): Promise<Buffer> {
  // Loaded by those who export, not by the server.
  const { asn1, hmac, md, pki, pkcs12: derivation, random, util } = (await import('node-forge')).default;
  const { SEQUENCE, SET, OCTETSTRING, OID, INTEGER, NULL } = asn1.Type;
  const iterations = 20_000;

  const made = (type: Asn1.Type, content: string | Asn1.Asn1[]) =>
    asn1.create(asn1.Class.UNIVERSAL, type, Array.isArray(content), content);
  const sequence = (...members: Asn1.Asn1[]) => made(SEQUENCE, members);
  const octets = (content: string) => made(OCTETSTRING, content);
  const oid = (name: string) => made(OID, asn1.oidToDer(pki.oids[name]!).getBytes());
  const integer = (value: number) => made(INTEGER, asn1.integerToDer(value).getBytes());
  const explicit = (content: Asn1.Asn1) => asn1.create(asn1.Class.CONTEXT_SPECIFIC, 0 as Asn1.Type, true, [content]);
  const der = (value: Asn1.Asn1) => asn1.toDer(value).getBytes();
  const data = (content: Asn1.Asn1) => sequence(oid('data'), explicit(octets(der(content))));

  const certificates = (parseCertificates(certificate) ?? []).map(each => each.raw.toString('latin1'));
  const belongTogether = md.sha1.create().update(certificates[0]!).digest().getBytes();
  const mark = made(SET, [sequence(oid('localKeyId'), made(SET, [octets(belongTogether)]))]);
  const certificateBags = certificates.map((each, index) =>
    sequence(
      oid('certBag'),
      explicit(sequence(oid('x509Certificate'), explicit(octets(each)))),
      ...(index === 0 ? [mark] : []),
    ),
  );
  const plainKey = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' }).toString('latin1');
  const hidden = pki.encryptPrivateKeyInfo(asn1.fromDer(plainKey), password, {
    algorithm: 'aes256',
    prfAlgorithm: 'sha256',
    count: iterations,
    saltSize: 16,
  } as Parameters<typeof pki.encryptPrivateKeyInfo>[2]);
  const keyBag = sequence(oid('pkcs8ShroudedKeyBag'), explicit(hidden), mark);
  const content = sequence(data(sequence(...certificateBags)), data(sequence(keyBag)));

  const salt = random.getBytesSync(16);
  const macKey = derivation.generateKey(password, util.createBuffer(salt), 3, iterations, 32, md.sha256.create());
  const mac = hmac.create();
  mac.start('sha256', macKey);
  mac.update(der(content));
  const digest = sequence(sequence(oid('sha256'), made(NULL, '')), octets(mac.digest().getBytes()));
  const whole = sequence(integer(3), data(content), sequence(digest, octets(salt), integer(iterations)));
  return Buffer.from(der(whole), 'latin1');
}
