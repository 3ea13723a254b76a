import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect } from 'chai';
import { parseMediaType } from '../../../src/doors/soap/media-type.ts';
import { contentIdOfUrl, type IncomingMessage, readMessage, writeRelated } from '../../../src/doors/soap/multipart.ts';
import { refusalFrom } from '../../kit/refusal.ts';

const envelope = '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"/>';

interface Read {
  root: string;
  attachments: Record<string, Buffer>;
}

async function readAll(message: IncomingMessage): Promise<Read> {
  const attachments: Record<string, Buffer> = {};
  for await (const part of message.attachments()) attachments[part.contentId] = await octetsOf(part.content);
  return { root: message.root.octets.toString(), attachments };
}

async function octetsOf(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function inPieces(octets: Buffer, size: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < octets.length; at += size) pieces.push(octets.subarray(at, at + size));
  return Readable.from(pieces);
}

const lines = (...text: string[]): string => text.join('\r\n');

describe('the multipart reader', () => {
  it('reads the same from a message that comes in pieces of any size', async () => {
    // Every octet value, and what looks like a boundary without being one.
    const binary = Buffer.concat([Buffer.from('\r\n--b\r\n-\r\n--\r\n'), randomBytes(3000), Buffer.from('\r\n\r\n')]);
    const octets = Buffer.concat([
      Buffer.from(lines('--b1', 'Content-Type: application/soap+xml', 'Content-ID: <r>', '', envelope, '--b1', '')),
      Buffer.from(lines('Content-ID: <one>', 'Content-Transfer-Encoding: binary', '', '')),
      binary,
      Buffer.from(lines('', '--b1', 'Content-ID: <two>', '', '', '--b1', 'Content-ID: <three>', '', '--b1--', '')),
    ]);
    for (const size of [1, 2, 3, 5, 64, 1000, octets.length]) {
      const message = await readMessage(inPieces(octets, size), 'multipart/related; boundary=b1; start="<r>"');
      const { root, attachments } = await readAll(message);
      expect(root, `pieces of ${size}`).to.equal(envelope);
      expect(Object.keys(attachments)).to.deep.equal(['one', 'two', 'three']);
      expect(attachments.one!.equals(binary), `pieces of ${size}`).to.equal(true);
      expect(attachments.two, 'an empty part').to.have.length(0);
      expect(attachments.three, 'a part that ends with its headers').to.have.length(0);
    }
  });

  it('undoes base64, quoted-printable, 7bit and 8bit', async () => {
    const octets = Buffer.from(
      lines(
        ...['--b1', 'Content-Type: text/xml; charset="utf-8"', '', envelope],
        ...['--b1', 'Content-ID: <b>', 'Content-Transfer-Encoding: BASE64', '', 'R3LD', 'vMOfZQ==', ''],
        ...['--b1', 'Content-ID: <q>', 'content-transfer-encoding: quoted-printable', '', 'a=3Db =', 'c'],
        ...['--b1', 'Content-ID: <7>', 'Content-Transfer-Encoding: 7bit', '', 'plain'],
        ...['--b1', 'Content-ID: <8>', 'Content-Transfer-Encoding: 8bit', '', 'Grüße'],
        ...['--b1--', ''],
      ),
    );
    for (const size of [1, 7, octets.length]) {
      const message = await readMessage(inPieces(octets, size), 'Multipart/Related;boundary="b1"');
      expect(message.root.charset).to.equal('utf-8');
      const { attachments } = await readAll(message);
      const texts = Object.fromEntries(Object.entries(attachments).map(([id, content]) => [id, content.toString()]));
      expect(texts).to.deep.equal({ b: 'Grüße', q: 'a=b c', 7: 'plain', 8: 'Grüße' });
    }
  });

  it('reads what the client of node-soap sends: no quotes around the boundary, an XOP root, a line end after the close', async () => {
    const octets = Buffer.from(
      lines(
        '--f2a-9',
        'Content-Type: application/xop+xml; charset=UTF-8; type="text/xml"',
        'Content-ID: <0f1>',
        '',
        envelope,
        '--f2a-9',
        'Content-Type: text/plain',
        'Content-Transfer-Encoding: binary',
        'Content-ID: <file-1>',
        '',
        'hello',
        '--f2a-9--',
        '',
      ),
    );
    const type = 'multipart/related; type="application/xop+xml"; start="<0f1>"; start-info="text/xml"; boundary=f2a-9';
    const { root, attachments } = await readAll(await readMessage(Readable.from([octets]), type));
    expect([root, attachments['file-1']!.toString()]).to.deep.equal([envelope, 'hello']);
  });

  it('gives the envelope before a single octet of an attachment has come', async () => {
    const source = new Readable({ read() {} });
    source.push(lines('--b1', 'Content-Type: application/soap+xml', '', envelope, '--b1', ''));
    const message = await readMessage(source, 'multipart/related; boundary=b1');
    expect(message.root.octets.toString()).to.equal(envelope);
    source.push(lines('Content-ID: <one>', '', 'late', '--b1--', ''));
    source.push(null);
    expect((await readAll(message)).attachments.one!.toString()).to.equal('late');
  });

  it('leaves the connection open when it refuses, so that a fault can be sent', async () => {
    const source = new Readable({ read() {} });
    source.push('no boundary at all\r\n');
    expect((await refusalFrom(readMessage(source, 'multipart/related; boundary=b1'))).code).to.equal('malformed');
    expect(source.destroyed).to.equal(false);
  });

  it('reads an envelope that is not multipart', async () => {
    const message = await readMessage(
      Readable.from([Buffer.from(envelope)]),
      'application/soap+xml; charset=utf-8; action="x"',
    );
    expect(message.root.charset).to.equal('utf-8');
    expect(await readAll(message)).to.deep.equal({ root: envelope, attachments: {} });
  });

  it('hands out one small part early, only the second one and only within its limit', async () => {
    const octets = Buffer.from(
      lines(
        '--b1',
        'Content-Type: text/xml',
        '',
        envelope,
        '--b1',
        'Content-ID: <c>',
        '',
        'certificate',
        '--b1',
        'Content-ID: <d>',
        '',
        'data',
        '--b1--',
      ),
    );
    const read = () => readMessage(Readable.from([octets]), 'multipart/related; boundary=b1');
    const message = await read();
    expect((await message.early('c', 100)).toString()).to.equal('certificate');
    expect(Object.keys((await readAll(message)).attachments)).to.deep.equal(['d']);
    expect((await refusalFrom((await read()).early('d', 100))).code).to.equal('malformed');
    expect((await refusalFrom((await read()).early('c', 5))).code).to.equal('too_large');
  });

  it('does not go on to the next part while one is unread', async () => {
    const octets = Buffer.from(
      lines(
        '--b1',
        'Content-Type: text/xml',
        '',
        envelope,
        '--b1',
        'Content-ID: <c>',
        '',
        'x'.repeat(100_000),
        '--b1--',
      ),
    );
    const message = await readMessage(inPieces(octets, 1000), 'multipart/related; boundary=b1');
    const parts = message.attachments();
    const first = await parts.next();
    await first.value!.content[Symbol.asyncIterator]().next();
    let thrown: unknown;
    await parts.next().catch(error => (thrown = error));
    expect(thrown).to.be.instanceOf(Error);
  });
});

