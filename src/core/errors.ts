/**
 * The one way to say no. Every code that a caller can ever meet is a row of `codes`; the doors translate the row, and a
 * code without a row does not compile. Anything thrown that is not a Refusal is `internal`: fixed words, full log.
 */
interface CodeRow {
  /** HTTP status of the REST door. */
  readonly status: number;
  /** SOAP 1.2 fault code (SOAP 1.2 part 1, 5.4.6); `FailedCheck` is the constant WS-Security answer to strangers. */
  readonly fault: 'Sender' | 'Receiver' | 'VersionMismatch' | 'MustUnderstand' | 'FailedCheck';
  /** SMTP reply: code and enhanced status code (RFC 3463). */
  readonly smtp: string;
  /** Words used when the refusal brings none. */
  readonly message: string;
}

const row = (status: number, fault: CodeRow['fault'], smtp: string, message: string): CodeRow => ({
  status,
  fault,
  smtp,
  message,
});

export const codes = {
  // Access: which class failed, never which secret was close.
  address_not_allowed: row(403, 'FailedCheck', '550 5.7.1', 'The source address is not registered.'),
  certificate_required: row(401, 'FailedCheck', '530 5.7.0', 'A client certificate is required.'),
  certificate_invalid: row(401, 'FailedCheck', '535 5.7.8', 'The client certificate is not registered and in force.'),
  key_invalid: row(401, 'FailedCheck', '535 5.7.8', 'The API key is missing or invalid.'),
  signature_invalid: row(401, 'FailedCheck', '535 5.7.8', 'The request signature is missing or does not verify.'),
  timestamp_invalid: row(401, 'FailedCheck', '535 5.7.8', 'The timestamp is missing or outside the accepted window.'),
  nonce_reused: row(401, 'FailedCheck', '535 5.7.8', 'This nonce has been used before.'),
  replayed: row(401, 'Sender', '535 5.7.8', 'This signed message has been received before.'),
  organization_suspended: row(403, 'Sender', '550 5.7.1', 'The organisation is suspended.'),
  scope_missing: row(403, 'Sender', '550 5.7.1', 'The key lacks the scope that this operation requires.'),
  door_closed: row(403, 'Sender', '550 5.7.1', 'The key does not open this door.'),
  region_mismatch: row(403, 'Sender', '550 5.7.1', 'This node does not serve the data region of the organisation.'),

  // Requests.
  malformed: row(400, 'Sender', '501 5.5.4', 'The request is malformed.'),
  validation_failed: row(422, 'Sender', '554 5.6.0', 'A value breaks a rule; see errors.'),
  cursor_invalid: row(422, 'Sender', '554 5.6.0', 'The cursor does not belong to this list.'),
  not_found: row(404, 'Sender', '550 5.1.1', 'There is no such thing here.'),
  method_not_allowed: row(405, 'Sender', '502 5.5.1', 'This address does not take that method.'),
  conflict: row(409, 'Sender', '554 5.5.1', 'The request conflicts with what is stored.'),
  too_large: row(413, 'Sender', '552 5.3.4', 'The request is too large.'),
  unsupported_media_type: row(415, 'Sender', '554 5.6.1', 'The content type or encoding is not supported.'),
  rate_limited: row(429, 'Sender', '450 4.7.1', 'Too many requests; retry after the time given.'),
  version_mismatch: row(500, 'VersionMismatch', '554 5.6.0', 'Only SOAP 1.2 envelopes are understood.'),
  must_understand: row(500, 'MustUnderstand', '554 5.6.0', 'A mandatory header was not understood.'),

  // Idempotency.
  idempotency_conflict: row(422, 'Sender', '554 5.5.1', 'The idempotency key was used with another request.'),
  idempotency_in_flight: row(409, 'Sender', '450 4.5.1', 'A request with this idempotency key is being processed.'),

  // Approvals.
  approval_pending: row(202, 'Receiver', '450 4.7.1', 'The request waits for approval.'),
  approval_denied: row(403, 'Sender', '550 5.7.1', 'The request was denied by the approval webhook.'),
  approval_expired: row(403, 'Sender', '550 5.7.1', 'No approval arrived in time.'),
  approval_unavailable: row(403, 'Sender', '550 5.7.1', 'The operation needs approval and no approval webhook is set.'),
  approval_failed: row(403, 'Sender', '550 5.7.1', 'The approved request could not be executed.'),
  approval_limit: row(429, 'Sender', '450 4.7.1', 'Too many requests are waiting for approval.'),

  // Ourselves.
  internal: row(500, 'Receiver', '451 4.3.0', 'An internal error occurred.'),
  unavailable: row(503, 'Receiver', '451 4.3.2', 'The service is temporarily unavailable.'),
} as const satisfies Record<string, CodeRow>;

export type ErrorCode = keyof typeof codes;

/** One broken rule: the field as the caller wrote it (dotted path), a stable code, and what to change. */
export interface FieldError {
  field: string;
  code: string;
  message: string;
}

interface RefusalDetails {
  cause?: unknown;
  errors?: FieldError[];
  /** Whole seconds after which the same request may be tried again. */
  retryAfter?: number;
  /** Set on every refusal of a request that is, or was, held for approval. */
  authorizationRequestId?: string;
}

/** An expected no, with words for the caller. Its message must never hold a secret or another tenant's data. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly errors: FieldError[];
  readonly retryAfter: number | undefined;
  readonly authorizationRequestId: string | undefined;

  constructor(code: ErrorCode, message: string = codes[code].message, details: RefusalDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Refusal';
    this.code = code;
    this.errors = details.errors ?? [];
    this.retryAfter = details.retryAfter;
    this.authorizationRequestId = details.authorizationRequestId;
  }

  get status(): number {
    return codes[this.code].status;
  }

  /** What the log may say. Causes that are errors of our own are not for it: drivers write values into theirs. */
  get reason(): string {
    return this.status < 500 && this.cause instanceof Error ? this.cause.message : this.message;
  }
}

/** A single value that breaks a rule: 422 with one field error. */
export function invalid(field: string, message: string, code = 'invalid'): Refusal {
  return new Refusal('validation_failed', undefined, { errors: [{ field, code, message }] });
}

/** Missing and foreign things get this same answer, so that ids cannot be probed. */
export function notFound(): Refusal {
  return new Refusal('not_found');
}

/** What may be said of any thrown value: a Refusal speaks for itself, everything else is fixed words. */
export function asRefusal(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal('internal', undefined, { cause: error });
}
