import { commonNamespace } from '../../../src/doors/soap/model.ts';
import { type Attack, type Case, cut, replace, type Scene } from '../../kit/hostile-soap.ts';
import { timestampXml } from '../../kit/soap-signing.ts';
import { spellings } from './identifiers.ts';

/**
 * Every place of a message that the signed original can be moved to while a forgery takes its place: bare and in a wrapper,
 * the forgery with no identifier, another, or the same one (of Body in each spelling).
 */

/** The elements of a signed message, by the first of each name. */
const elements = [
  'soap:Envelope',
  'soap:Header',
  'wsse:Security',
  'wsse:BinarySecurityToken',
  'wsu:Timestamp',
  'wsu:Created',
  'wsu:Expires',
  'ds:Signature',
  'ds:SignedInfo',
  'ds:CanonicalizationMethod',
  'ds:SignatureMethod',
  'ds:Reference',
  'ds:Transforms',
  'ds:Transform',
  'ds:DigestMethod',
  'ds:DigestValue',
  'ds:SignatureValue',
  'ds:KeyInfo',
  'wsse:SecurityTokenReference',
  'wsse:Reference',
  'soap:Body',
  'm:GetOrganization',
  'm:request',
  'm:orgId',
];
const sides = ['before', 'first in', 'last in', 'after'] as const;

function insert(xml: string, name: string, side: (typeof sides)[number], piece: string): string {
  const start = xml.search(new RegExp(`<${name}[\\s/>]`));
  if (start < 0) throw new Error(`no ${name}`);
  const tagEnd = xml.indexOf('>', start) + 1;
  const isEmpty = xml[tagEnd - 2] === '/';
  const open = isEmpty ? `${xml.slice(0, tagEnd - 2)}></${name}>${xml.slice(tagEnd)}` : xml;
  const inner = isEmpty ? tagEnd - 1 : tagEnd;
  const close = open.indexOf(`</${name}>`, inner);
  const at = { before: start, 'first in': inner, 'last in': close, after: close + name.length + 3 }[side];
  return open.slice(0, at) + piece + open.slice(at);
}

interface Theft {
  /** The genuine message, and the name of the signed element in it. */
  readonly genuine: (scene: Scene) => string;
  readonly stolen: string;
  readonly id: string;
  /** The spellings of the identifier that are tried beside wsu:Id. */
  readonly spelled: readonly string[];
  /** What stands in its place, with those attributes. */
  readonly forged: (scene: Scene, attributes: string) => string;
}

const thefts: Record<string, Theft> = {
  'the signed Body': {
    genuine: s => s.valid,
    stolen: 'soap:Body',
    id: 'Body-1',
    spelled: Object.values(spellings).slice(1),
    forged: (s, attributes) => s.evilBody(attributes),
  },
  'the signed Timestamp of an old message': {
    genuine: s => s.sign({ created: new Date(Date.now() - 3_600_000) }),
    stolen: 'wsu:Timestamp',
    id: 'TS-1',
    spelled: [],
    forged: (_, attributes) => timestampXml({}).replace('wsu:Id="TS-1"', attributes),
  },
  'the signed Context': {
    genuine: s =>
      s.sign({ headers: context(s.stage.kit.tenant.id, 'wsu:Id="Context-1"'), also: [{ uri: '#Context-1' }] }),
    stolen: 'c:Context',
    id: 'Context-1',
    spelled: [],
    forged: (s, attributes) => context(s.stage.child.id, attributes),
  },
};

const context = (orgId: string, attributes: string): string =>
  `<c:Context xmlns:c="${commonNamespace}" ${attributes}><c:orgId>${orgId}</c:orgId></c:Context>`;

function moved({ genuine, stolen, id, spelled, forged }: Theft, name: string, side: (typeof sides)[number]): Attack {
  return s => {
    const message = genuine(s);
    const original = cut(message, stolen);
    const wrapped = `<w:Wrapper xmlns:w="urn:w">${original}</w:Wrapper>`;
    const put = (attributes: string, piece: string): string =>
      insert(replace(message, [original, forged(s, attributes)]), name, side, piece);
    const inTurn = ['', 'wsu:Id="another"', `wsu:Id="${id}"`];
    return [
      ...inTurn.flatMap(attributes => [put(attributes, original), put(attributes, wrapped)]),
      ...spelled.map(spelling => put(`${spelling}"${id}"`, original)),
    ];
  };
}

export const cases: Case[] = Object.entries(thefts).flatMap(([what, theft]) =>
  elements.flatMap(name =>
    sides.map(side => ({
      name: `${what} moved ${side} ${name}`,
      verdict: ['signature_invalid', 'malformed'] as const,
      make: moved(theft, name, side),
    })),
  ),
);
