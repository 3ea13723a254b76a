import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { OctetContent } from '../../../src/core/content.ts';
import { Refusal } from '../../../src/core/errors.ts';
import { bindAttachments, Spool, type SpooledPart } from '../../../src/doors/soap/attachments.ts';
import type { IncomingPart } from '../../../src/doors/soap/multipart.ts';
import type { SignedAttachment } from '../../../src/doors/soap/verify.ts';

const base64 = (name: string, content: Buffer): string => createHash(name).update(content).digest('base64');
const hex = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

function part(contentId: string, content: Buffer): IncomingPart {
  return {
    contentId,
    contentType: undefined,
    headers: new Map([['content-id', `<${contentId}>`]]),
    content: (async function* () {
      for (let at = 0; at < content.length; at += 10_000) yield content.subarray(at, at + 10_000);
    })(),
  };
}

async function octetsOf(spooled: SpooledPart): Promise<Buffer> {
  return buffer(spooled.content.open());
}

/** What a descriptor leads to; the listing itself is closed by now. */
function link(fd: string): string {
  try {
    return readlinkSync(fd);
  } catch {
    return '';
  }
}

describe('the spool', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bastion-spool-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const size of [0, 1, 256 * 1024, 256 * 1024 + 1, 3_000_000]) {
    it(`keeps ${size} octets, with their digests, to be read more than once`, async () => {
      await using spool = new Spool(folder);
      const content = randomBytes(size);
      const signed = { hash: 'sha512', digest: '', complete: false } as const;
      const kept = await spool.keep(part('one', content), signed);
      expect([kept.contentId, kept.content.size, kept.content.sha256]).to.deep.equal(['one', size, hex(content)]);
      expect(kept.signedDigest).to.equal(base64('sha512', content));
      expect((await octetsOf(kept)).equals(content)).to.equal(true);
      expect((await octetsOf(kept)).equals(content)).to.equal(true);
    });
  }

  it('keeps several apart', async () => {
    await using spool = new Spool(folder);
    const contents = [randomBytes(70_000), Buffer.alloc(0), randomBytes(10)];
    const kept = [];
    for (const [index, content] of contents.entries()) kept.push(await spool.keep(part(String(index), content)));
    const read = await Promise.all(kept.map(octetsOf));
    expect(read.map(octets => octets.toString('hex'))).to.deep.equal(contents.map(each => each.toString('hex')));
  });

  it('gives its room on the disk back when it is closed, read or not', async () => {
    const open = () => readdirSync('/proc/self/fd').map(fd => link(`/proc/self/fd/${fd}`));
    const spooled = () => open().filter(name => name.startsWith(folder)).length;
    {
      await using spool = new Spool(folder);
      await spool.keep(part('one', randomBytes(1_000_000)));
      expect(spooled()).to.equal(1);
    }
    expect(spooled()).to.equal(0);
  });

  it('leaves no name on the disk, not even while a large part is kept', async () => {
    await using spool = new Spool(folder);
    await spool.keep(part('one', randomBytes(1_000_000)));
    expect(readdirSync(folder)).to.deep.equal([]);
  });
});

describe('attachments are bound', () => {
  const content = Buffer.from('the attachment');
  const swapped = Buffer.from('another attachment');

  const spooled = (contentId: string, octets: Buffer = content): SpooledPart => ({
    contentId,
    content: new OctetContent(octets),
    signedDigest: base64('sha256', octets),
  });
  const signed = (...contentIds: string[]): Map<string, SignedAttachment> =>
    new Map(contentIds.map(id => [id, { hash: 'sha256', digest: base64('sha256', content), complete: false }]));

  it('by the signature, by a SHA-256 in the Body in any case, or by both', () => {
    for (const [signature, sha256] of [
      [signed('one'), undefined],
      [signed(), hex(content)],
      [signed(), hex(content).toUpperCase()],
      [signed('one'), hex(content)],
    ] as const) {
      const bound = bindAttachments(signature, [{ contentId: 'one', sha256 }], [spooled('one')]);
      expect([...bound.keys()]).to.deep.equal(['one']);
    }
  });

  it('to nothing, when there are none', () => {
    expect(bindAttachments(signed(), [], []).size).to.equal(0);
  });

  const refused: Record<string, [code: string, attempt: () => unknown]> = {
    'exchanged, bound by the signature': [
      'signature_invalid',
      () => bindAttachments(signed('one'), [{ contentId: 'one' }], [spooled('one', swapped)]),
    ],
    'exchanged, bound by the Body': [
      'signature_invalid',
      () => bindAttachments(signed(), [{ contentId: 'one', sha256: hex(content) }], [spooled('one', swapped)]),
    ],
    'that agree with the Body and not with the signature': [
      'signature_invalid',
      () => bindAttachments(signed('one'), [{ contentId: 'one', sha256: hex(swapped) }], [spooled('one', swapped)]),
    ],
    'named by the Body without any digest': [
      'signature_invalid',
      () => bindAttachments(signed(), [{ contentId: 'one' }], [spooled('one')]),
    ],
    'two of them, exchanged for one another': [
      'signature_invalid',
      () =>
        bindAttachments(
          signed(),
          [
            { contentId: 'one', sha256: hex(content) },
            { contentId: 'two', sha256: hex(swapped) },
          ],
          [spooled('one', swapped), spooled('two', content)],
        ),
    ],
    'signed, and taken away': ['signature_invalid', () => bindAttachments(signed('one'), [], [])],
    'named by the Body, and not there': ['malformed', () => bindAttachments(signed('one'), [{ contentId: 'one' }], [])],
    'that nothing names': ['malformed', () => bindAttachments(signed(), [], [spooled('one')])],
    'that only the signature names': ['malformed', () => bindAttachments(signed('one'), [], [spooled('one')])],
    'named twice': [
      'malformed',
      () => bindAttachments(signed('one'), [{ contentId: 'one' }, { contentId: 'one' }], [spooled('one')]),
    ],
    'with an empty SHA-256 in the Body': [
      'signature_invalid',
      () => bindAttachments(signed(), [{ contentId: 'one', sha256: '' }], [spooled('one')]),
    ],
  };
  for (const [what, [code, attempt]] of Object.entries(refused)) {
    it(`and refused: ${what}`, () => {
      expect(attempt).to.throw(Refusal).with.property('code', code);
    });
  }
});
