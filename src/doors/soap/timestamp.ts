import { Refusal } from '../../core/errors.ts';
import { ns } from './namespaces.ts';
import { refuse } from './refuse.ts';
import { childElements, isNamed, textOf, type XmlElement } from './tree.ts';

/** WS-Security 1.1 section 10: when the message was made and, if the sender says so, until when it is good. */
export interface Timestamp {
  readonly created: Date;
  readonly expires: Date | undefined;
}

export const oldestAccepted = 300_000;
export const furthestAhead = 60_000;

/** One Created and at most one Expires, in that order, nothing else. */
export function readTimestamp(element: XmlElement): Timestamp {
  const children = childElements(element) ?? [];
  const [first, second] = children;
  if (children.length > 2 || first === undefined || !isNamed(first, ns.wsu, 'Created'))
    refuse('the Timestamp has no Created');
  if (second !== undefined && !isNamed(second, ns.wsu, 'Expires')) refuse('the Timestamp holds something unknown');
  return { created: instantIn(first!), expires: second && instantIn(second) };
}

function instantIn(element: XmlElement): Date {
  const plain = element.attributes.every(({ namespace, local }) => namespace === ns.wsu && local === 'Id');
  return (
    (plain ? parseDateTime((textOf(element) ?? '').trim()) : undefined) ?? refuse(`${element.local} is not a dateTime`)
  );
}

const dateTime = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/;
/** XML Schema part 2, 3.2.7: the end of a day, which is the first instant of the next. */
const endOfDay = /T24:00:00(?:\.0+)?(?=[Z+-])/;

/**
 * An xsd:dateTime with a time zone; without one it names no instant. Fractions are cut to milliseconds. undefined for
 * anything else, days that the month does not have included.
 */
export function parseDateTime(text: string): Date | undefined {
  if (endOfDay.test(text)) {
    const start = parseDateTime(text.replace(endOfDay, 'T00:00:00'));
    return start && new Date(start.getTime() + 86_400_000);
  }
  const found = dateTime.exec(text);
  if (!found) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHours, offsetMinutes] = found;
  const milliseconds = fraction === undefined ? 0 : Number(fraction.slice(1, 4).padEnd(3, '0'));
  const local = new Date(0);
  local.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  local.setUTCHours(Number(hour), Number(minute), Number(second), milliseconds);
  if (local.toISOString().slice(0, 19) !== text.slice(0, 19)) return undefined;
  if (sign === undefined) return local;
  const offset = Number(offsetHours) * 60 + Number(offsetMinutes);
  if (Number(offsetMinutes) > 59 || offset > 14 * 60) return undefined;
  return new Date(local.getTime() - (sign === '-' ? -offset : offset) * 60_000);
}

/**
 * @param receivedAt when the headers of the HTTP request arrived, so that a slow body does not age its message
 * @throws Refusal `timestamp_invalid`
 */
export function checkFreshness({ created, expires }: Timestamp, receivedAt: Date): void {
  const age = receivedAt.getTime() - created.getTime();
  const fresh = age <= oldestAccepted && age >= -furthestAhead;
  const valid = expires === undefined || (expires > created && expires > receivedAt);
  if (!fresh || !valid) throw new Refusal('timestamp_invalid');
}
