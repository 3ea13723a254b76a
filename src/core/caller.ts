/** The ways into Bastion; a key names the doors it opens. */
export const doors = ['rest', 'soap'] as const;
export type Door = (typeof doors)[number];

/**
 * Who is calling, proven: made by the gate only, after address, certificate, key, timestamp, signature and nonce held.
 * Everything in it may be logged and audited; it holds no secret.
 */
export interface Caller {
  readonly door: Door;
  readonly requestId: string;
  /** The source address, as the TLS peer or an authenticated proxy gave it. */
  readonly address: string;
  /** The organisation the request acts on: the key's own, or the descendant named in Bastion-Org-Id. */
  readonly organization: { readonly id: string; readonly path: string };
  readonly key: {
    readonly id: string;
    readonly name: string;
    /** The organisation whose key it is: approvals go to its webhooks. */
    readonly organizationId: string;
    readonly organizationPath: string;
    readonly scopes: ReadonlySet<string>;
    /** The member whose key it is: what it makes is that member's, too. */
    readonly memberId: string | null;
    /** A key bound to one organisation never reaches a descendant, not even by a path. */
    readonly bound: boolean;
  };
  /** Of the TLS connection. */
  readonly certificate: { readonly id: string; readonly thumbprint: string };
  /** Of a signed message, when another certificate signed it. */
  readonly signer?: { readonly id: string; readonly thumbprint: string };
  readonly request: {
    readonly method: string;
    /** The request target as sent, path and query. */
    readonly path: string;
    /** `sha256:` + hex SHA-256 of what the caller signed: the canonical string, or the replay key of a SOAP message. */
    readonly digest: string;
  };
  /** Idempotency-Key header, checked for form only. */
  readonly idempotencyKey: string | undefined;
  /** `Prefer: respond-async` was sent: answer 202 at once when approval is needed. */
  readonly respondAsync: boolean;
  /** When the headers arrived. */
  readonly receivedAt: Date;
}

/** Who acts when nobody calls: a job, arriving mail, an operator's command. */
export interface Actor {
  readonly kind: 'job' | 'cli' | 'mail';
  readonly name: string;
}
