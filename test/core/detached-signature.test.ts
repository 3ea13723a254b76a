import { spawnSync } from 'node:child_process';
import { constants, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { expect } from 'chai';
import { signDetached, signingKind, verifyDetached } from '../../src/core/detached-signature.ts';

const text = 'what is signed';
const content = Buffer.from(text);
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING };

describe('detached signatures', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pssOnly = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const plain = (key: KeyObject) => ({ key, dsaEncoding: 'ieee-p1363' as const });

  const accepted: Record<string, [KeyObject, Buffer]> = {
    'RSA PKCS1-v1_5 with SHA-256': [rsa.publicKey, sign('sha256', content, rsa.privateKey)],
    'RSA PSS with SHA-256': [rsa.publicKey, sign('sha256', content, { key: rsa.privateKey, ...pss, saltLength: 32 })],
    'RSA PSS with the longest salt': [rsa.publicKey, sign('sha256', content, { key: rsa.privateKey, ...pss })],
    'RSA PSS by a key restricted to it': [pssOnly.publicKey, sign('sha256', content, pssOnly.privateKey)],
    'P-256 as DER': [p256.publicKey, sign('sha256', content, p256.privateKey)],
    'P-256 as r and s': [p256.publicKey, sign('sha256', content, plain(p256.privateKey))],
    'P-384 with SHA-384 as DER': [p384.publicKey, sign('sha384', content, p384.privateKey)],
    'P-384 with SHA-384 as r and s': [p384.publicKey, sign('sha384', content, plain(p384.privateKey))],
    'P-384 with SHA-256 as DER': [p384.publicKey, sign('sha256', content, p384.privateKey)],
    'P-384 with SHA-256 as r and s': [p384.publicKey, sign('sha256', content, plain(p384.privateKey))],
  };
  for (const [what, [key, value]] of Object.entries(accepted)) {
    it(`are accepted as ${what}, and only over the same text`, () => {
      const signature = value.toString('base64');
      expect([verifyDetached(key, text, signature), verifyDetached(key, `${text}.`, signature)]).to.deep.equal([
        true,
        false,
      ]);
    });
  }

  const refused: Record<string, [KeyObject, Buffer]> = {
    'RSA with SHA-1': [rsa.publicKey, sign('sha1', content, rsa.privateKey)],
    'RSA with SHA-512': [rsa.publicKey, sign('sha512', content, rsa.privateKey)],
    'P-256 with SHA-384': [p256.publicKey, sign('sha384', content, p256.privateKey)],
    'another key': [
      generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
      sign('sha256', content, rsa.privateKey),
    ],
    'RSA of 1024 bits': weak('rsa', { modulusLength: 1024 }),
    'P-521': weak('ec', { namedCurve: 'P-521' }),
    secp256k1: weak('ec', { namedCurve: 'secp256k1' }),
    'a signature of no octets': [p256.publicKey, Buffer.alloc(0)],
    'r and s of zero': [p256.publicKey, Buffer.alloc(64)],
  };
  for (const [what, [key, value]] of Object.entries(refused)) {
    it(`are refused as ${what}`, () => {
      expect(verifyDetached(key, text, value.toString('base64'))).to.equal(false);
    });
  }

  it('are refused in any encoding but padded base64', () => {
    const value = sign('sha256', content, rsa.privateKey);
    const base64 = value.toString('base64');
    const wrong = [
      value.toString('hex'),
      base64.replace(/=+$/, ''),
      base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''),
      `${base64}\n`,
      ` ${base64}`,
      `${base64}AAAA`,
      'A'.repeat(100_000),
    ];
    expect(wrong.map(signature => verifyDetached(rsa.publicKey, text, signature))).to.deep.equal(
      wrong.map(() => false),
    );
  });

  for (const [kind, pair] of Object.entries({ rsa, 'rsa-pss': pssOnly, 'P-256': p256, 'P-384': p384 })) {
    it(`are made and checked with ${kind}`, () => {
      expect(signingKind(pair.publicKey)).to.equal(kind);
      expect(verifyDetached(pair.publicKey, text, signDetached(pair.privateKey, text))).to.equal(true);
    });
  }

  it('are not made with a weak key', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    expect(() => signDetached(privateKey, text)).to.throw('2048');
  });

  it('are what `openssl dgst -sha256 -sign` makes', () => {
    for (const { privateKey } of [rsa, p256, p384]) {
      // OpenSSL reads the key from one descriptor and the text from another, so that neither touches the disk.
      const script = 'openssl dgst -sha256 -sign /dev/fd/3 | openssl base64 -A';
      const made = spawnSync('sh', ['-c', `printf %s "$PEM" | { exec 3<&0; printf %s "$TEXT" | { ${script}; }; }`], {
        env: { ...process.env, PEM: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), TEXT: text },
        encoding: 'utf8',
      });
      expect(verifyDetached(createPublicKey(privateKey), text, made.stdout), made.stderr).to.equal(true);
    }
  });

  function weak(type: 'rsa' | 'ec', options: object): [KeyObject, Buffer] {
    const generate = generateKeyPairSync as unknown as (type: string, options: object) => typeof rsa;
    const { publicKey, privateKey } = generate(type, options);
    return [publicKey, sign('sha256', content, privateKey)];
  }
});
