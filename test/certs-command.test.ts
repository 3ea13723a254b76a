import { execFile, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { TrustStore } from '../src/core/certificates.ts';
import { readTrustFiles } from '../src/core/trust-files.ts';

const run = promisify(execFile);

/** As an operator types it, each call a process of its own. */
describe('bastion certs', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'bastion-certs-'));
  const path = (name: string) => join(folder, name);
  const ca = path('ca');
  let organization: string;

  async function bastion(...args: string[]): Promise<{ out: string; error: string; code: number }> {
    const env = {
      ...process.env,
      BASTION_DATA_DIR: path('data'),
      BASTION_APPROVED_CAS: path('ca/ca.pem'),
      BASTION_LOG_LEVEL: 'silent',
    };
    const script = resolve(import.meta.dirname, '../bin/bastion.mjs');
    try {
      const { stdout, stderr } = await run(process.execPath, [script, ...args], { env, timeout: 30_000 });
      return { out: stdout.trim(), error: stderr, code: 0 };
    } catch (error) {
      const { stdout, stderr, code } = error as { stdout: string; stderr: string; code: number };
      return { out: stdout.trim(), error: stderr, code };
    }
  }

  const certs = (...args: string[]) => bastion('certs', ...args);

  /** What it answers in JSON; it must have succeeded. */
  // biome-ignore lint/suspicious/noExplicitAny: every command answers another shape
  async function json(...args: string[]): Promise<any> {
    const { out, error, code } = await certs(...args, '--json');
    expect(code, error).to.equal(0);
    return JSON.parse(out);
  }

  const x509 = (name: string) => new X509Certificate(readFileSync(path(name)));

  before(async () => {
    const made = await certs('ca', 'create', '--ca', ca, '--name', 'CN=Operator CA, O=Example', '--key', 'P-384');
    expect(made.code, made.error).to.equal(0);
    organization = (await bastion('organization', 'create', '--name', 'Stonebridge')).out;
  });
  after(() => rmSync(folder, { recursive: true }));

  it('makes an authority whose key only its owner reads, and never a second one over it', async () => {
    expect(statSync(path('ca/ca.key')).mode & 0o777).to.equal(0o600);
    expect(x509('ca/ca.pem').ca).to.equal(true);
    const before = readFileSync(path('ca/ca.key'));
    const again = await certs('ca', 'create', '--ca', ca, '--name', 'CN=Other');
    expect(again).to.deep.include({ code: 1, out: '' });
    expect(again.error).to.include('exists already');
    expect(readFileSync(path('ca/ca.key'))).to.deep.equal(before);
  });

  for (const kind of ['RSA-3072', 'P-256']) {
    it(`issues a client certificate with a ${kind} key, whose key is never printed`, async () => {
      const name = `client-${kind}`;
      const issued = await certs('issue', '--ca', ca, '--name', `CN=${name}`, '--key', kind, '--out', path(name));
      expect(issued.code, issued.error).to.equal(0);
      expect(issued.out + issued.error).to.not.include('PRIVATE');
      expect(statSync(path(`${name}.key`)).mode & 0o777).to.equal(0o600);
      const certificate = x509(`${name}.pem`);
      expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(path(`${name}.key`))))).to.equal(true);
      const trust = new TrustStore(() => readTrustFiles(path('ca/ca.pem')));
      expect(trust.check(certificate, [], new Date()).ok).to.equal(true);
    });

    it(`exports it with its ${kind} key as PKCS#12, under a password of its own file`, async () => {
      writeFileSync(path('password'), 'open sesame\nsecond line\n');
      const pair = ['--certificate', path(`client-${kind}.pem`), '--key', path(`client-${kind}.key`)];
      const target = path(`client-${kind}.p12`);
      const { code, error } = await certs('export', ...pair, '--password-file', path('password'), '--p12', target);
      expect(code, error).to.equal(0);
      expect(statSync(target).mode & 0o777).to.equal(0o600);
      expect(createSecureContext({ pfx: readFileSync(target), passphrase: 'open sesame' })).to.be.an('object');
    });
  }

  it('issues a server certificate for names and addresses', async () => {
    const server = ['--for', 'server', '--hosts', 'mail.example,192.0.2.1'];
    await json('issue', '--ca', ca, '--name', 'CN=mail.example', ...server, '--key', 'P-256', '--out', path('server'));
    const certificate = x509('server.pem');
    expect([certificate.checkHost('mail.example'), certificate.checkIP('192.0.2.1')]).to.deep.equal([
      'mail.example',
      '192.0.2.1',
    ]);
    const bare = await certs('issue', '--ca', ca, '--name', 'CN=x', '--for', 'server', '--out', path('bare'));
    expect(bare.error).to.include('--hosts');
  });

  it('signs a request for its own name and key, whoever made it, and no broken one', async () => {
    await json('csr', 'create', '--name', 'CN=requested, O=Example', '--key', 'P-256', '--out', path('request'));
    expect(statSync(path('request.key')).mode & 0o777).to.equal(0o600);
    const verified = spawnSync('openssl', ['req', '-verify', '-noout', '-in', path('request.csr')]);
    expect(verified.status, String(verified.stderr)).to.equal(0);
    const answer = await json('csr', 'sign', '--ca', ca, '--csr', path('request.csr'), '--out', path('request.pem'));
    expect(answer.subject).to.equal('CN=requested, O=Example');
    expect(x509('request.pem').checkPrivateKey(createPrivateKey(readFileSync(path('request.key'))))).to.equal(true);
    writeFileSync(path('broken.csr'), readFileSync(path('request.pem')));
    const broken = await certs('csr', 'sign', '--ca', ca, '--csr', path('broken.csr'), '--out', path('broken.pem'));
    expect(broken.error).to.include('certificate request');
  });

  it('says what to change', async () => {
    const issue = ['issue', '--ca', ca, '--out', path('never')];
    for (const [args, words] of [
      [[...issue, '--name', 'Example'], 'CN=Example, O=Partner'],
      [[...issue, '--name', 'CN=x', '--days', '9000'], '--days 36'],
      [[...issue, '--name', 'CN=x', '--key', 'RSA-1024'], 'RSA-2048'],
      [['issue', '--ca', folder, '--out', path('never'), '--name', 'CN=x'], 'bastion certs ca create'],
      [['expiring', '--within', 'soon'], '30d'],
      [['revoke', 'cert_none'], 'bastion certs list'],
    ] as const) {
      const { code, error } = await certs(...args);
      expect(code).to.equal(1);
      expect(error).to.include(words);
    }
  });

  it('registers, lists, rotates beside the old one, shows what ends soon, and revokes', async () => {
    const short = ['--name', 'CN=short', '--key', 'P-256', '--days', '10'];
    await json('issue', '--ca', ca, ...short, '--out', path('short'));
    const imported = ['--organization', organization, '--file', path('short.pem'), '--use', 'request'];
    const { certificate_id: old } = await json('import', ...imported);
    const [listed] = await json('list');
    expect(listed).to.include({
      certificate_id: old,
      organization: 'Stonebridge',
      status: 'active',
      last_used_at: null,
    });
    expect((await certs('expiring', '--within', '9d')).code).to.equal(0);
    const soon = await certs('expiring', '--within', '30d', '--json');
    expect(soon.code).to.equal(1);
    expect(JSON.parse(soon.out)).to.deep.equal([listed]);
    const fresh = await json('rotate', old, '--file', path('client-P-256.pem'), '--overlap', '7d');
    const both = await json('list', '--organization', organization);
    expect(both.map((each: { status: string }) => each.status)).to.deep.equal(['active', 'active']);
    const overlap = (Date.parse(both[0].retires_at) - Date.now()) / 86_400_000;
    expect(overlap).to.be.within(6.9, 7);
    expect((await certs('expiring')).code, 'who has a successor needs no attention').to.equal(0);
    await json('revoke', fresh.certificate_id);
    const after = await json('list');
    expect(after.map((each: { status: string }) => each.status)).to.deep.equal(['active', 'revoked']);
    expect((await certs('list')).out).to.include(`${fresh.thumbprint}  ends `);
  });

  it('publishes revocation lists that OpenSSL and the server accept', async () => {
    const list = path('ca.crl');
    const publish = ['crl', 'publish', '--ca', ca, '--out', list];
    expect((await json(...publish)).revoked).to.equal(0);
    await json('ca', 'revoke', '--ca', ca, '--file', path('server.pem'));
    await json('ca', 'revoke', '--ca', ca, '--file', path('client-RSA-3072.pem'));
    await json('ca', 'revoke', '--ca', ca, '--file', path('client-RSA-3072.pem'));
    expect((await json(...publish, '--days', '2')).revoked).to.equal(2);
    const trust = new TrustStore(() => readTrustFiles(path('ca/ca.pem'), list));
    const verdict = trust.check(x509('client-RSA-3072.pem'), [], new Date());
    expect(verdict).to.deep.equal({ ok: false, reason: 'revoked' });
    expect(trust.check(x509('client-P-256.pem'), [], new Date()).ok).to.equal(true);
    const flags = ['verify', '-crl_check', '-CAfile', path('ca/ca.pem'), '-CRLfile', list];
    expect(spawnSync('openssl', [...flags, path('client-P-256.pem')]).status).to.equal(0);
    expect(String(spawnSync('openssl', [...flags, path('server.pem')]).stderr)).to.include('revoked');
  });

  it('does not put a certificate of another authority on its list', async () => {
    await json('ca', 'create', '--ca', path('other'), '--name', 'CN=Operator CA, O=Example', '--key', 'P-256');
    await json('issue', '--ca', path('other'), '--name', 'CN=theirs', '--key', 'P-256', '--out', path('theirs'));
    const { code, error } = await certs('ca', 'revoke', '--ca', ca, '--file', path('theirs.pem'));
    expect(code).to.equal(1);
    expect(error).to.include('not issued by');
  });
});
