import type { Operation } from '../../src/core/operation.ts';
import type { Tenant } from '../kit/app.ts';

export const bothDoors = ['rest', 'soap'] as const;
export type TestedDoor = (typeof bothDoors)[number];

/** What a door said, in one form for both. */
export interface Answer {
  /** `ok`, or the error code. */
  readonly outcome: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape
  readonly output: any;
  readonly fields: string[];
}

/** Calls the operation with this input: as the documented HTTP request, or as a signed SOAP message. */
export async function through(
  door: TestedDoor,
  tenant: Tenant,
  op: Operation,
  input: Record<string, unknown> = {},
): Promise<Answer> {
  return door === 'rest' ? overRest(tenant, op, input) : overSoap(tenant, op, input);
}

/** The output of a call that must succeed. */
export async function done(...call: Parameters<typeof through>): Promise<Answer['output']> {
  const answer = await through(...call);
  if (answer.outcome !== 'ok') throw new Error(`${call[2].soap}: ${answer.outcome} ${JSON.stringify(answer.fields)}`);
  return answer.output;
}

async function overRest({ rest }: Tenant, op: Operation, input: Record<string, unknown>): Promise<Answer> {
  const path = op.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input[name])));
  const others = Object.entries(input).filter(([name]) => !op.pathParameters.includes(name));
  const query = new URLSearchParams(others.map(([name, value]): [string, string] => [name, String(value)])).toString();
  const hasBody = op.method !== 'GET' && others.length > 0;
  const target = op.method === 'GET' && query ? `${path}?${query}` : path;
  const { status, body } = await rest.call(op.method, target, hasBody ? Object.fromEntries(others) : undefined);
  if (status === 200) {
    const { request_id: _, ...output } = body;
    return { outcome: 'ok', output, fields: [] };
  }
  const fields = (body.errors ?? []).map(({ field }: { field: string }) => field);
  return { outcome: body.error, output: undefined, fields };
}

async function overSoap({ soap }: Tenant, op: Operation, input: Record<string, unknown>): Promise<Answer> {
  const { output, fault } = await soap.call(op.soap, input);
  if (output) return { outcome: 'ok', output, fields: [] };
  return {
    outcome: fault?.error ?? fault?.code ?? 'no answer',
    output: undefined,
    fields: (fault?.errors ?? []).map(({ field }) => field.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)),
  };
}

/** The answer with what differs from call to call taken out: ids, instants, secrets, random tokens. */
export function pattern(output: unknown): unknown {
  return JSON.parse(
    JSON.stringify(output, (_, value) => {
      if (typeof value !== 'string') return value;
      return value
        .replaceAll(/\b([a-z]+)_[0-9a-hjkmnp-tv-z]{26}\b/g, '$1_…')
        .replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'instant')
        .replace(/^sk_live_.*/, 'secret')
        .replace(/^bastion-verify=.*/, 'token')
        .replace(/p=.*/, 'p=…');
    }),
  );
}
