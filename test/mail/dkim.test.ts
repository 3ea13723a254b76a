import { createHash, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { type DkimKey, signMessage as signed } from '../../src/mail/dkim.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');
const signedAt = new Date('2026-07-02T14:03:00Z');

const keyOf = (privateKey: KeyObject, selector: string) => ({
  domain: 'stonebridge.example',
  selector,
  privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
});
const keys = [keyOf(rsa.privateKey, 'b1'), keyOf(ed25519.privateKey, 'b2')];

const message = (body: string, from = 'billing@stonebridge.example') =>
  Buffer.from(
    `From: ${from}\r\nTo: patient@example.com,\r\n second@example.com\r\nSubject:  Two   spaces\t\r\n` +
      `Date: Thu, 02 Jul 2026 14:03:00 +0000\r\nMessage-ID: <m@x>\r\nX-Unsigned: 1\r\n\r\n${body}`,
  );

/** The whole message, read in pieces that fit no line. */
async function signMessage(raw: Buffer, by: readonly DkimKey[], at: Date): Promise<Buffer> {
  const { size, open } = await signed(
    async function* () {
      for (let from = 0; from < raw.length; from += 65_521) yield raw.subarray(from, from + 65_521);
    },
    by,
    at,
  );
  const octets = await buffer(open());
  expect(octets.length).to.equal(size);
  return octets;
}

interface Signature {
  readonly header: string;
  tag(name: string): string;
}

function read(raw: Buffer): { headers: string[]; body: string; signatures: Signature[] } {
  const [head, ...body] = raw.toString('latin1').split('\r\n\r\n');
  const headers = head!.split(/\r\n(?![ \t])/);
  const signatures = headers
    .filter(header => header.startsWith('DKIM-Signature:'))
    .map(header => ({
      header,
      tag: (name: string) => {
        const tags = header.slice(15).replace(/\s+/g, ' ').split(';');
        return tags
          .find(tag => tag.trim().startsWith(`${name}=`))!
          .trim()
          .slice(name.length + 1);
      },
    }));
  return { headers, body: body.join('\r\n\r\n'), signatures };
}

/** As a receiver does it (RFC 6376 section 6.1.3), for the headers that a signature names. */
function holds({ headers }: { headers: string[] }, { header, tag }: Signature, publicKey: KeyObject): boolean {
  const relaxed = (line: string) => {
    const [, name, value] = /^([^:]+?)[ \t]*:([\s\S]*)$/.exec(line)!;
    return `${name!.toLowerCase()}:${value!
      .replace(/\r\n/g, '')
      .replace(/[ \t]+/g, ' ')
      .trim()}`;
  };
  const left = headers.map(relaxed);
  const named = tag('h')
    .split(':')
    .flatMap(name => {
      const index = left.findLastIndex(line => line.startsWith(`${name}:`));
      return index < 0 ? [] : left.splice(index, 1);
    });
  const own = relaxed(header).replace(/\bb=[^;]*$/, 'b=');
  const content = Buffer.from([...named, own].join('\r\n'), 'latin1');
  const value = Buffer.from(tag('b').replace(/ /g, ''), 'base64');
  return publicKey.asymmetricKeyType === 'rsa'
    ? verify('sha256', content, publicKey, value)
    : verify(null, createHash('sha256').update(content).digest(), publicKey, value);
}

const hashOf = (text: string): string => createHash('sha256').update(text, 'latin1').digest('base64');
const publicKeys = [rsa.publicKey, ed25519.publicKey];

describe('DKIM signing', () => {
  it('signs with RSA (RFC 6376) and Ed25519 (RFC 8463), and both verify', async () => {
    const signed = read(await signMessage(message('Hello\r\n'), keys, signedAt));
    expect(signed.signatures.map(({ tag }) => [tag('a'), tag('d'), tag('s'), tag('t')])).to.deep.equal([
      ['rsa-sha256', 'stonebridge.example', 'b1', '1783000980'],
      ['ed25519-sha256', 'stonebridge.example', 'b2', '1783000980'],
    ]);
    for (const [index, signature] of signed.signatures.entries()) {
      expect(holds(signed, signature, publicKeys[index]!), signature.tag('a')).to.equal(true);
    }
  });

  it('leaves the message itself as it was', async () => {
    const raw = message('Hello\r\n');
    const whole = await signMessage(raw, keys, signedAt);
    expect(whole.subarray(whole.length - raw.length).equals(raw)).to.equal(true);
    expect((await signMessage(raw, [], signedAt)).equals(raw)).to.equal(true);
  });

  const bodies: [string, string, string][] = [
    ['the example of RFC 6376 section 3.4.5', ' C \r\nD \t E\r\n\r\n\r\n', ' C\r\nD E\r\n'],
    ['nothing', '', ''],
    ['empty lines alone', '\r\n\r\n', ''],
    ['a last line without its end', 'a', 'a\r\n'],
    ['white space before the missing end', 'a \t', 'a\r\n'],
    ['lines of white space at the end', 'a\r\n \t\r\n\r\n', 'a\r\n'],
    ['octets above 127', 'gr\u00fc\u00df \u00a0\r\n', 'gr\u00fc\u00df \u00a0\r\n'],
  ];
  for (const [what, body, canonical] of bodies) {
    it(`hashes a body in relaxed form: ${what}`, async () => {
      const raw = Buffer.concat([message(''), Buffer.from(body, 'latin1')]);
      const { signatures } = read(await signMessage(raw, keys, signedAt));
      expect(signatures[0]!.tag('bh')).to.equal(hashOf(canonical));
    });
  }

  it('fails once a signed header is changed', async () => {
    const { headers, signatures } = read(await signMessage(message('Hello\r\n'), keys, signedAt));
    const changed = headers.map(header => header.replace('billing@', 'thief@'));
    expect(holds({ headers: changed }, signatures[0]!, rsa.publicKey)).to.equal(false);
  });

  it('fails once a second sender, subject or Reply-To is added', async () => {
    const { headers, signatures } = read(await signMessage(message('Hello\r\n'), keys, signedAt));
    for (const added of ['From: thief@example.com', 'Subject: other', 'Reply-To: thief@example.com']) {
      for (const [index, signature] of signatures.entries()) {
        expect(holds({ headers: [added, ...headers] }, signature, publicKeys[index]!), added).to.equal(false);
      }
    }
  });

  it('takes one pass over megabytes of white space', async () => {
    const body = `${' '.repeat(4_000_000)}x\r\n${'\r\n'.repeat(1_000_000)}`;
    const { signatures } = read(await signMessage(message(body), keys.slice(0, 1), signedAt));
    expect(signatures[0]!.tag('bh')).to.equal(hashOf(' x\r\n'));
  });

  it('keeps every line under 998 octets', async () => {
    const whole = (await signMessage(message('Hello\r\n'), keys, signedAt)).toString('latin1');
    expect(Math.max(...whole.split('\r\n').map(line => line.length))).to.be.below(200);
  });
});
