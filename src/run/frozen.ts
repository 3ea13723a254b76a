import type { Caller } from '../core/caller.ts';
import type { Claim } from './idempotency.ts';
import type { Organization } from './request.ts';

/** What waits beside a held request. Nothing in it is a secret; what it allows is looked up again before it is used. */
interface Frozen {
  readonly caller: Caller;
  readonly organization: Organization;
  readonly claim?: Claim;
}

export function freezeCaller(caller: Caller, organization: Organization, claim: Claim | undefined): string {
  return JSON.stringify({
    caller: { ...caller, key: { ...caller.key, scopes: [...caller.key.scopes] } },
    organization,
    claim,
  });
}

export function thawCaller(text: string): Frozen {
  const { caller, organization, claim } = JSON.parse(text) as Frozen & { caller: { key: { scopes: string[] } } };
  return {
    caller: {
      ...caller,
      receivedAt: new Date(caller.receivedAt),
      key: { ...caller.key, scopes: new Set(caller.key.scopes) },
    },
    organization,
    claim,
  };
}