describe('the multipart writer', () => {
  it('writes what the reader reads, attachments as buffers and as streams', async () => {
    const content = randomBytes(100_000);
    const { contentType, body } = writeRelated(envelope, [
      { contentId: 'a@example.com', contentType: 'application/pdf', content },
      { contentId: 'b', contentType: 'text/plain', content: Readable.from([Buffer.from('one '), Buffer.from('two')]) },
    ]);
    const { root, attachments } = await readAll(await readMessage(body, contentType));
    expect(root).to.equal(envelope);
    expect(attachments['a@example.com']!.equals(content)).to.equal(true);
    expect(attachments.b!.toString()).to.equal('one two');
  });

  it('names the type of the root and its start, as RFC 2387 wants', () => {
    const { type, parameters } = parseMediaType(writeRelated(envelope, []).contentType);
    expect(type).to.equal('multipart/related');
    expect([parameters.get('type'), parameters.get('start')]).to.deep.equal(['application/soap+xml', '<envelope>']);
  });

  it('lets no value break out of a part header', async () => {
    const { body } = writeRelated(envelope, [{ contentId: 'a', contentType: 'a/b\r\nX: y', content: Buffer.alloc(0) }]);
    let thrown: unknown;
    await octetsOf(body).catch(error => (thrown = error));
    expect(String(thrown)).to.include('printable ASCII');
  });
});

describe('cid: URLs', () => {
  it('are decoded as RFC 2392 says', () => {
    expect(contentIdOfUrl('cid:a%2Bb@example.com')).to.equal('a+b@example.com');
    expect(contentIdOfUrl('CID:a')).to.equal('a');
  });

  for (const url of ['cid:', 'cid:%', 'http://example.com/', '#a', '']) {
    it(`are not "${url}"`, () => expect(contentIdOfUrl(url)).to.equal(undefined));
  }
});

describe('media types', () => {
  it('are read with quotes, escapes and odd white space', () => {
    const { type, parameters } = parseMediaType('Application/SOAP+XML ; Charset="utf-8";action="a\\"b;c" ; x=y');
    expect(type).to.equal('application/soap+xml');
    expect(Object.fromEntries(parameters)).to.deep.equal({ charset: 'utf-8', action: 'a"b;c', x: 'y' });
  });

  it('take a start or boundary that toolkits forgot to quote', () => {
    const { parameters } = parseMediaType('multipart/related; boundary=a/b=c; start=<root@x>');
    expect(Object.fromEntries(parameters)).to.deep.equal({ boundary: 'a/b=c', start: '<root@x>' });
  });
});
