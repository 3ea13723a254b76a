import { createHash, createPrivateKey, hash, sign } from 'node:crypto';

/** A signing key of the sender's domain: RSA (RFC 6376) or Ed25519 (RFC 8463), PKCS#8 PEM. */
export interface DkimKey {
  readonly domain: string;
  readonly selector: string;
  readonly privateKey: string;
}

const signedNames = [
  ...['from', 'to', 'subject', 'date', 'message-id'],
  ...['mime-version', 'content-type', 'content-transfer-encoding'],
];
/** Named once more than they are there, so that nobody can add another (RFC 6376 8.15). */
const sealedNames = ['from', 'to', 'subject', 'date', 'reply-to', 'cc'];

/** A message whose octets are read as often as wanted, and are the same each time. */
export interface Message {
  readonly size: number;
  open(): AsyncIterable<Buffer>;
}

/**
 * DKIM signatures, relaxed/relaxed, one for each key, in front of the message. The message has CRLF line ends. The time in
 * the signature is the given one, so that the same message gets the same signatures. It is read once to be signed, and again
 * each time it is sent, since the signatures stand before what they sign.
 */
export async function signMessage(
  unsigned: Message['open'],
  keys: readonly DkimKey[],
  signedAt: Date,
): Promise<Message> {
  const { headers, bodyHash, size } = await measure(unsigned());
  const signatures = Buffer.from(keys.map(key => signature(headers, bodyHash, key, signedAt)).join(''), 'latin1');
  return {
    size: signatures.length + size,
    async *open() {
      yield signatures;
      yield* unsigned();
    },
  };
}

async function measure(octets: AsyncIterable<Buffer>): Promise<{ headers: string[]; bodyHash: string; size: number }> {
  const body = new RelaxedBody();
  let head = '';
  let headers: string[] | undefined;
  let size = 0;
  for await (const chunk of octets) {
    size += chunk.length;
    if (headers) {
      body.update(chunk.toString('latin1'));
      continue;
    }
    head += chunk.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) continue;
    headers = head.slice(0, end).split(/\r\n(?![ \t])/);
    body.update(head.slice(end + 4));
  }
  if (!headers) throw new Error('the message has no body to sign');
  return { headers, bodyHash: body.digest(), size };
}

function signature(headers: readonly string[], bodyHash: string, key: DkimKey, signedAt: Date): string {
  const privateKey = createPrivateKey(key.privateKey);
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  const present = headers.filter(header => signedNames.includes(nameOf(header)));
  const unsigned = [
    `DKIM-Signature: v=1; a=${isRsa ? 'rsa' : 'ed25519'}-sha256; c=relaxed/relaxed;`,
    `d=${key.domain}; s=${key.selector}; t=${Math.floor(signedAt.getTime() / 1000)};`,
    `h=${[...present.map(nameOf), ...sealedNames].join(':')};`,
    `bh=${bodyHash};`,
    'b=',
  ].join('\r\n ');
  const content = Buffer.from([...present, unsigned].map(relaxedHeader).join('\r\n'), 'latin1');
  // Ed25519 signs the hash (RFC 8463 section 3), RSA the content by way of it.
  const value = isRsa ? sign('sha256', content, privateKey) : sign(null, hash('sha256', content, 'buffer'), privateKey);
  return `${unsigned}${folded(value.toString('base64'))}\r\n`;
}

const nameOf = (header: string): string => header.slice(0, header.indexOf(':')).trim().toLowerCase();

/** RFC 6376 section 3.4.2. */
function relaxedHeader(header: string): string {
  const value = header.slice(header.indexOf(':') + 1);
  return `${nameOf(header)}:${value
    .replaceAll('\r\n', '')
    .replace(/[ \t]+/g, ' ')
    .trim()}`;
}

/** RFC 6376 section 3.4.4, while the body flows by. */
class RelaxedBody {
  readonly #sum = createHash('sha256');
  /** White space and line ends since the last visible character: what follows decides whether they count. */
  #held: string[] = [];
  #isEmpty = true;

  update(text: string): void {
    let end = text.length;
    while (end > 0 && ' \t\r\n'.includes(text[end - 1]!)) end -= 1;
    if (end === 0) return void this.#held.push(text);
    const seen = this.#held.join('') + text.slice(0, end);
    this.#held = [text.slice(end)];
    this.#isEmpty = false;
    this.#sum.update(seen.replace(/[ \t]+/g, ' ').replaceAll(' \r\n', '\r\n'), 'latin1');
  }

  /** base64 */
  digest(): string {
    if (!this.#isEmpty) this.#sum.update('\r\n');
    return this.#sum.digest('base64');
  }
}

const folded = (base64: string): string => base64.replace(/.{72}(?=.)/g, '$&\r\n ');
