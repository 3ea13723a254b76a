import { crc32 } from 'node:zlib';

/**
 * A ZIP archive (APPNOTE.TXT 6.3) of text files, stored as they are, dated 1980-01-01: the same files give the same octets.
 * For partners who get the description by hand, before they can fetch it.
 */
export function zip(files: ReadonlyMap<string, string>): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of files) {
    const content = Buffer.from(text);
    const path = Buffer.from(name);
    const about = description(content, path);
    const entry = Buffer.concat([le32(0x04034b50), about, path, content]);
    local.push(entry);
    central.push(le32(0x02014b50), le16(20), about, zeros(10), le32(offset), path);
    offset += entry.length;
  }
  const directory = Buffer.concat(central);
  const count = le16(files.size);
  const end = [le32(0x06054b50), zeros(4), count, count, le32(directory.length), le32(offset), zeros(2)];
  return Buffer.concat([...local, directory, ...end]);
}

/** What local header and central directory have in common: version 2.0, UTF-8 names, stored, date, CRC, sizes, lengths. */
function description(content: Buffer, path: Buffer): Buffer {
  const size = le32(content.length);
  const head = [le16(20), le16(0x0800), le16(0), le16(0), le16(0x0021)];
  return Buffer.concat([...head, le32(crc32(content)), size, size, le16(path.length), le16(0)]);
}

function le16(value: number): Buffer {
  const octets = Buffer.alloc(2);
  octets.writeUInt16LE(value);
  return octets;
}

function le32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(value);
  return octets;
}

const zeros = (count: number): Buffer => Buffer.alloc(count);
