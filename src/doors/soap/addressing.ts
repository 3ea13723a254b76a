import { ns, wsaAnonymous } from './namespaces.ts';
import { malformed } from './refuse.ts';
import { childElements, isNamed, textOf, type XmlElement } from './tree.ts';

/** The WS-Addressing 1.0 headers of a message; undefined where it has none. */
export interface Addressing {
  readonly to: string | undefined;
  readonly action: string | undefined;
  readonly messageId: string | undefined;
}

const understood = ['To', 'Action', 'MessageID', 'RelatesTo', 'From', 'ReplyTo', 'FaultTo'];

export function isAddressing(header: XmlElement): boolean {
  return header.namespace === ns.wsa && understood.includes(header.local);
}

/**
 * Reads the headers and holds them to what we serve: the answer goes back on the connection it came from. An answer
 * sent to an address of the caller's choice would let a partner aim our server at others.
 */
export function readAddressing(headers: readonly XmlElement[]): Addressing {
  const only = (local: string): XmlElement | undefined => {
    const [found, second] = headers.filter(each => isNamed(each, ns.wsa, local));
    if (second !== undefined) malformed(`wsa:${local} is repeated.`);
    return found;
  };
  for (const local of ['ReplyTo', 'FaultTo']) {
    const endpoint = only(local);
    if (endpoint && addressOf(endpoint) !== wsaAnonymous) malformed(`wsa:${local} must be the anonymous address.`);
  }
  return { to: uriIn(only('To')), action: uriIn(only('Action')), messageId: uriIn(only('MessageID')) };
}

/**
 * @param expected the address of the service, and the action of the operation that the Body names
 * @throws Refusal `malformed` when a header says something else than the message does
 */
export function checkAddressing(addressing: Addressing, expected: { to: string; action: string }): void {
  const { to, action } = addressing;
  if (action !== undefined && action !== expected.action)
    malformed('wsa:Action does not name the operation in the Body.');
  if (to !== undefined && to !== wsaAnonymous && to !== expected.to) malformed('wsa:To does not name this service.');
}

function addressOf(endpoint: XmlElement): string | undefined {
  return uriIn(childElements(endpoint)?.find(each => isNamed(each, ns.wsa, 'Address')));
}

function uriIn(element: XmlElement | undefined): string | undefined {
  if (element === undefined) return undefined;
  const text = textOf(element)?.trim();
  if (text === undefined || text === '' || text.length > 2000) return malformed(`wsa:${element.local} cannot be read.`);
  return text;
}
