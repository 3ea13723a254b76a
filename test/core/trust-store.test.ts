import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
} from '@peculiar/x509';
import { expect } from 'chai';
import { Authority, authorityExtensions, clientExtensions, newRequest } from '../../src/core/authority.ts';
import { parseCertificate, type TrustMaterial, TrustStore, thumbprintOf } from '../../src/core/certificates.ts';
import { parseRevocationLists } from '../../src/core/crl.ts';

const day = 86_400_000;
const soon = () => new Date(Date.now() + day);
const x509 = (pem: string) => new X509Certificate(pem);
const unknownExtension = (critical: boolean) => new Extension('1.2.3.4.5', critical, new Uint8Array([5, 0]));
/** Permits names beneath a.test. */
const nameConstraints = (critical: boolean) =>
  new Extension('2.5.29.30', critical, Buffer.from('300ca00a30088206612e74657374', 'hex'));
const leafWith = (...extensions: Extension[]) => [new BasicConstraintsExtension(false, undefined, true), ...extensions];

/** One member of the zoo. PEM texts. */
interface Specimen {
  leaf: string;
  intermediates?: string[];
  anchors?: string[];
  lists?: string[];
  withoutClientAuth?: string[];
  now?: Date;
}

interface Case {
  /** `ok`, or the reason for which we refuse. */
  ours: string;
  /** What `openssl verify` says, where it differs from us, and why it may. */
  openssl?: 'accepts: we are stricter' | 'refuses: the operator allowed it';
  build(): Promise<Specimen>;
}

