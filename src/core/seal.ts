import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** A master key: 32 bytes under a number from 1 to 255, which every sealed value begins with. */
export interface MasterKey {
  readonly id: number;
  readonly bytes: Buffer;
}

/** Where a sealed value is kept. It opens nowhere else: the place is its associated data. */
export interface Place {
  readonly table: string;
  readonly column: string;
  readonly row: string;
  /** '' for rows that belong to no organisation. */
  readonly organization: string;
}

const nonceLength = 12;
const tagLength = 16;
const cachedKeys = 4096;

/**
 * Seals secrets at rest: AES-256-GCM (NIST SP 800-38D), stored as key number, nonce, ciphertext, tag. Keys are derived by
 * HKDF-SHA-256 (RFC 5869) per purpose and organisation. The first master key writes; every one reads, so that a new key can be
 * known to all nodes before it writes.
 */
export class Keyring {
  readonly #writing: MasterKey;
  readonly #masters: ReadonlyMap<number, MasterKey>;
  readonly #derived = new Map<string, Buffer>();

  constructor(masters: readonly MasterKey[]) {
    const [writing] = masters;
    if (!writing) throw new Error('a keyring needs a master key');
    this.#writing = writing;
    this.#masters = new Map(masters.map(master => [checked(master).id, master]));
    if (this.#masters.size !== masters.length) throw new Error('two master keys have the same number');
  }

  /** The number of the master key that seals. */
  get writing(): number {
    return this.#writing.id;
  }

  /** The numbers of all master keys that open. */
  get readable(): number[] {
    return [...this.#masters.keys()];
  }

  seal(place: Place, plaintext: Buffer): Buffer {
    const nonce = randomBytes(nonceLength);
    const cipher = createCipheriv('aes-256-gcm', this.#sealingKey(this.#writing, place), nonce);
    cipher.setAAD(associatedData(place));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    return Buffer.concat([Buffer.of(this.#writing.id), nonce, body, cipher.getAuthTag()]);
  }

  /** Throws when the value was changed, moved to another place, or its master key is not on the ring. */
  open(place: Place, sealed: Buffer): Buffer {
    if (sealed.length < 1 + nonceLength + tagLength) throw new Error('sealed value is cut off');
    const master = this.#masters.get(sealed[0]!);
    if (!master) throw new Error(`master key ${sealed[0]} is not on the keyring`);
    const nonce = sealed.subarray(1, 1 + nonceLength);
    const decipher = createDecipheriv('aes-256-gcm', this.#sealingKey(master, place), nonce, {
      authTagLength: tagLength,
    });
    decipher.setAAD(associatedData(place));
    decipher.setAuthTag(sealed.subarray(sealed.length - tagLength));
    return Buffer.concat([
      decipher.update(sealed.subarray(1 + nonceLength, sealed.length - tagLength)),
      decipher.final(),
    ]);
  }

  sealText(place: Place, plaintext: string): Buffer {
    return this.seal(place, Buffer.from(plaintext, 'utf8'));
  }

  openText(place: Place, sealed: Buffer): string {
    return this.open(place, sealed).toString('utf8');
  }

  /** The value under the writing key. */
  reseal(place: Place, sealed: Buffer): Buffer {
    return this.seal(place, this.open(place, sealed));
  }

  /**
   * HMAC-SHA-256 under a key of this purpose and organisation ('' for none), the writing master key's number in front.
   * For what is handed out and comes back, such as cursors: check with `verify`.
   */
  mac(purpose: string, organization: string, data: Buffer | string): Buffer {
    return this.#macUnder(this.#writing, purpose, organization, data);
  }

  /** Constant time. Values made under an older master key stay valid while that key is on the ring. */
  verify(purpose: string, organization: string, data: Buffer | string, mac: Buffer): boolean {
    const master = this.#masters.get(mac[0] ?? 0);
    if (!master) return false;
    const expected = this.#macUnder(master, purpose, organization, data);
    return expected.length === mac.length && timingSafeEqual(expected, mac);
  }

  #macUnder(master: MasterKey, purpose: string, organization: string, data: Buffer | string): Buffer {
    const key = this.#derive(master, `mac:${purpose}`, organization);
    return Buffer.concat([Buffer.of(master.id), createHmac('sha256', key).update(data).digest()]);
  }

  #sealingKey(master: MasterKey, place: Place): Buffer {
    return this.#derive(master, `seal:${place.table}.${place.column}`, place.organization);
  }

  #derive(master: MasterKey, purpose: string, organization: string): Buffer {
    const info = encode([purpose, organization]);
    const name = `${master.id}:${info.toString('latin1')}`;
    const known = this.#derived.get(name);
    if (known) return known;
    const key = Buffer.from(hkdfSync('sha256', master.bytes, 'bastion/1', info, 32));
    if (this.#derived.size >= cachedKeys) this.#derived.delete(this.#derived.keys().next().value!);
    this.#derived.set(name, key);
    return key;
  }
}

const associatedData = (place: Place): Buffer => encode([place.table, place.column, place.row, place.organization]);

/** Each part with its length in front: no two lists of parts give the same bytes. */
function encode(parts: string[]): Buffer {
  return Buffer.concat(
    parts.flatMap(part => {
      const bytes = Buffer.from(part, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

function checked(master: MasterKey): MasterKey {
  if (!Number.isInteger(master.id) || master.id < 1 || master.id > 255)
    throw new Error('a master key has a number, 1 to 255');
  if (master.bytes.length !== 32) throw new Error(`master key ${master.id} is not 32 bytes`);
  return master;
}
