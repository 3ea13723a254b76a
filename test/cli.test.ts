import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { entities } from '../src/app.ts';
import { thumbprintOf } from '../src/core/certificates.ts';
import { signDetached } from '../src/core/detached-signature.ts';
import { chainAudit } from '../src/db/audit-chain.ts';
import { openDatabase } from '../src/db/orm.ts';
import { developmentFiles } from '../src/development/files.ts';

const run = promisify(execFile);

/** The `bastion` command as an operator types it, each call a process of its own. */
describe('the bastion command', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'bastion-cli-'));
  const database = join(folder, 'bastion.db');
  let organization: string;
  const environment: Record<string, string> = {};

  const bastion = async (...args: string[]): Promise<{ out: string; error: string; code: number }> => {
    const env = { ...process.env, ...environment, BASTION_DATA_DIR: folder, BASTION_LOG_LEVEL: 'silent' };
    const command = [resolve(import.meta.dirname, '../bin/bastion.mjs'), ...args];
    try {
      const { stdout, stderr } = await run(process.execPath, command, { env });
      return { out: stdout.trim(), error: stderr, code: 0 };
    } catch (error) {
      const { stdout, stderr, code } = error as { stdout: string; stderr: string; code: number };
      return { out: stdout.trim(), error: stderr, code };
    }
  };

  after(() => rmSync(folder, { recursive: true }));

  it('migrates an empty database, twice without harm', async () => {
    expect((await bastion('migrate')).code).to.equal(0);
    expect((await bastion('migrate')).code).to.equal(0);
  });

  it('makes an organisation, with certificate, address and key', async () => {
    const made = await bastion('organization', 'create', '--name', 'Stonebridge');
    organization = made.out;
    expect(organization).to.match(/^org_/);
    const { folder: files } = await developmentFiles(folder);
    const partner = ['--organization', organization, '--file', join(files, 'partner.pem')];
    const certificate = await bastion('certificate', 'register', ...partner, '--use', 'both');
    expect(certificate.out).to.match(/^cert_\w+\n[0-9a-f]{64}$/);
    const address = await bastion('address', 'allow', '--organization', organization, '--block', '203.0.113.0/24');
    expect(address.out).to.equal('203.0.113.0/24');
    const key = await bastion('key', 'create', '--organization', organization, '--name', 'k', '--scopes', 'org:read');
    expect(key.out).to.match(/^key_\w+\nsk_live_[\w-]{43}$/);
    expect(readFileSync(database).includes(key.out.split('\n')[1]!), 'the secret is not stored').to.equal(false);
  });

  it('says what is wrong, and exits with 1', async () => {
    const scope = await bastion('key', 'create', '--organization', organization, '--name', 'k', '--scopes', 'org:fly');
    expect(scope).to.deep.include({ code: 1, out: '' });
    expect(scope.error).to.include('no such scope: org:fly');
    const block = await bastion('address', 'allow', '--organization', organization, '--block', 'everything');
    expect(block.error).to.include('everything is no IP address or CIDR block');
    const url = 'https://169.254.169.254/approve';
    const webhook = await bastion('approval-webhook', 'register', '--organization', organization, '--url', url);
    expect(webhook).to.deep.include({ code: 1 });
    expect(webhook.error).to.include('public address');
  });

  it('proves the audit trail, and notices a row that was changed', async () => {
    const log = join(folder, 'anchor.log');
    const { signing } = await developmentFiles(folder);
    const checkpoints = await chained(signing);
    writeFileSync(log, checkpoints.map(checkpoint => `${JSON.stringify({ level: 30, checkpoint })}\n`).join(''));
    const whole = await bastion('audit', 'verify', '--anchor', log);
    expect(whole.code).to.equal(0);
    expect(JSON.parse(whole.out).intact).to.equal(true);

    const earlier = join(folder, 'earlier.pem');
    writeFileSync(earlier, signing.certificate);
    const { server } = await developmentFiles(folder);
    const files = {
      BASTION_SIGNING_CERTIFICATE: join(folder, 'next.pem'),
      BASTION_SIGNING_KEY: join(folder, 'next.key'),
    };
    writeFileSync(files.BASTION_SIGNING_CERTIFICATE, server.certificate);
    writeFileSync(files.BASTION_SIGNING_KEY, server.key);
    Object.assign(environment, files);
    const lacking = await bastion('audit', 'verify', '--anchor', log);
    expect(lacking.code).to.equal(1);
    expect(lacking.out).to.include(thumbprintOf(new X509Certificate(signing.certificate)));
    const rotated = await bastion('audit', 'verify', '--anchor', log, '--certificates', earlier);
    expect([rotated.code, JSON.parse(rotated.out).problems]).to.deep.equal([0, []]);
    for (const name of Object.keys(files)) delete environment[name];

    const db = new DatabaseSync(database);
    db.exec(`update audit_events set actor_id = 'nobody' where operation = 'key.create'`);
    db.close();
    const changed = await bastion('audit', 'verify', '--anchor', log);
    expect(changed.code).to.equal(1);
    expect(JSON.parse(changed.out)).to.deep.include({ intact: false });
  });

  /** What a running server does within a second. */
  async function chained(signing: { certificate: string; key: string }) {
    const db = await openDatabase({ url: `sqlite:${database}`, entities });
    const key = createPrivateKey(signing.key);
    const thumbprint = thumbprintOf(new X509Certificate(signing.certificate));
    const signer = { thumbprint, sign: (statement: string) => signDetached(key, statement) };
    const checkpoints = await chainAudit(db, signer, { checkpoint: 'now' });
    await db.close();
    return checkpoints;
  }

  it('shows the master keys and what is sealed under them, and asks the nodes to seal it anew', async () => {
    const status = await bastion('master-key', 'status');
    expect(JSON.parse(status.out)).to.deep.equal({
      writing: 1,
      readable: [1],
      removable: [],
      missing: [],
      sealed: [],
    });
    expect((await bastion('master-key', 'reseal')).out).to.include('master-key status');
  });

  it('checks the generated WSDL and prints OpenAPI', async () => {
    expect((await bastion('wsdl', '--check')).code).to.equal(0);
    expect(JSON.parse((await bastion('openapi')).out).openapi).to.match(/^3\.1\./);
    await bastion('wsdl', '--zip', join(folder, 'wsdl.zip'), '--url', 'https://extranet.example');
    expect(readFileSync(join(folder, 'wsdl.zip')).subarray(0, 2).toString()).to.equal('PK');
  });

  it('leaves the database as SQLite can read it', () => {
    const db = new DatabaseSync(database, { readOnly: true });
    expect(db.prepare('pragma integrity_check').get()).to.deep.include({ integrity_check: 'ok' });
    db.close();
  });
});
