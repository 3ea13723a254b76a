import { areas } from '../../src/areas.ts';
import type { Operation } from '../../src/core/operation.ts';
import { encodeRequest } from '../../src/doors/soap/encode.ts';
import { buildModel, type SoapOperation } from '../../src/doors/soap/model.ts';
import type { TestedDoor } from '../areas/through.ts';
import type { Tenant } from '../kit/app.ts';

/** Everything a refusal says, in one form for both doors. */
export interface Said {
  readonly status: number;
  readonly error: string;
  /** Names as in JSON. */
  readonly fields: string[];
  /** The whole answer as text, with the ids of this very request taken out. */
  readonly text: string;
}

export interface SayOptions {
  /** Members that the schema does not know; over SOAP as elements. */
  readonly surplus?: Record<string, unknown>;
  /** A member that is left out. */
  readonly omitted?: string;
}

/** Says anything at all to an operation, well-formed in the door's own syntax. */
export function say(
  door: TestedDoor,
  tenant: Tenant,
  op: Operation,
  input: Record<string, unknown>,
  options: SayOptions = {},
): Promise<Said> {
  return door === 'rest' ? overRest(tenant, op, input, options) : overSoap(tenant, op, input, options);
}

async function overRest(
  { rest }: Tenant,
  op: Operation,
  input: Record<string, unknown>,
  { surplus = {}, omitted = '' }: SayOptions,
): Promise<Said> {
  const path = op.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(input[name])));
  const others = { ...without(input, [...op.pathParameters, omitted]), ...surplus };
  const inQuery = op.method === 'GET' || op.method === 'DELETE';
  const pairs = Object.entries(others).map(([name, value]): [string, string] => [name, String(value)]);
  const query = new URLSearchParams(pairs).toString();
  const target = inQuery && query ? `${path}?${query}` : path;
  const { status, headers, body } = await rest.call(op.method, target, inQuery ? undefined : others);
  const requestId = headers['bastion-request-id'];
  if (!requestId || body.request_id !== requestId)
    throw new Error(`${op.soap}: no request_id in ${JSON.stringify(body)}`);
  const fields = [...new Set<string>((body.errors ?? []).map(({ field }: { field: string }) => field))];
  return { status, error: body.error, fields, text: anonymous(JSON.stringify(body)) };
}

const model = new Map<string, SoapOperation>(buildModel(areas).areas.flatMap(area => [...area.operations]));

async function overSoap(
  { soap }: Tenant,
  op: Operation,
  input: Record<string, unknown>,
  { surplus = {}, omitted }: SayOptions,
): Promise<Said> {
  const described = model.get(op.soap)!;
  const more = Object.entries(surplus).map(([name, value]) => `<${name}>${value}</${name}>`);
  const left = described.request.fields.find(field => field.json === omitted)?.xml;
  const body = encodeRequest(described, input)
    .replace('</request>', `${more.join('')}</request>`)
    .replaceAll(new RegExp(`<${left}>.*?</${left}>`, 'gs'), '');
  const { status, signed, fault, text } = await soap.call(op.soap, input, { envelope: { body } });
  if (!signed) throw new Error(`${op.soap}: the answer is not signed: ${text}`);
  const fields = [...new Set((fault?.errors ?? []).map(({ field }) => inJson(field)))];
  return { status, error: fault?.error ?? '', fields, text: anonymous(JSON.stringify(fault ?? {})) };
}

const inJson = (element: string): string => element.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);

const anonymous = (text: string): string => text.replaceAll(/\b(req|areq)_[0-9a-z]{26}\b/g, '$1');

function without(input: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([name]) => !names.includes(name)));
}
