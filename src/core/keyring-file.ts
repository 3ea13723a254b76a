import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { Keyring, type MasterKey } from './seal.ts';

/**
 * The keyring from `env` (the value of BASTION_MASTER_KEYS) or, in development, from `file`, which is made on first use and
 * readable by its owner only. Both hold `number:base64` entries of 32 bytes, separated by commas or line ends; the first
 * one writes, all read.
 */
export function loadKeyring(source: { env?: string | undefined; file?: string | undefined }): Keyring {
  if (source.env) return new Keyring(parse('BASTION_MASTER_KEYS', source.env));
  if (!source.file) throw new Error('BASTION_MASTER_KEYS is required: number:base64 of 32 random bytes');
  return new Keyring(parse(source.file, readOrCreate(source.file)));
}

function readOrCreate(file: string): string {
  if (!existsSync(file)) {
    const draft = `${file}.${randomBytes(8).toString('hex')}`;
    writeFileSync(draft, `1:${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true });
    try {
      // A link appears whole and never replaces: of two processes starting at once one makes the key, both use it.
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
  }
  chmodSync(file, 0o600);
  return readFileSync(file, 'utf8');
}

function parse(source: string, text: string): MasterKey[] {
  return text
    .split(/[,\n]/)
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
    .map((entry, index) => {
      const match = /^(\d{1,3}):([A-Za-z0-9+/]{43}=)$/.exec(entry);
      // The entry itself stays out of the message: it is a secret.
      if (!match) throw new Error(`${source}: master key entry ${index + 1} is not number:base64 of 32 bytes`);
      return { id: Number(match[1]), bytes: Buffer.from(match[2]!, 'base64') };
    });
}
