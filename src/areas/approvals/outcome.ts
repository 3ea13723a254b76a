import { type ErrorCode, type FieldError, Refusal } from '../../core/errors.ts';
import type { Operation, TenantEntityManager } from '../../core/operation.ts';
import { hasSecrets, withoutSecrets } from '../../core/schema.ts';
import type { Keyring } from '../../core/seal.ts';
import { AuthorizationRequest } from './entities.ts';

/** What a held request came to: the operation's own answer, or the refusal it met when it was executed. */
export type HeldOutcome =
  | { output: Record<string, unknown> }
  | { refusal: { code: ErrorCode; message: string; errors: FieldError[] } };

type Row = Pick<AuthorizationRequest, 'id' | 'organizationId'>;

const placeOf = (row: Row, column: 'authorization' | 'outcome') => ({
  table: 'authorization_requests',
  column,
  row: row.id,
  organization: row.organizationId,
});

export function sealOutcome(keyring: Keyring, row: Row, outcome: HeldOutcome): Buffer {
  return keyring.sealText(placeOf(row, 'outcome'), JSON.stringify(outcome));
}

export function openOutcome(keyring: Keyring, row: Row & Pick<AuthorizationRequest, 'outcome'>): HeldOutcome {
  return JSON.parse(keyring.openText(placeOf(row, 'outcome'), row.outcome!)) as HeldOutcome;
}

export function sealAuthorization(keyring: Keyring, row: Row, text: string): Buffer {
  return keyring.sealText(placeOf(row, 'authorization'), text);
}

export function openAuthorization(keyring: Keyring, row: AuthorizationRequest): string {
  return keyring.openText(placeOf(row, 'authorization'), row.authorization);
}

/** The refusal that a finished request met; undefined while it waits and when it was executed. */
export function refusalOf(
  keyring: Keyring,
  row: Row & Pick<AuthorizationRequest, 'state' | 'outcome'>,
): Refusal | undefined {
  const authorizationRequestId = row.id;
  switch (row.state) {
    case 'denied':
      return new Refusal('approval_denied', undefined, { authorizationRequestId });
    case 'expired':
      return new Refusal('approval_expired', undefined, { authorizationRequestId });
    case 'cancelled':
      return new Refusal('approval_denied', 'The request was cancelled by its requester.', { authorizationRequestId });
    case 'lapsed':
      return new Refusal('approval_expired', 'The approved request was not started in time.', {
        authorizationRequestId,
      });
    case 'failed': {
      const outcome = openOutcome(keyring, row);
      if ('output' in outcome) throw new Error('a failed request holds an output');
      const { code, message, errors } = outcome.refusal;
      return new Refusal(code, message, { errors, authorizationRequestId });
    }
    default:
      return undefined;
  }
}

/** The operation's answer. Shown-once secrets leave the row with the first reading that carries them. */
export async function readOutput(
  em: Pick<TenantEntityManager, 'nativeUpdate'>,
  keyring: Keyring,
  op: Operation,
  row: AuthorizationRequest,
): Promise<Record<string, unknown>> {
  const outcome = openOutcome(keyring, row);
  if (!('output' in outcome)) throw new Error('an executed request holds no output');
  if (!hasSecrets(op.output)) return outcome.output;
  const kept = withoutSecrets(op.output, outcome.output) as Record<string, unknown>;
  const first = await em.nativeUpdate(
    AuthorizationRequest,
    { id: row.id, unread: true },
    { unread: false, outcome: sealOutcome(keyring, row, { output: kept }) },
  );
  return first === 1 ? outcome.output : kept;
}
