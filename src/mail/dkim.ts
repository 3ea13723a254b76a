import { createPrivateKey, hash, sign } from 'node:crypto';

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

/**
 * DKIM signatures, relaxed/relaxed, one for each key, in front of the message. The message has CRLF line ends. The time in
 * the signature is the given one, so that the same message gets the same signatures.
 */
export function signMessage(message: Buffer, keys: readonly DkimKey[], signedAt: Date): Buffer {
  const end = message.indexOf('\r\n\r\n');
  if (end < 0) throw new Error('the message has no body to sign');
  const headers = message.toString('latin1', 0, end).split(/\r\n(?![ \t])/);
  const bodyHash = hash('sha256', Buffer.from(relaxedBody(message.toString('latin1', end + 4)), 'latin1'), 'base64');
  const signatures = keys.map(key => signature(headers, bodyHash, key, signedAt));
  return Buffer.concat([Buffer.from(signatures.join(''), 'latin1'), message]);
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

/** RFC 6376 section 3.4.4. In two passes that look at every octet once: the body is a stranger's. */
function relaxedBody(body: string): string {
  const lines = body.replace(/[ \t]+/g, ' ').replaceAll(' \r\n', '\r\n');
  let end = lines.endsWith(' ') ? lines.length - 1 : lines.length;
  while (end >= 2 && lines.startsWith('\r\n', end - 2)) end -= 2;
  return end === 0 ? '' : `${lines.slice(0, end)}\r\n`;
}

const folded = (base64: string): string => base64.replace(/.{72}(?=.)/g, '$&\r\n ');
