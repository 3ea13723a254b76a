import { Refusal } from '../../core/errors.ts';

/**
 * The one answer to everything that keeps a message from being authentic. The reason goes into the cause, for our log;
 * the caller learns only that the check failed, so that nobody can search for a message that fails later.
 */
export function refuse(reason: string): never {
  throw new Refusal('signature_invalid', undefined, { cause: new Error(reason) });
}

/** A SOAP message that no signature could make right; what is wrong may be said. */
export function malformed(message: string): never {
  throw new Refusal('malformed', message);
}

/** The octets of an xsd:base64Binary, undefined when the text is none. White space is allowed, as the type says. */
export function base64Octets(text: string): Buffer | undefined {
  const compact = text.replace(/[ \t\r\n]+/g, '');
  if (compact === '' || compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, 'base64');
}
