import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { getSigningCertificates } from '../src/areas/access/signing-certificates.ts';
import { createOrganization } from '../src/areas/organizations/operations.ts';
import { Authority } from '../src/core/authority.ts';
import { thumbprintOf } from '../src/core/certificates.ts';
import { type KeyPair, keyPairFiles, writeKeyPair } from '../src/core/key-pair.ts';
import { AuditCheckpoint } from '../src/db/audit-chain.ts';
import { read } from '../src/db/transaction.ts';
import { bothDoors, done } from './areas/through.ts';
import { type Kit, startKit } from './kit/app.ts';
import { certificates } from './kit/certificates.ts';

describe('files that change while the server runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bastion-reload-'));
  const path = (name: string) => join(folder, name);
  let kit: Kit;
  let authority: Authority;

  before(async () => {
    const set = await certificates();
    authority = set.authority;
    const tls = writeKeyPair(path('tls'), set.server);
    const signing = writeKeyPair(path('signing'), set.signing);
    writeFileSync(path('next.pem'), (await authority.signing('CN=next.bastion.test')).certificate);
    writeFileSync(path('ca.pem'), set.ca);
    const config = { tls, signing, nextSigningCertificate: path('next.pem'), approvedCas: path('ca.pem') };
    kit = await startKit({ config });
  });
  after(async () => {
    await kit.close();
    rmSync(folder, { recursive: true });
  });

  /** As deployments do it: each file is exchanged whole, one after the other. */
  function exchange(name: string, { certificate, key }: KeyPair): void {
    const files = keyPairFiles(path(name));
    for (const [file, content] of [
      [files.certificate, certificate],
      [files.key, key],
    ] as const) {
      writeFileSync(`${file}.new`, content);
      renameSync(`${file}.new`, file);
    }
  }

  const signal = () => process.kill(process.pid, 'SIGHUP');

  async function dial(url: string): Promise<TLSSocket> {
    const { certificate: cert, key } = kit.set.partner;
    const socket = connect({ port: Number(new URL(url).port), host: 'localhost', ca: kit.set.ca, cert, key });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    return socket;
  }

  const presented = async (url: string): Promise<string> => {
    const socket = await dial(url);
    const { fingerprint256 } = socket.getPeerX509Certificate()!;
    socket.destroy();
    return fingerprint256;
  };

  const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256;

  const reloads = async (name: string, outcome: string): Promise<number> => {
    const { values } = await kit.app.services.metrics.reloads.get();
    return values.find(({ labels }) => labels.name === name && labels.outcome === outcome)?.value ?? 0;
  };

  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await holds()); tries++) {
      if (tries > 300) throw new Error('it never came true');
      await sleep(20);
    }
  }

  for (const door of bothDoors) {
    it(`are a new certificate of the ${door} listener: new connections meet it, and none that is open is lost`, async () => {
      const { url } = kit.app[door];
      const kept = await dial(url);
      await done(door, kit.tenant, getSigningCertificates);
      const fresh = await authority.server('CN=renewed');
      exchange('tls', fresh);
      signal();
      await until(async () => (await presented(url)) === fingerprint(fresh.certificate));
      kept.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n');
      const answer = await new Promise(resolve => kept.once('data', resolve));
      expect(String(answer)).to.match(/^HTTP\/1\.1 \d{3} /);
      kept.destroy();
      await done(door, kit.tenant, getSigningCertificates);
    });
  }

  it('are taken into use without a signal', async () => {
    const fresh = await authority.server('CN=noticed');
    exchange('tls', fresh);
    await until(async () => (await presented(kit.app.rest.url)) === fingerprint(fresh.certificate));
  });

  it('are refused when the key is of another certificate: the old pair stays, log and metric say so', async () => {
    const before = await presented(kit.app.rest.url);
    const refused = await reloads('listeners', 'refused');
    const [one, two] = [await authority.server('CN=one'), await authority.server('CN=two')];
    exchange('tls', { certificate: one.certificate, key: two.key });
    signal();
    await until(async () => (await reloads('listeners', 'refused')) > refused);
    expect(await presented(kit.app.rest.url)).to.equal(before);
    expect(kit.errors.splice(0).join()).to.include('is not the private key of').and.not.include('PRIVATE KEY');
    exchange('tls', one);
    signal();
    await until(async () => (await presented(kit.app.soap.url)) === fingerprint(one.certificate));
    kit.errors.splice(0);
  });

  for (const [what, name, content] of [
    ['half a certificate', 'tls.pem', '-----BEGIN CERTIFICATE-----\nMIIB'],
    ['an empty bundle of authorities', 'ca.pem', ''],
    ['a broken signing key', 'signing.key', 'nothing'],
  ] as const) {
    it(`are refused when there is ${what}, and what was in use serves on`, async () => {
      const count = async () =>
        (await reloads('listeners', 'refused')) +
        (await reloads('trust', 'refused')) +
        (await reloads('signing', 'refused'));
      const before = await count();
      const good = readFileSync(path(name));
      writeFileSync(path(name), content);
      signal();
      await until(async () => (await count()) > before);
      for (const door of bothDoors) await done(door, kit.tenant, getSigningCertificates);
      writeFileSync(path(name), good);
      const enough = (await reloads('trust', 'done')) + 1;
      signal();
      await until(async () => (await reloads('trust', 'done')) >= enough);
      expect(kit.errors.splice(0)).to.not.have.lengthOf(0);
    });
  }

  it('are a new bundle of authorities: its certificates are accepted, those of one that left are not', async () => {
    const other = await Authority.create('CN=Another');
    const stranger = { certificate: (await other.client('CN=x')).certificate };
    const judged = () => kit.app.services.trust.check(new X509Certificate(stranger.certificate), [], new Date()).ok;
    expect(judged()).to.equal(false);
    writeFileSync(path('ca.pem'), kit.set.ca + other.certificate);
    signal();
    await until(async () => judged());
    writeFileSync(path('ca.pem'), kit.set.ca);
    signal();
    await until(async () => !judged());
  });

  it('are a new signing certificate, which partners learned before it signs', async () => {
    const { current, next } = await done('soap', kit.tenant, getSigningCertificates);
    expect([current.subject, next.subject]).to.deep.equal(['CN=bastion.test', 'CN=next.bastion.test']);
    const fresh = await authority.signing('CN=next.bastion.test');
    exchange('signing', fresh);
    signal();
    await until(async () => (await signerOf()) === fingerprint(fresh.certificate));
    for (const door of bothDoors) {
      const { current: now } = await done(door, kit.tenant, getSigningCertificates);
      expect(now.certificate_pem).to.equal(fresh.certificate);
    }
    kit.clock.advance(61_000);
    await done('rest', kit.tenant, createOrganization, { name: 'Later' });
    await until(
      async () => (await lastCheckpoint()).signed_by === thumbprintOf(new X509Certificate(fresh.certificate)),
    );
  });

  async function lastCheckpoint(): Promise<{ signed_by: string }> {
    const order = { orderBy: { id: 'desc' }, limit: 1 } as const;
    const [last] = await read(kit.app.db, 'system', em => em.find(AuditCheckpoint, {}, order));
    return JSON.parse(last?.statement ?? '{}');
  }

  /** The certificate in the signature of a SOAP answer. */
  async function signerOf(): Promise<string> {
    const { text, signed } = await kit.tenant.soap.call('GetSigningCertificates', {});
    expect(signed).to.equal(true);
    const token = /BinarySecurityToken[^>]*>([^<]+)</.exec(text)![1]!;
    return new X509Certificate(Buffer.from(token, 'base64')).fingerprint256;
  }
});
