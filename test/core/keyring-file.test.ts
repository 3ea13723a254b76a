import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadKeyring } from '../../src/core/keyring-file.ts';

const place = { table: 't', column: 'c', row: 'r', organization: '' };
const key = () => randomBytes(32).toString('base64');

describe('the master keys', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bastion-keyring-'));
    file = join(folder, 'master.key');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are made on first use, readable by their owner only, and nothing else is left behind', () => {
    loadKeyring({ file });
    expect(readdirSync(folder)).to.deep.equal(['master.key']);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it('are the same ones the next time', () => {
    const sealed = loadKeyring({ file }).sealText(place, 'kept');
    expect(loadKeyring({ file }).openText(place, sealed)).to.equal('kept');
  });

  it('are closed to others again when the file was opened to them', () => {
    writeFileSync(file, `1:${key()}\n`, { mode: 0o644 });
    loadKeyring({ file });
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it('come from the environment first, and the first of several writes', () => {
    const [old, fresh] = [key(), key()];
    const sealed = loadKeyring({ env: `1:${old}` }).sealText(place, 'kept');
    const rotated = loadKeyring({ env: `2:${fresh}, 1:${old}`, file });
    expect(rotated.openText(place, sealed)).to.equal('kept');
    expect(rotated.sealText(place, 'new')[0]).to.equal(2);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('are required when no file may be made', () => {
    expect(() => loadKeyring({})).to.throw('BASTION_MASTER_KEYS is required');
  });

  it('are not repeated in the message about a malformed one', () => {
    const short = randomBytes(16).toString('base64');
    expect(() => loadKeyring({ env: `1:${key()},2:${short}` }))
      .to.throw('entry 2')
      .with.property('message')
      .that.does.not.contain(short);
  });
});
