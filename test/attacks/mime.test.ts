import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { type MessageLimits, messageLimits, readMessage } from '../../src/doors/soap/multipart.ts';
import { refusalFrom } from '../kit/refusal.ts';

const folder = join(import.meta.dirname, 'K-attachments');

/** The cases are kept with LF so that no tool harms them; on the wire lines end in CRLF. */
function messageIn(file: string): { contentType: string; octets: Buffer } {
  const text = readFileSync(join(folder, file), 'utf8');
  const end = text.indexOf('\n\n');
  return {
    contentType: text.slice('Content-Type: '.length, end),
    octets: Buffer.from(text.slice(end + 2).replaceAll('\n', '\r\n')),
  };
}

/** Reads the whole message, cut into pieces of the given size. */
async function readAll(
  octets: Buffer,
  contentType: string,
  piece = octets.length,
  limits?: MessageLimits,
): Promise<void> {
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; at += piece) pieces.push(octets.subarray(at, at + piece));
  const message = await readMessage(Readable.from(pieces), contentType, undefined, limits);
  for await (const part of message.attachments()) for await (const chunk of part.content) void chunk;
}

describe('MIME messages that are refused', () => {
  for (const file of readdirSync(folder)
    .filter(name => name.endsWith('.txt'))
    .sort()) {
    it(file.replace(/\.txt$/, '').replaceAll('-', ' '), async () => {
      const { contentType, octets } = messageIn(file);
      for (const piece of [octets.length, 1, 7]) {
        expect((await refusalFrom(readAll(octets, contentType, piece))).code, `in pieces of ${piece}`).to.equal(
          'malformed',
        );
      }
    });
  }

  const open = 'multipart/related; boundary=b1';
  const root = '--b1\r\nContent-Type: application/soap+xml\r\n\r\n<a/>\r\n';

  it('lines that end in LF alone', async () => {
    const octets = Buffer.from(`${root}--b1--\r\n`.replaceAll('\r\n', '\n'));
    expect((await refusalFrom(readAll(octets, open))).code).to.equal('malformed');
  });

  it('more than 50 parts', async () => {
    const parts = Array.from({ length: 50 }, (_, i) => `--b1\r\nContent-ID: <p${i}>\r\n\r\nx\r\n`);
    const octets = Buffer.from(`${root}${parts.join('')}--b1--\r\n`);
    expect((await refusalFrom(readAll(octets, open))).code).to.equal('too_large');
  });

  it('part headers over 8 KiB, whether they end or not', async () => {
    const long = `--b1\r\nContent-Type: application/soap+xml\r\nX-A: ${'a'.repeat(9000)}`;
    expect((await refusalFrom(readAll(Buffer.from(`${long}\r\n\r\n<a/>\r\n--b1--\r\n`), open))).code).to.equal(
      'too_large',
    );
    expect((await refusalFrom(readAll(Buffer.from(long), open, 100))).code).to.equal('too_large');
  });

  it('an envelope over its limit, alone or as root part', async () => {
    const limits = { ...messageLimits, root: 1000 };
    const big = `<a>${'x'.repeat(1000)}</a>`;
    const related = Buffer.from(`--b1\r\nContent-Type: application/soap+xml\r\n\r\n${big}\r\n--b1--\r\n`);
    expect((await refusalFrom(readAll(related, open, 64, limits))).code).to.equal('too_large');
    expect((await refusalFrom(readAll(Buffer.from(big), 'application/soap+xml', 64, limits))).code).to.equal(
      'too_large',
    );
  });

  it('a message over the total limit', async () => {
    const octets = Buffer.from(`${root}--b1\r\nContent-ID: <p>\r\n\r\n${'x'.repeat(5000)}\r\n--b1--\r\n`);
    expect((await refusalFrom(readAll(octets, open, 64, { ...messageLimits, total: 4000 }))).code).to.equal(
      'too_large',
    );
  });

  for (const contentType of [
    'text/html',
    'application/json',
    'multipart/mixed; boundary=b1',
    'multipart/form-data; boundary=b1',
  ]) {
    it(`content of type ${contentType}`, async () => {
      const octets = Buffer.from(`${root}--b1--\r\n`);
      expect((await refusalFrom(readAll(octets, contentType))).code).to.equal('unsupported_media_type');
    });
  }

  it('no Content-Type at all', async () => {
    const refusal = await refusalFrom(readMessage(Readable.from([Buffer.from('<a/>')]), undefined));
    expect(refusal.code).to.equal('unsupported_media_type');
  });

  it('a connection that breaks off', async () => {
    const source = new Readable({ read() {} });
    source.push(Buffer.from(root));
    setImmediate(() => source.destroy(new Error('aborted')));
    expect(
      (
        await refusalFrom(
          readMessage(source, open).then(async message => {
            for await (const part of message.attachments()) void part;
          }),
        )
      ).code,
    ).to.equal('malformed');
  });
});
