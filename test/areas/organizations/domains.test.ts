import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type DnsRecord, lookUp, makeSigningKeys, normalizeDomain } from '../../../src/areas/organizations/domains.ts';
import { Domain, DomainKey } from '../../../src/areas/organizations/entities.ts';
import { addDomain, verifyDomain } from '../../../src/areas/organizations/operations.ts';
import { read } from '../../../src/db/transaction.ts';
import { type Kit, startKit, type Tenant } from '../../kit/app.ts';
import { bothDoors, done, pattern, through } from '../through.ts';

/** Name servers that publish what a test wrote into `zone`, and are out of reach for the names in `silent`. */
class Zone {
  readonly records = new Map<string, string[]>();
  readonly silent = new Set<string>();
  /** Every record that AddDomain asked for. */
  publish(domain: string, records: readonly DnsRecord[]): void {
    for (const { type, host, value } of records) {
      const name = `${type} ${host === '@' ? '' : `${host}.`}${domain}`;
      this.records.set(name, [...(this.records.get(name) ?? []), value]);
    }
  }
  readonly resolver = {
    // Strings of at most 255 octets, as DNS has them.
    resolveTxt: async (name: string) => this.#find(`TXT ${name}`).map(value => value.match(/.{1,255}/g)!),
    resolveMx: async (name: string) => this.#find(`MX ${name}`).map(exchange => ({ exchange, priority: 10 })),
  } as unknown as Resolver;
  #find(name: string): string[] {
    if (this.silent.has(name)) throw Object.assign(new Error('timeout'), { code: 'ETIMEOUT' });
    const found = this.records.get(name);
    if (!found) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    return found;
  }
}

