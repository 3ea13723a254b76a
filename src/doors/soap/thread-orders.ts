import type { ErrorCode, FieldError } from '../../core/errors.ts';
import type { SoapOperation } from './model.ts';
import type { RootPart } from './multipart.ts';
import type { TokenReference } from './token.ts';
import type { XmlElement } from './tree.ts';
import type { Facts, Signer } from './verify.ts';

/** What passes between the event loop and the threads that read envelopes. */

/** What is asked of the thread. */
export type Order =
  | {
      kind: 'verify';
      id: number;
      root: Pick<RootPart, 'octets' | 'charset'>;
      receivedAt: Date;
      contextNamespace: string;
    }
  | { kind: 'answer'; id: number; value: unknown }
  | { kind: 'decode'; id: number; operation: Wrapped }
  | { kind: 'forget'; id: number };

/** What the thread says. */
export type Report =
  | { kind: 'resolve'; id: number; reference: TokenReference }
  | { kind: 'early'; id: number; contentId: string; limit: number }
  | { kind: 'done'; id: number; value: unknown }
  | { kind: 'failed'; id: number; refusal: Told };

export type Wrapped = Pick<SoapOperation, 'namespace' | 'name' | 'request'>;

/** A Refusal on its way between threads. */
export interface Told {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: string | undefined;
  readonly errors: readonly FieldError[];
}

/** What may be known outside of a message that is verified here. */
export type Summary = Omit<Facts<Signer>, 'signer' | 'operation'> & {
  operationName: Pick<XmlElement, 'namespace' | 'local'>;
};
