import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import { zip } from '../../../src/doors/soap/archive.ts';

describe('the archive of the description', () => {
  const files = new Map([
    ['a.wsdl', '<é/>'],
    ['common.xsd', 'x'.repeat(300)],
  ]);
  const archive = zip(files);

  it('has a directory that leads to every file, with its sum', () => {
    const end = archive.length - 22;
    expect(archive.readUInt32LE(end)).to.equal(0x06054b50);
    expect(archive.readUInt16LE(end + 10)).to.equal(files.size);
    let at = archive.readUInt32LE(end + 16);
    for (const [name, text] of files) {
      expect(archive.readUInt32LE(at)).to.equal(0x02014b50);
      expect(archive.readUInt32LE(at + 16)).to.equal(crc32(text));
      expect(archive.toString('utf8', at + 46, at + 46 + archive.readUInt16LE(at + 28))).to.equal(name);
      const entry = archive.readUInt32LE(at + 42);
      expect(archive.readUInt32LE(entry)).to.equal(0x04034b50);
      const content = entry + 30 + archive.readUInt16LE(entry + 26);
      expect(archive.toString('utf8', content, content + archive.readUInt32LE(at + 24))).to.equal(text);
      at += 46 + name.length;
    }
    expect(at).to.equal(end);
  });

  it('is the same every time', () => {
    expect(zip(files).equals(archive)).to.equal(true);
  });
});