describe('the trust store', () => {
  let root: Authority;
  let folder: string;

  before(async () => {
    root = await Authority.create('CN=Root');
    folder = mkdtempSync(join(tmpdir(), 'bastion-zoo-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const client = async (
    extensions: Extension[] = clientExtensions(),
    dates: { notBefore?: Date; notAfter?: Date } = {},
  ) => (await root.issue({ name: 'CN=leaf', extensions, ...dates })).certificate;

  const beneath = async (extensions: Extension[], name = 'CN=Middle') => {
    const middle = Authority.open(await root.issue({ name, extensions }));
    return { leaf: (await middle.client('CN=leaf')).certificate, intermediates: [middle.certificate] };
  };

  const zoo: Record<string, Case> = {
    'a client certificate of an approved authority': { ours: 'ok', build: async () => ({ leaf: await client() }) },
    'an RSA client certificate of an elliptic authority': {
      ours: 'ok',
      build: async () => ({ leaf: (await root.client('CN=leaf', 'RSA-2048')).certificate }),
    },
    'a certificate without any usage extension': { ours: 'ok', build: async () => ({ leaf: await client([]) }) },
    'extended key usage any': {
      ours: 'ok',
      build: async () => ({ leaf: await client(leafWith(new ExtendedKeyUsageExtension(['2.5.29.37.0', '1.2.3.4']))) }),
      openssl: 'refuses: the operator allowed it',
    },
    'a path over an intermediate': { ours: 'ok', build: () => beneath(authorityExtensions(0)) },
    'an approved intermediate whose root is unknown': {
      ours: 'ok',
      build: async () => {
        const { leaf, intermediates } = await beneath(authorityExtensions(0));
        return { leaf, anchors: intermediates };
      },
    },
    'an unknown extension that is not critical': {
      ours: 'ok',
      build: async () => ({ leaf: await client([...clientExtensions(), unknownExtension(false)]) }),
    },
    'a certificate signed through a request': {
      ours: 'ok',
      build: async () => ({ leaf: await root.signRequest((await newRequest('CN=leaf')).request) }),
    },
    'an authority that shares its name with another approved one': {
      ours: 'ok',
      build: async () => ({
        leaf: await client(),
        anchors: [(await Authority.create('CN=Root')).certificate, root.certificate],
      }),
    },
    'a second path when the first has expired': {
      ours: 'ok',
      build: async () => {
        const other = await Authority.create('CN=Other Root');
        const expired = await root.issue({
          name: 'CN=Middle',
          extensions: authorityExtensions(),
          notBefore: new Date(Date.now() - 2 * day),
          notAfter: new Date(Date.now() - day),
        });
        const leaf = (await Authority.open(expired).client('CN=leaf')).certificate;
        const request = opensslRequest(['-key', file('middle.key', expired.key)], '/CN=Middle');
        const crossed = opensslIssue(request, other, ['-extfile', file('ca.cnf', 'basicConstraints=critical,CA:TRUE')]);
        return { leaf, intermediates: [expired.certificate, crossed], anchors: [root.certificate, other.certificate] };
      },
    },
    'self-issued intermediates, which a path length does not count': {
      ours: 'ok',
      build: async () => {
        const first = await root.intermediate('CN=Rolling', 0);
        const second = await first.intermediate('CN=Rolling');
        return {
          leaf: (await second.client('CN=leaf')).certificate,
          intermediates: [first.certificate, second.certificate],
        };
      },
    },
    'an authority that nobody approved': {
      ours: 'untrusted',
      build: async () => ({ leaf: (await (await Authority.create('CN=Stranger')).client('CN=leaf')).certificate }),
    },
    'an unapproved authority that comes along as an intermediate': {
      ours: 'untrusted',
      build: async () => {
        const stranger = await Authority.create('CN=Stranger');
        return { leaf: (await stranger.client('CN=leaf')).certificate, intermediates: [stranger.certificate] };
      },
    },
    'a false authority with the name of the approved one': {
      ours: 'untrusted',
      build: async () => {
        const fake = await Authority.create('CN=Root');
        return { leaf: (await fake.client('CN=leaf')).certificate, intermediates: [fake.certificate] };
      },
    },
    'a missing intermediate': {
      ours: 'untrusted',
      build: async () => ({ leaf: (await beneath(authorityExtensions())).leaf }),
    },
    'an expired certificate': {
      ours: 'expired',
      build: async () => ({
        leaf: await client(undefined, { notBefore: new Date(0), notAfter: new Date(Date.now() - day) }),
      }),
    },
    'a certificate that is not yet valid': {
      ours: 'not_yet_valid',
      build: async () => ({ leaf: await client(undefined, { notBefore: soon() }) }),
    },
    'an authority that has expired': {
      ours: 'expired',
      build: async () => ({
        leaf: await client(undefined, { notAfter: new Date(Date.now() + 5000 * day) }),
        now: new Date(Date.now() + 4000 * day),
      }),
    },
    'an intermediate that may not issue (cA is false)': {
      ours: 'not_an_authority',
      build: () => beneath(clientExtensions()),
    },
    'an intermediate without basic constraints': {
      ours: 'not_an_authority',
      build: () => beneath([new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)]),
    },
    'an intermediate without keyCertSign': {
      ours: 'key_usage',
      build: () => beneath([new BasicConstraintsExtension(true), new KeyUsagesExtension(KeyUsageFlags.cRLSign, true)]),
    },
    'a path longer than an authority allows': {
      ours: 'path_length',
      build: async () => {
        const first = await root.intermediate('CN=First', 0);
        const second = await first.intermediate('CN=Second');
        return {
          leaf: (await second.client('CN=leaf')).certificate,
          intermediates: [first.certificate, second.certificate],
        };
      },
    },
    'an unknown critical extension in the certificate': {
      ours: 'unknown_extension',
      build: async () => ({ leaf: await client([...clientExtensions(), unknownExtension(true)]) }),
    },
    'an unknown critical extension in an intermediate': {
      ours: 'unknown_extension',
      build: () => beneath([...authorityExtensions(), unknownExtension(true)]),
    },
    'critical name constraints, which we do not enforce': {
      ours: 'unknown_extension',
      build: () => beneath([...authorityExtensions(), nameConstraints(true)]),
      openssl: 'accepts: we are stricter',
    },
    'name constraints that are not critical': {
      ours: 'unknown_extension',
      build: () => beneath([...authorityExtensions(), nameConstraints(false)]),
      openssl: 'accepts: we are stricter',
    },
    'a certificate for servers only': {
      ours: 'extended_key_usage',
      build: async () => ({ leaf: (await root.server()).certificate }),
    },
    'a certificate for servers only, where the operator accepts it': {
      ours: 'ok',
      build: async () => ({
        leaf: (await root.server()).certificate,
        withoutClientAuth: [thumbprintOf(x509(root.certificate))],
      }),
      openssl: 'refuses: the operator allowed it',
    },
    'a certificate for code signing, where the operator accepts servers': {
      ours: 'extended_key_usage',
      build: async () => ({
        leaf: await client(leafWith(new ExtendedKeyUsageExtension([ExtendedKeyUsage.codeSigning]))),
        withoutClientAuth: [thumbprintOf(x509(root.certificate))],
      }),
    },
    'an intermediate that is restricted to servers': {
      ours: 'extended_key_usage',
      build: () => beneath([...authorityExtensions(), new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth])]),
    },
    'a key that may encipher but not sign': {
      ours: 'key_usage',
      build: async () => ({
        leaf: await client(leafWith(new KeyUsagesExtension(KeyUsageFlags.keyEncipherment, true))),
      }),
    },
    'an authority used as a client': {
      ours: 'is_an_authority',
      build: async () => ({ leaf: (await root.intermediate('CN=Middle')).certificate }),
    },
    'an RSA key of 1024 bits': {
      ours: 'weak_key',
      build: async () => ({ leaf: await root.signRequest(opensslRequest(['-newkey', 'rsa:1024'])) }),
      openssl: 'accepts: we are stricter',
    },
    'an authority with an RSA key of 1024 bits': {
      ours: 'untrusted',
      build: async () => {
        const keyFile = join(folder, 'weak.key');
        const subject = ['-subj', '/CN=Weak', '-addext', 'basicConstraints=critical,CA:TRUE'];
        const made = openssl(['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-keyout', keyFile, ...subject]);
        const weak = Authority.open({ certificate: made.stdout, key: readFileSync(keyFile, 'utf8') });
        return { leaf: (await weak.client('CN=leaf', 'P-256')).certificate, anchors: [weak.certificate] };
      },
      openssl: 'accepts: we are stricter',
    },
    'a key on P-521': {
      ours: 'weak_key',
      build: async () => ({
        leaf: await root.signRequest(opensslRequest(['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'])),
      }),
      openssl: 'accepts: we are stricter',
    },
    'a signature with SHA-1': {
      ours: 'weak_signature',
      build: async () => ({ leaf: opensslIssue((await newRequest('CN=leaf')).request, root, ['-sha1']) }),
      openssl: 'accepts: we are stricter',
    },
    'a list that names other certificates': {
      ours: 'ok',
      build: async () => ({ leaf: await client(), lists: [await root.revocationList([await client()])] }),
    },
    'a revoked certificate': {
      ours: 'revoked',
      build: async () => {
        const leaf = await client();
        return { leaf, lists: [await root.revocationList([leaf])] };
      },
    },
    'a revoked intermediate': {
      ours: 'revoked',
      build: async () => {
        const { leaf, intermediates } = await beneath(authorityExtensions());
        return { leaf, intermediates, lists: [await root.revocationList(intermediates)] };
      },
    },
    'a revocation list that has expired': {
      ours: 'revocation_unknown',
      build: async () => ({
        leaf: await client(),
        lists: [await root.revocationList([], { thisUpdate: new Date(0), nextUpdate: new Date(Date.now() - 1000) })],
      }),
    },
    'a revocation list from the future': {
      ours: 'revocation_unknown',
      build: async () => ({ leaf: await client(), lists: [await root.revocationList([], { thisUpdate: soon() })] }),
    },
    'an expired revocation list beside its successor': {
      ours: 'ok',
      build: async () => ({
        leaf: await client(),
        lists: [
          await root.revocationList([], { thisUpdate: new Date(0), nextUpdate: new Date(Date.now() - 1000) }),
          await root.revocationList([]),
        ],
      }),
    },
    'a revocation list by a false authority of the same name': {
      ours: 'revocation_unknown',
      build: async () => ({
        leaf: await client(),
        lists: [await (await Authority.create('CN=Root')).revocationList([])],
      }),
    },
    'a revocation list by a key that may not sign lists': {
      ours: 'revocation_unknown',
      build: async () => {
        const issued = await root.issue({
          name: 'CN=Middle',
          extensions: [new BasicConstraintsExtension(true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
        });
        const middle = Authority.open(issued);
        const leaf = (await middle.client('CN=leaf')).certificate;
        return { leaf, intermediates: [issued.certificate], lists: [await middle.revocationList([])] };
      },
    },
  };

  for (const [what, { ours, openssl, build }] of Object.entries(zoo)) {
    it(`${ours === 'ok' ? 'accepts' : 'refuses'} ${what} [BAS-009]`, async () => {
      const specimen = await build();
      const verdict = storeFor(specimen).check(
        x509(specimen.leaf),
        (specimen.intermediates ?? []).map(x509),
        specimen.now ?? new Date(),
      );
      expect(verdict.ok ? 'ok' : verdict.reason).to.equal(ours);
      const accepted = opensslAccepts(specimen);
      expect(accepted ? 'accepts' : 'refuses').to.equal(openssl?.split(':')[0] ?? (verdict.ok ? 'accepts' : 'refuses'));
    });
  }

  it('refuses a certificate of which any octet was changed', async () => {
    const der = x509(await client()).raw;
    const store = storeFor({ leaf: '' });
    for (let at = 0; at < der.length; at++) {
      const changed = Buffer.from(der);
      changed[at]! ^= 1 << (at % 8);
      const certificate = parseCertificate(changed);
      const verdict = certificate && store.check(certificate, [], new Date());
      if (verdict?.ok) expect.fail(`accepted with octet ${at} changed`);
    }
  });

  it('answers the path from the certificate to the approved authority', async () => {
    const specimen = await beneath(authorityExtensions());
    const leaf = x509(specimen.leaf);
    const verdict = storeFor(specimen).check(leaf, specimen.intermediates.map(x509), new Date());
    const expected = [specimen.leaf, ...specimen.intermediates, root.certificate].map(pem => thumbprintOf(x509(pem)));
    expect(verdict.ok && verdict.chain.map(thumbprintOf)).to.deep.equal(expected);
  });

  it('refuses more intermediates than any path needs, and searches crossing ones for a bounded time only', async () => {
    const middle = await root.intermediate('CN=Middle');
    const leaf = x509((await middle.client('CN=leaf')).certificate);
    const look = (count: number) =>
      storeFor({ leaf: '' }).check(leaf, Array(count).fill(x509(middle.certificate)), new Date());
    expect([look(8).ok, look(9)]).to.deep.equal([true, { ok: false, reason: 'malformed' }]);
  });

  describe('while it remembers', () => {
    it('forgets at the end of validity and of a revocation list', async () => {
      const leaf = x509(await client(undefined, { notAfter: new Date(Date.now() + 20_000) }));
      const list = await root.revocationList([], { nextUpdate: new Date(Date.now() + 10_000) });
      const store = storeFor({ leaf: '', lists: [list] });
      const at = (seconds: number) => {
        const verdict = store.check(leaf, [], new Date(Date.now() + seconds * 1000));
        return verdict.ok ? 'ok' : verdict.reason;
      };
      expect([at(0), at(1), at(11), at(21), at(-7200)]).to.deep.equal([
        'ok',
        'ok',
        'revocation_unknown',
        'expired',
        'not_yet_valid',
      ]);
    });

    it('does not remember a refusal, which a stranger could have caused without the intermediates', async () => {
      const { leaf, intermediates } = await beneath(authorityExtensions());
      const store = storeFor({ leaf });
      expect(store.check(x509(leaf), [], new Date()).ok).to.equal(false);
      expect(store.check(x509(leaf), intermediates.map(x509), new Date()).ok).to.equal(true);
    });

    it('sees a revocation at once when it is reloaded, and keeps what it had when reloading fails', async () => {
      const leaf = x509(await client());
      let material: () => TrustMaterial = () => materialOf({ leaf: '' });
      const store = new TrustStore(() => material());
      expect(store.check(leaf, [], new Date()).ok).to.equal(true);
      material = () => {
        throw new Error('half-written file');
      };
      expect(() => store.reload()).to.throw('half-written file');
      expect(store.check(leaf, [], new Date()).ok).to.equal(true);
      const list = await root.revocationList([leaf.toString()]);
      material = () => materialOf({ leaf: '', lists: [list] });
      store.reload();
      expect(store.check(leaf, [], new Date())).to.deep.equal({ ok: false, reason: 'revoked' });
    });
  });

  function materialOf({ anchors = [root.certificate], lists = [], withoutClientAuth = [] }: Specimen): TrustMaterial {
    return {
      authorities: anchors.map(x509),
      revocationLists: lists.flatMap(list => parseRevocationLists(Buffer.from(list))),
      withoutClientAuth: new Set(withoutClientAuth),
      responders: new Map(),
    };
  }

  function storeFor(specimen: Specimen): TrustStore {
    return new TrustStore(() => materialOf(specimen));
  }

  /** The reference: approved authorities end a path (-partial_chain), as ours do. */
  function opensslAccepts({
    leaf,
    anchors = [root.certificate],
    intermediates = [],
    lists = [],
    now,
  }: Specimen): boolean {
    const args = ['verify', '-purpose', 'sslclient', '-partial_chain', '-CAfile', file('anchors', anchors.join(''))];
    if (intermediates.length > 0) args.push('-untrusted', file('intermediates', intermediates.join('')));
    if (lists.length > 0) args.push('-crl_check', '-CRLfile', file('lists', lists.join('')));
    if (now !== undefined) args.push('-attime', String(Math.floor(now.getTime() / 1000)));
    return openssl([...args, file('leaf', leaf)]).status === 0;
  }

  function opensslRequest(options: string[], subject = '/CN=leaf'): string {
    const out = options.includes('-key') ? [] : ['-nodes', '-keyout', join(folder, 'request.key')];
    const made = openssl(['req', '-new', '-subj', subject, ...options, ...out]);
    expect(made.status, made.stderr).to.equal(0);
    return made.stdout;
  }

  function opensslIssue(request: string, authority: Authority, options: string[]): string {
    const signer = ['-CA', file('ca', authority.certificate), '-CAkey', file('ca.key', authority.key)];
    const made = openssl(['x509', '-req', '-in', file('in', request), ...signer, '-set_serial', '77', ...options]);
    expect(made.status, made.stderr).to.equal(0);
    return made.stdout;
  }

  function file(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }
});

function openssl(args: string[]) {
  return spawnSync('openssl', args, { encoding: 'utf8', timeout: 10_000 });
}