describe('domains', () => {
  const zone = new Zone();
  let kit: Kit;
  let rival: Tenant;
  let n = 0;
  const fresh = () => `d${++n}.example`;
  before(async () => {
    kit = await startKit({ resolver: zone.resolver });
    rival = await kit.organization('Globex', { certificate: kit.set.otherPartner });
  });
  after(() => kit.close());

  for (const door of bothDoors) {
    describe(`over ${door}`, () => {
      it('returns the TXT, MX and DKIM records to publish [BAS-065]', async () => {
        const domain = fresh();
        const answer = await done(door, kit.tenant, addDomain, { org_id: kit.tenant.id, domain });
        expect(pattern(answer)).to.deep.equal({
          domain_id: 'dom_…',
          domain,
          status: 'pending',
          dns_records: [
            { type: 'TXT', host: '@', value: 'token' },
            { type: 'MX', host: '@', value: kit.app.services.settings.mxHost, priority: 10 },
            { type: 'TXT', host: 'bastion._domainkey', value: 'v=DKIM1; k=rsa; p=…' },
            { type: 'TXT', host: 'bastion-ed25519._domainkey', value: 'v=DKIM1; k=ed25519; p=…' },
          ],
        });
      });

      it('verifies a domain whose token is published, and says what is found and missing', async () => {
        const domain = fresh();
        const asked = await done(door, kit.tenant, addDomain, { org_id: kit.tenant.id, domain });
        const claim = { org_id: kit.tenant.id, domain_id: asked.domain_id };
        const before = await done(door, kit.tenant, verifyDomain, claim);
        expect(statuses(before)).to.deep.equal(['missing', 'missing', 'missing', 'missing']);
        expect(before).to.include({ status: 'pending', verified_at: null });
        zone.publish(domain, asked.dns_records.slice(0, 3));
        const after = await done(door, kit.tenant, verifyDomain, claim);
        expect(statuses(after)).to.deep.equal(['found', 'found', 'found', 'missing']);
        expect(pattern(after)).to.include({ status: 'verified', verified_at: 'instant' });
      });

      it('tells missing records from name servers that do not answer', async () => {
        const domain = fresh();
        const asked = await done(door, kit.tenant, addDomain, { org_id: kit.tenant.id, domain });
        zone.silent.add(`TXT ${domain}`);
        const answer = await done(door, kit.tenant, verifyDomain, {
          org_id: kit.tenant.id,
          domain_id: asked.domain_id,
        });
        expect(answer.status).to.equal('pending');
        expect(statuses(answer)).to.deep.equal(['unreachable', 'missing', 'missing', 'missing']);
      });

      it('keeps a verified domain from any other organisation', async () => {
        const domain = fresh();
        const ours = await done(door, kit.tenant, addDomain, { org_id: kit.tenant.id, domain });
        const theirs = await done(door, rival, addDomain, { org_id: rival.id, domain });
        zone.publish(domain, [...ours.dns_records, ...theirs.dns_records]);
        await done(door, kit.tenant, verifyDomain, { org_id: kit.tenant.id, domain_id: ours.domain_id });
        const second = await through(door, rival, verifyDomain, { org_id: rival.id, domain_id: theirs.domain_id });
        expect(second.outcome).to.equal('conflict');
      });

      it('refuses a domain that the organisation has, in whatever spelling', async () => {
        const domain = fresh();
        await done(door, kit.tenant, addDomain, { org_id: kit.tenant.id, domain });
        for (const again of [domain, domain.toUpperCase(), `${domain}.`]) {
          const { outcome } = await through(door, kit.tenant, addDomain, { org_id: kit.tenant.id, domain: again });
          expect(outcome, again).to.equal('conflict');
        }
      });

      it('refuses what is no domain', async () => {
        const { outcome, fields } = await through(door, kit.tenant, addDomain, {
          org_id: kit.tenant.id,
          domain: '127.0.0.1',
        });
        expect({ outcome, fields }).to.deep.equal({ outcome: 'validation_failed', fields: ['domain'] });
      });

      it("verifies no other organisation's claim", async () => {
        const { domain_id } = await done(door, rival, addDomain, { org_id: rival.id, domain: fresh() });
        const { outcome } = await through(door, kit.tenant, verifyDomain, { org_id: kit.tenant.id, domain_id });
        expect(outcome).to.equal('not_found');
      });
    });
  }

  it('seals the private halves of the published keys', async () => {
    const { domain_id, dns_records } = await done('rest', kit.tenant, addDomain, {
      org_id: kit.tenant.id,
      domain: fresh(),
    });
    const rows = await read(kit.app.db, 'system', em => em.find(DomainKey, { domainId: domain_id }));
    expect(rows).to.have.lengthOf(2);
    for (const row of rows) {
      const place = { table: 'domain_keys', column: 'private_key', row: row.id, organization: kit.tenant.id };
      const pem = kit.app.services.keyring.openText(place, row.privateKey);
      expect(row.privateKey.includes('PRIVATE KEY')).to.equal(false);
      const publicKey = createPublicKey(createPrivateKey(pem)).export({ type: 'spki', format: 'der' });
      const published = dns_records.find((record: DnsRecord) => record.host === `${row.selector}._domainkey`).value;
      expect(publicKey.toString('base64').endsWith(published.split('p=')[1])).to.equal(true);
    }
  });

  it('keeps one row per organisation when the same domain is added twice at once', async () => {
    const domain = fresh();
    const add = () => through('rest', kit.tenant, addDomain, { org_id: kit.tenant.id, domain });
    const answers = await Promise.all([add(), add()]);
    expect(answers.map(({ outcome }) => outcome).sort()).to.deep.equal(['conflict', 'ok']);
    expect(await read(kit.app.db, 'system', em => em.count(Domain, { domain }))).to.equal(1);
  });

  it('makes real keys: RSA of 2048 bits, and the 32 octets of an Ed25519 key', async () => {
    const [rsa, ed25519] = await makeSigningKeys();
    const key = createPublicKey({ key: Buffer.from(rsa!.publicKey, 'base64'), format: 'der', type: 'spki' });
    expect(key.asymmetricKeyDetails?.modulusLength).to.equal(2048);
    expect(Buffer.from(ed25519!.publicKey, 'base64')).to.have.lengthOf(32);
  });

  it('makes the keys of many domains one after the other: files, names and signatures wait for the same threads', async () => {
    let made = 0;
    const all = Array.from({ length: 40 }, () => makeSigningKeys().then(() => made++));
    await readFile(import.meta.filename);
    expect(made).to.be.lessThan(5);
    await Promise.all(all);
  });

  it('reads every spelling of a domain as one, and nothing else as a domain', () => {
    expect(normalizeDomain('Stonebridge.HEALTH.')).to.equal('stonebridge.health');
    expect(normalizeDomain('bücher.example')).to.equal('xn--bcher-kva.example');
    const wrong = [
      'localhost',
      '10.0.0.1',
      '0x7f.1',
      'a..b',
      '-a.example',
      'a_b.example',
      'ex%61mple.com',
      'a.example/b',
    ];
    for (const text of [
      ...wrong,
      'a.example:25',
      'user@a.example',
      `${'a'.repeat(64)}.example`,
      '[::1]',
      'a .example',
    ]) {
      expect(normalizeDomain(text), text).to.equal(undefined);
    }
  });

  it('waits for name servers no longer than it may', async () => {
    const never = { resolveTxt: () => new Promise(() => {}) } as unknown as Resolver;
    const record = { type: 'TXT', host: '@', value: 'x' } as const;
    expect(await lookUp(never, 'a.example', [record], AbortSignal.timeout(20))).to.deep.equal(['unreachable']);
  });

  it('finds keys that were published in pieces or with spaces, and none that differ in case', async () => {
    const record = { type: 'TXT', host: 'k._domainkey', value: 'v=DKIM1; k=rsa; p=AbC' } as const;
    const published = (...strings: string[]) =>
      lookUp(
        { resolveTxt: async () => [['unrelated'], strings] } as unknown as Resolver,
        'a.example',
        [record],
        AbortSignal.timeout(1000),
      );
    expect(await published('v=DKIM1;k=rsa; p=A', 'bC')).to.deep.equal(['found']);
    expect(await published('v=DKIM1; k=rsa; p=abc')).to.deep.equal(['missing']);
  });
});

const statuses = (answer: { dns_records: { status: string }[] }) => answer.dns_records.map(({ status }) => status);
