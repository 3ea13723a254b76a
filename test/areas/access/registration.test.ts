import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';
import { expect } from 'chai';
import { newChallenge, readOffer } from '../../../src/areas/access/registration.ts';
import { Authority } from '../../../src/core/authority.ts';
import { TrustStore } from '../../../src/core/certificates.ts';
import { signDetached } from '../../../src/core/detached-signature.ts';
import { Keyring } from '../../../src/core/seal.ts';
import type { Services } from '../../../src/core/services.ts';
import { refusalFrom } from '../../kit/refusal.ts';

describe('an offered certificate', () => {
  let now: Date;
  const keyring = new Keyring([{ id: 1, bytes: randomBytes(32) }]);
  let authority: Authority;
  let services: Services;
  before(async () => {
    now = new Date();
    authority = await Authority.create('CN=Offers');
    const authorities = [new X509Certificate(authority.certificate)];
    const trust = new TrustStore(() => ({
      authorities,
      revocationLists: [],
      responders: new Map(),
      withoutClientAuth: new Set(),
    }));
    services = { keyring, trust } as unknown as Services;
  });

  const place = (organization = 'org_a', at = now) => ({ organization: { id: organization }, now: at, services });

  async function offer(where = place()) {
    const issued = await authority.client('CN=client', 'P-256');
    const { challenge, text } = newChallenge(where);
    return { certificate_pem: issued.certificate, challenge, proof: signDetached(createPrivateKey(issued.key), text) };
  }

  it('is taken with the proof that its key is at hand', async () => {
    const { certificate, intermediates } = readOffer(place(), await offer());
    expect(certificate.subject).to.equal('CN=client');
    expect(intermediates).to.deep.equal([]);
  });

  it('proves nothing an hour later, nor for another organisation', async () => {
    const good = await offer();
    readOffer(place('org_a', new Date(now.getTime() + 3_599_000)), good);
    const late = await refused(good, place('org_a', new Date(now.getTime() + 3_600_000)));
    const elsewhere = await refused(good, place('org_b'));
    expect([late.errors[0]!.field, elsewhere.errors[0]!.field]).to.deep.equal(['challenge', 'challenge']);
  });

  it('is refused with an RSA key under 2048 bits', async () => {
    const { errors } = await refused(await weakOffer());
    expect(errors[0]).to.include({ field: 'certificate_pem', code: 'weak_key' });
  });

  async function weakOffer() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const keys = {
      privateKey: privateKey.toCryptoKey(algorithm, true, ['sign']),
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    };
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: 'CN=weak',
      keys,
      signingAlgorithm: algorithm,
    });
    const { challenge } = newChallenge(place());
    return { certificate_pem: certificate.toString('pem'), proof: 'AAAA', challenge };
  }

  const refused = (offered: Awaited<ReturnType<typeof offer>>, where = place()) =>
    refusalFrom((async () => readOffer(where, offered))());
});
