import { codes, Refusal } from '../../core/errors.ts';
import { escapeText } from './canonical.ts';
import { encodeElement } from './encode.ts';
import { commonNamespace, type SoapType, type Structure } from './model.ts';
import { ns } from './namespaces.ts';
import type { SignedAnswer } from './sign.ts';
import { faultType } from './xsd.ts';

/** SOAP 1.2 part 1, section 5.4. Every Detail holds a BastionFault, but the one for strangers. */

/** Part 2, section 7.5.2.2: 400 when the sender is at fault, 500 otherwise. */
export function faultStatus({ code }: Refusal): 400 | 500 {
  const { fault } = codes[code];
  return fault === 'Sender' || fault === 'FailedCheck' ? 400 : 500;
}

/** The content of Body, ready to be signed; the prefix `c` stands in the Subcode's text. */
export function faultBody(refusal: Refusal, requestId: string): Pick<SignedAnswer, 'body' | 'textPrefixes'> {
  return { body: faultElement(refusal, requestId), textPrefixes: { c: commonNamespace } };
}

function faultElement(refusal: Refusal, requestId: string, declarations = ''): string {
  const { fault } = codes[refusal.code];
  const detail = encodeElement('BastionFault', faultType, {
    error: refusal.code,
    message: refusal.message,
    request_id: requestId,
    errors: refusal.errors,
    authorization_request_id: refusal.authorizationRequestId,
    retry_after: refusal.retryAfter,
  });
  return (
    `<soap:Fault${declarations}><soap:Code><soap:Value>soap:${fault === 'FailedCheck' ? 'Sender' : fault}</soap:Value>` +
    `<soap:Subcode><soap:Value>c:${refusal.code}</soap:Value></soap:Subcode></soap:Code>` +
    `<soap:Reason><soap:Text xml:lang="en">${escapeText(refusal.message)}</soap:Text></soap:Reason>` +
    `<soap:Detail>${detail}</soap:Detail></soap:Fault>`
  );
}

/**
 * The fault for a message whose sender is not proven. What could not be authenticated gets one constant answer, so that
 * nobody learns which control stood in the way; what is no SOAP message we take is told so. The prefix of the Subcode's
 * text is declared on Fault: CXF looks for it there and no further up.
 */
export function unsignedFault(refusal: Refusal, requestId: string): string {
  const { fault } = codes[refusal.code];
  if (fault === 'FailedCheck') return failedCheck;
  const header = fault === 'VersionMismatch' ? upgrade : '';
  const body = faultElement(refusal, requestId, ` xmlns:c="${commonNamespace}"`);
  return `<soap:Envelope xmlns:soap="${ns.soap}">${header}<soap:Body>${body}</soap:Body></soap:Envelope>`;
}

/** WS-Security 1.1 section 12. */
const failedCheck =
  `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Body><soap:Fault xmlns:wsse="${ns.wsse}"><soap:Code>` +
  '<soap:Value>soap:Sender</soap:Value><soap:Subcode><soap:Value>wsse:FailedCheck</soap:Value></soap:Subcode>' +
  '</soap:Code><soap:Reason><soap:Text xml:lang="en">The message could not be authenticated.</soap:Text></soap:Reason>' +
  '</soap:Fault></soap:Body></soap:Envelope>';

/** Part 1, section 5.4.7. */
const upgrade = `<soap:Header><soap:Upgrade><soap:SupportedEnvelope qname="soap:Envelope"/></soap:Upgrade></soap:Header>`;

/** The refusal with its fields named as the caller wrote them: by element, not by JSON member. */
export function withElementNames(refusal: Refusal, request: Structure): Refusal {
  if (refusal.errors.length === 0) return refusal;
  const errors = refusal.errors.map(error => ({ ...error, field: elementPath(request, error.field) }));
  const { code, message, retryAfter, authorizationRequestId, cause } = refusal;
  return new Refusal(code, message, { cause, errors, retryAfter, authorizationRequestId });
}

function elementPath(request: Structure, path: string): string {
  let type: SoapType | undefined = request;
  const steps = path.split('.').map(step => {
    if (type?.kind !== 'structure' || /^\d+$/.test(step)) return step;
    const field: Structure['fields'][number] | undefined = type.fields.find(each => each.json === step);
    type = field?.type;
    return field?.xml ?? step;
  });
  return steps.join('.');
}
