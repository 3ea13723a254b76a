import type { ReadyConfig } from '../../src/config.ts';
import type { Operation } from '../../src/core/operation.ts';
import { type Kit, startKit, type Tenant, type TenantWish } from '../kit/app.ts';

/** How one operation is called well. Every way to call it badly is derived from it. */
export interface Case {
  readonly op: Operation;
  /** Makes what the path names in the party's own organisation, and answers the members of the path. */
  path?(party: Party): Promise<Record<string, string>>;
  /** The other members of the input. */
  input?(party: Party): Record<string, unknown> | Promise<Record<string, unknown>>;
  /** Members of the answer that are random, or that say through which door it came. */
  readonly varying?: readonly string[];
}

/** An organisation that calls, with what its cases are made of. */
export interface Party extends Tenant {
  readonly kit: Kit;
  /** Verified for sending. */
  readonly domain: string;
  /** 1, 2, 3 …: parties that live the same life count alike. */
  next(): number;
}

export async function party(kit: Kit, name: string, domain: string, wish: TenantWish = {}): Promise<Party> {
  const tenant = await kit.organization(name, { ...wish, domain });
  let made = 0;
  return { ...tenant, kit, domain, next: () => ++made };
}

/** Requests whose text holds this are answered by no approval webhook, so that they stay pending. */
export const unanswered = 'nobody answers this one';

/** Name servers that know nothing. */
const emptyResolver = {
  resolveTxt: () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })),
  resolveMx: () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })),
};

export async function startContractKit(config?: Partial<ReadyConfig>): Promise<Kit> {
  const kit = await startKit({ resolver: emptyResolver as never, config });
  kit.responder.decide = ({ authorization }) => {
    if (authorization.includes(unanswered)) throw new Error('out of order');
    return 'approve';
  };
  return kit;
}
