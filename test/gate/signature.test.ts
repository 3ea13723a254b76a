import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { signDetached } from '../../src/core/detached-signature.ts';
import { Refusal } from '../../src/core/errors.ts';
import { canonicalString, type SignatureVersion, sha256Hex, signRequest } from '../../src/core/request-signature.ts';
import {
  checkFraming,
  checkTarget,
  checkTimestamp,
  readSecurityHeaders,
  singleHeaders,
  verifyRequestSignature,
} from '../../src/gate/signature.ts';
import { type CertificateSet, certificates } from '../kit/certificates.ts';

const apiKey = 'sk_live_0123456789abcdef';
const method = 'POST';
const target = '/v3/secure-email/send?dry_run=true&tag=a%2Fb';
const body = '{"to":["a@example.com"]}';
const host = 'api.bastion.example:8443';

describe('the request signature', () => {
  let set: CertificateSet;
  before(async () => {
    set = await certificates();
  });

  const signed = (changes: Partial<Parameters<typeof signRequest>[0]> = {}): Record<string, string> => ({
    Host: host,
    ...signRequest({
      method,
      target,
      host,
      body,
      apiKey,
      contentType: 'application/json',
      privateKey: set.partner.privateKey,
      thumbprint: set.partner.thumbprint,
      ...changes,
    }),
  });

  /** What the server makes of headers: the digest, or the words of the refusal. */
  const outcome = (
    headers: Record<string, string>,
    received: { method?: string; target?: string; body?: string } = {},
  ) =>
    said(() =>
      verifyRequestSignature({
        method: received.method ?? method,
        target: received.target ?? target,
        headers: readSecurityHeaders(Object.entries(headers).flat()),
        bodyHash: sha256Hex(received.body ?? body),
        publicKey: set.partner.publicKey,
      }),
    );

  it('covers method, target, timestamp, nonce and body hash, joined by line feeds, under SHA-256 [BAS-016]', () => {
    const headers = signed();
    const bodyHash = createHash('sha256').update(body).digest('hex');
    const canonical = [method, target, headers['Bastion-Timestamp'], headers['Bastion-Nonce'], bodyHash].join('\n');
    expect(signDetached(set.partner.privateKey, canonical)).to.equal(headers['Bastion-Signature']);
    expect(outcome(headers)).to.equal(`sha256:${createHash('sha256').update(canonical).digest('hex')}`);
  });

  it('covers host, organisation, key, idempotency key, content type and preference in version 2', () => {
    const headers = signed({ version: 2, orgId: 'org_1', idempotencyKey: 'once', prefer: 'respond-async' });
    const lines = [
      'BASTION2',
      host,
      method,
      target,
      headers['Bastion-Timestamp'],
      headers['Bastion-Nonce'],
      sha256Hex(body),
      'org_1',
      sha256Hex(apiKey),
      'once',
      'application/json',
      'respond-async',
    ];
    expect(outcome(headers)).to.equal(`sha256:${sha256Hex(lines.join('\n'))}`);
  });

  it('is made with an elliptic key as well', () => {
    const headers = signed({ privateKey: set.elliptic.privateKey, thumbprint: set.elliptic.thumbprint });
    const digest = verifyRequestSignature({
      method,
      target,
      headers: readSecurityHeaders(Object.entries(headers).flat()),
      bodyHash: sha256Hex(body),
      publicKey: set.elliptic.publicKey,
    });
    expect(digest).to.match(/^sha256:[0-9a-f]{64}$/);
  });

  const changes: Record<string, { method?: string; target?: string; body?: string }> = {
    'another method': { method: 'PUT' },
    'another path': { target: target.replace('send', 'sent') },
    'another query': { target: target.replace('true', 'false') },
    'another escaping of the query': { target: target.replace('%2F', '%2f') },
    'another body': { body: `${body} ` },
    'no body': { body: '' },
  };
  for (const [what, received] of Object.entries(changes)) {
    it(`does not verify for ${what} [BAS-010]`, () => {
      expect(outcome(signed(), received)).to.match(/^signature_invalid: /);
    });
  }

  for (const name of ['Bastion-Timestamp', 'Bastion-Nonce', 'Bastion-Signature']) {
    it(`does not verify with the ${name} of another request [BAS-010]`, () => {
      const other = signed({ now: new Date(Date.now() - 5000) });
      expect(outcome({ ...signed(), [name]: other[name]! })).to.match(/^signature_invalid: /);
    });
  }

  for (const [name, value] of [
    ['Host', 'evil.example'],
    ['Bastion-Org-Id', 'org_2'],
    ['Authorization', 'Bearer sk_live_anotherkey'],
    ['Idempotency-Key', 'twice'],
    ['Content-Type', 'text/plain'],
    ['Prefer', 'respond-async'],
  ] as const) {
    it(`of version 2 does not verify with another ${name}`, () => {
      expect(outcome({ ...signed({ version: 2 }), [name]: value })).to.match(/^signature_invalid: /);
    });
  }

  it('of version 2 reads the host in any case', () => {
    expect(outcome({ ...signed({ version: 2 }), Host: host.toUpperCase() })).to.match(/^sha256:/);
  });

  it("does not verify with another partner's key [BAS-010]", () => {
    expect(outcome(signed({ privateKey: set.otherPartner.privateKey }))).to.match(/^signature_invalid: /);
  });

  it('of version 1 is none of version 2, nor the reverse', () => {
    const { 'Bastion-Signature-Version': _, ...stripped } = signed({ version: 2 });
    expect(outcome({ ...signed(), 'Bastion-Signature-Version': '2' })).to.contain('covers the version 1 string');
    expect(outcome(stripped)).to.contain('covers the version 2 string');
  });

  describe('says what was misread when it covers', () => {
    const misread = (change: (canonical: string) => string | Buffer, received = {}) => {
      const headers = signed();
      const parts = {
        timestamp: headers['Bastion-Timestamp']!,
        nonce: headers['Bastion-Nonce']!,
        bodyHash: sha256Hex(body),
      };
      const canonical = canonicalString(1, { method, target, ...parts, ...received });
      return outcome(
        { ...headers, 'Bastion-Signature': signDetached(set.partner.privateKey, change(canonical)) },
        received,
      );
    };
    const cases: Record<string, [RegExp, (canonical: string) => string | Buffer]> = {
      'the path without the query': [/must include the query/, text => text.replace(/\?\S*/, '')],
      'the hash of the hash, in hex': [/covers the hex digest/, text => sha256Hex(text)],
      'the hash of the hash, in binary': [
        /covers the binary digest/,
        text => createHash('sha256').update(text).digest(),
      ],
      'a line feed at the end': [/must not end with a line feed/, text => `${text}\n`],
      'carriage returns': [/line feeds alone/, text => text.replaceAll('\n', '\r\n')],
      'a body hash in capitals': [/must be lowercase/, text => text.replace(/[^\n]*$/, hash => hash.toUpperCase())],
      'a body hash in base64': [
        /not base64/,
        text => text.replace(/[^\n]*$/, hash => Buffer.from(hash, 'hex').toString('base64')),
      ],
      'a method in small letters': [/in capitals/, text => text.replace('POST', 'post')],
    };
    for (const [what, [words, change]] of Object.entries(cases)) {
      it(what, () => expect(misread(change)).to.match(words));
    }

    it('an empty line in place of the hash of an empty body', () => {
      const parts = {
        method: 'GET',
        target: '/v3/scopes',
        timestamp: '1700000000',
        nonce: 'nonce-nonce',
        bodyHash: '',
      };
      const headers = {
        ...signed(),
        'Bastion-Timestamp': parts.timestamp,
        'Bastion-Nonce': parts.nonce,
        'Bastion-Signature': signDetached(set.partner.privateKey, canonicalString(1, parts)),
      };
      expect(outcome(headers, { method: 'GET', target: '/v3/scopes', body: '' })).to.contain('zero octets');
    });

    it('a misreading of the holder of the key, and of nobody else', () => {
      const headers = signed({ privateKey: set.otherPartner.privateKey, target: '/v3/secure-email/send' });
      expect(outcome(headers)).to.equal('signature_invalid: The request signature is missing or does not verify.');
    });
  });

  describe('is read from headers', () => {
    const read = (change: Record<string, string | undefined>): string => {
      const headers = Object.entries({ ...signed(), ...change }).filter(entry => entry[1] !== undefined) as [
        string,
        string,
      ][];
      return said(() => {
        readSecurityHeaders(headers.flat());
        return 'read';
      });
    };
    const thumbprint = () => set.partner.thumbprint;

    it('in any case, the thumbprint with or without colons', () => {
      const colons = thumbprint()
        .toUpperCase()
        .replace(/..(?=.)/g, '$&:');
      const raw = Object.entries({ ...signed(), 'Bastion-Cert-Thumbprint': colons }).map(([name, value]) => [
        name.toUpperCase(),
        value,
      ]);
      expect(readSecurityHeaders(raw.flat())).to.include({
        thumbprint: thumbprint(),
        apiKey,
        version: 1,
        host,
        orgId: undefined,
      });
    });

    const wrong: Record<string, [string, string | undefined]> = {
      'no Authorization': ['key_invalid', undefined],
      'an Authorization that is no bearer token': ['key_invalid', 'Basic dXNlcjpwYXNz'],
      'an Authorization of two tokens': ['key_invalid', 'Bearer sk_live_aaaaaaaa, Bearer sk_live_bbbbbbbb'],
      'no Bastion-Cert-Thumbprint': ['certificate_required', undefined],
      'a Bastion-Cert-Thumbprint of SHA-1': ['certificate_invalid', 'ab'.repeat(20)],
      'no Bastion-Timestamp': ['timestamp_invalid', undefined],
      'a Bastion-Timestamp in milliseconds': ['timestamp_invalid', '1700000000000'],
      'a Bastion-Timestamp with a sign': ['timestamp_invalid', '+170000000'],
      'a Bastion-Timestamp as a date': ['timestamp_invalid', '2026-01-01T00:00:00Z'],
      'no Bastion-Nonce': ['signature_invalid', undefined],
      'a Bastion-Nonce of 7 characters': ['signature_invalid', 'a'.repeat(7)],
      'a Bastion-Nonce of 129 characters': ['signature_invalid', 'a'.repeat(129)],
      'a Bastion-Nonce with a space': ['signature_invalid', 'aaaa aaaa'],
      'no Bastion-Signature': ['signature_invalid', undefined],
      'an empty Bastion-Signature': ['signature_invalid', ''],
      'a Bastion-Signature-Version of 3': ['malformed', '3'],
      'an empty Bastion-Signature-Version': ['malformed', ''],
    };
    for (const [what, [code, value]] of Object.entries(wrong)) {
      it(`and ${what} is ${code} [BAS-007]`, () => {
        const name = /(Authorization|Bastion-[\w-]+)/.exec(what)![1]!;
        expect(read({ [name]: value })).to.match(new RegExp(`^${code}: `));
      });
    }

    for (const name of [
      'Host',
      'Authorization',
      'Bastion-Org-Id',
      'Bastion-Cert-Thumbprint',
      'Bastion-Timestamp',
      'Bastion-Nonce',
      'Bastion-Signature',
      'Bastion-Signature-Version',
      'Idempotency-Key',
      'Prefer',
      'Content-Type',
      'Content-Length',
    ]) {
      it(`and ${name} twice is refused, whatever the case of its name`, () => {
        const raw = [...Object.entries(signed()).flat(), name, 'a', name.toLowerCase(), 'a'];
        expect(said(() => readSecurityHeaders(raw).nonce)).to.match(/^malformed: .* more than once/);
      });
    }
  });

  describe('has a timestamp', () => {
    const at = (seconds: number) =>
      said(() => String(checkTimestamp('1700000000', new Date((1_700_000_000 + seconds) * 1000))));
    it('that may be 60 seconds off, and no more [BAS-014]', () => {
      expect([0, 60, -60].map(at)).to.deep.equal(Array(3).fill('undefined'));
      for (const seconds of [60.001, -60.001, 61, 86_400]) expect(at(seconds)).to.match(/^timestamp_invalid: /);
    });
  });

  describe('has a request target', () => {
    for (const fine of [
      '/',
      '/v3/scopes',
      '/v3/a%20b',
      '/v3/x?q=a%2Fb%2e%5C',
      '/v3/x?q=//',
      '/v3/x?next=../y',
      '/v3/~a_b-c.d',
      '/v3/..a/b..',
      '/v3/%C3%A9',
      "/v3/x?a=(b)*c'd!",
      '/v3/x?',
      '/v3/x/',
    ]) {
      it(`that may be ${fine}`, () => expect(said(() => String(checkTarget(fine)))).to.equal('undefined'));
    }
    for (const wrong of [
      'https://api.bastion.example/v3/scopes',
      '*',
      '',
      'v3/scopes',
      '//evil.example/x',
      '/v3//scopes',
      '/v3/./x',
      '/v3/../x',
      '/v3/..',
      '/v3/.',
      '/v3/a%2Fb',
      '/v3/a%2fb',
      '/v3/a%5Cb',
      '/v3/%2E%2e/x',
      '/v3/a%2Eb',
      '/v3/a%00b',
      '/v3/x?a=%00',
      '/v3/a%',
      '/v3/a%4',
      '/v3/a%zz',
      '/v3/%ff',
      '/v3/x?a=%C3',
      '/v3/é',
      '/v3/x?a=é',
      '/v3/a b',
      '/v3/x#y',
      '/v3\\x',
      '/v3/a\tb',
      '/v3/x?a="b"',
      '/v3/{id}',
      '/v3/\u007f',
    ]) {
      it(`that must not be ${JSON.stringify(wrong)}`, () => {
        expect(said(() => String(checkTarget(wrong)))).to.match(/^malformed: The request target /);
      });
    }
  });

  describe('has a body', () => {
    const framing = (verb: string, ...raw: string[]) => said(() => String(checkFraming(verb, singleHeaders(raw))));

    it('with POST, or none', () => {
      expect([
        framing('POST', 'Content-Length', '5'),
        framing('GET', 'Content-Length', '0'),
        framing('GET'),
      ]).to.deep.equal(Array(3).fill('undefined'));
    });

    it('never with GET or HEAD', () => {
      expect(framing('GET', 'Content-Length', '1')).to.match(/^malformed: /);
      expect(framing('HEAD', 'Content-Length', '1')).to.match(/^malformed: /);
      expect(framing('GET', 'Transfer-Encoding', 'chunked')).to.match(/^malformed: /);
    });

    it('never encoded', () => {
      expect(framing('POST', 'Content-Encoding', 'gzip')).to.match(/^unsupported_media_type: /);
    });
  });

  it('of every version has its own form, so that no text of one is a text of the other', () => {
    const parts = { method, target, timestamp: '1700000000', nonce: 'aaaaaaaa', bodyHash: sha256Hex('') };
    const lines = ([1, 2] as SignatureVersion[]).map(version => canonicalString(version, parts).split('\n').length);
    expect(lines).to.deep.equal([5, 12]);
  });
});

function said(work: () => string): string {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return `${error.code}: ${error.message}`;
    throw error;
  }
}
