import { type KeyObject, randomUUID, type X509Certificate } from 'node:crypto';
import {
  digest,
  exclusiveCanonicalization,
  keyFits,
  type SignatureName,
  signatureAlgorithms,
  signOctets,
} from './algorithms.ts';
import { escapeAttribute, escapeText } from './canonical.ts';
import { ns, tokenType } from './namespaces.ts';

/** An answer, or a fault, to be sent signed. */
export interface SignedAnswer {
  /**
   * The content of Body in exclusive canonical form, as an element written beneath `<soap:Body>` has it: `soap` and
   * `wsu` are declared already, every other namespace where it is first used.
   */
  body: string;
  /**
   * Prefixes that `body` uses only inside text, such as the value of a fault's Subcode. Canonicalization cannot see
   * them there: they are declared on Body and listed for the verifier, or every verifier would refuse the message.
   */
  textPrefixes?: Readonly<Record<string, string>>;
  addressing?: { action?: string; messageId?: string; relatesTo?: string };
  /** base64 SignatureValue of the request, for partners whose policy asks for SignatureConfirmation. */
  confirms?: string;
  now: Date;
}

export interface EnvelopeSigner {
  /** The whole SOAP 1.2 envelope as text. Costs one private-key operation. */
  sign(answer: SignedAnswer): Promise<string>;
}

const answerLifetime = 300_000;

/**
 * Signs SOAP 1.2 envelopes with WS-Security 1.1: Body, Timestamp and every other header block, the certificate sent
 * along as a BinarySecurityToken. Everything that is signed is written in canonical form with its own namespace
 * declarations, so the octets that are digested are the octets that are sent.
 *
 * @param algorithm RSA-SHA256 unless the partner is known to take ECDSA; it must fit the key
 */
export function createEnvelopeSigner(
  key: KeyObject,
  certificate: X509Certificate,
  algorithm: SignatureName = 'rsaSha256',
): EnvelopeSigner {
  const token = binarySecurityToken(certificate);
  const method = signatureAlgorithms[algorithm];
  if (!keyFits(method, key)) throw new Error(`the signing key cannot be used with ${method.uri}`);
  return {
    async sign(answer) {
      const blocks = [...addressingBlocks(answer), ...confirmationBlocks(answer)];
      const timestamp = timestampBlock(answer.now);
      const body = bodyBlock(answer);
      const signedInfo = signedInfoOf(method.uri, [...blocks, timestamp, body]);
      const value = (await signOctets(method, key, Buffer.from(signedInfo))).toString('base64');
      const within = (name: string): string =>
        blocks
          .filter(each => each.within === name)
          .map(({ xml }) => xml)
          .join('');
      return (
        `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Header>${within('header')}` +
        `<wsse:Security xmlns:wsse="${ns.wsse}" xmlns:wsu="${ns.wsu}" soap:mustUnderstand="true">` +
        `${token}${timestamp.xml}${within('security')}` +
        `<ds:Signature xmlns:ds="${ns.ds}">${signedInfo}<ds:SignatureValue>${value}</ds:SignatureValue>${keyInfo}` +
        `</ds:Signature></wsse:Security></soap:Header>${body.xml}</soap:Envelope>`
      );
    },
  };
}

interface Block {
  readonly id: string;
  /** Canonical. */
  readonly xml: string;
  readonly prefixes: readonly string[];
  readonly within: 'header' | 'security' | 'envelope';
}

const tokenId = 'token';

const keyInfo =
  `<ds:KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="#${tokenId}" ValueType="${tokenType.certificate}">` +
  '</wsse:Reference></wsse:SecurityTokenReference></ds:KeyInfo>';

function binarySecurityToken(certificate: X509Certificate): string {
  return (
    `<wsse:BinarySecurityToken EncodingType="${tokenType.base64}" ValueType="${tokenType.certificate}" ` +
    `wsu:Id="${tokenId}">${certificate.raw.toString('base64')}</wsse:BinarySecurityToken>`
  );
}

function bodyBlock({ body, textPrefixes = {} }: SignedAnswer): Block {
  const declared: Record<string, string> = { ...textPrefixes, soap: ns.soap, wsu: ns.wsu };
  const declarations = Object.keys(declared)
    .sort()
    .map(prefix => ` xmlns:${prefix}="${escapeAttribute(declared[prefix]!)}"`)
    .join('');
  const xml = `<soap:Body${declarations} wsu:Id="body">${body}</soap:Body>`;
  return { id: 'body', xml, prefixes: Object.keys(textPrefixes), within: 'envelope' };
}

function timestampBlock(now: Date): Block {
  const expires = new Date(now.getTime() + answerLifetime);
  const xml =
    `<wsu:Timestamp xmlns:wsu="${ns.wsu}" wsu:Id="timestamp"><wsu:Created>${now.toISOString()}</wsu:Created>` +
    `<wsu:Expires>${expires.toISOString()}</wsu:Expires></wsu:Timestamp>`;
  return { id: 'timestamp', xml, prefixes: [], within: 'security' };
}

function addressingBlocks({ addressing }: SignedAnswer): Block[] {
  if (addressing === undefined) return [];
  const { action, relatesTo, messageId = `urn:uuid:${randomUUID()}` } = addressing;
  return Object.entries({ Action: action, MessageID: messageId, RelatesTo: relatesTo })
    .filter(([, value]) => value !== undefined)
    .map(([local, value]) => {
      const id = local.toLowerCase();
      const start = `<wsa:${local} xmlns:wsa="${ns.wsa}" xmlns:wsu="${ns.wsu}" wsu:Id="${id}">`;
      return { id, xml: `${start}${escapeText(value!)}</wsa:${local}>`, prefixes: [], within: 'header' };
    });
}

function confirmationBlocks({ confirms }: SignedAnswer): Block[] {
  if (confirms === undefined) return [];
  const xml =
    `<wsse11:SignatureConfirmation xmlns:wsse11="${ns.wsse11}" xmlns:wsu="${ns.wsu}" Value="${escapeAttribute(confirms)}" ` +
    'wsu:Id="confirmation"></wsse11:SignatureConfirmation>';
  return [{ id: 'confirmation', xml, prefixes: [], within: 'security' }];
}

function signedInfoOf(method: string, blocks: readonly Block[]): string {
  return (
    `<ds:SignedInfo xmlns:ds="${ns.ds}"><ds:CanonicalizationMethod Algorithm="${exclusiveCanonicalization}">` +
    `</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="${method}"></ds:SignatureMethod>` +
    `${blocks.map(reference).join('')}</ds:SignedInfo>`
  );
}

function reference({ id, xml, prefixes }: Block): string {
  const inclusive =
    prefixes.length === 0
      ? ''
      : `<ec:InclusiveNamespaces xmlns:ec="${exclusiveCanonicalization}" PrefixList="${prefixes.join(' ')}"></ec:InclusiveNamespaces>`;
  return (
    `<ds:Reference URI="#${id}"><ds:Transforms><ds:Transform Algorithm="${exclusiveCanonicalization}">${inclusive}` +
    '</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256">' +
    `</ds:DigestMethod><ds:DigestValue>${digest('sha256', xml)}</ds:DigestValue></ds:Reference>`
  );
}
