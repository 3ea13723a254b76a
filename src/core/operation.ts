import type { EntityManager } from '@mikro-orm/core';
import type { z } from 'zod';
import type { Caller } from './caller.ts';
import { hasBinaries } from './schema.ts';
import type { Services } from './services.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Scope = `${string}:${string}`;

/**
 * The entity manager that business code gets: filtered to one organisation, without raw SQL and without any way to
 * leave the filter, at type level here and at run time in db/tenancy.
 */
export type TenantEntityManager = Pick<
  EntityManager,
  | 'find'
  | 'findOne'
  | 'findOneOrFail'
  | 'findAll'
  | 'findAndCount'
  | 'findByCursor'
  | 'count'
  | 'countBy'
  | 'populate'
  | 'create'
  | 'assign'
  | 'persist'
  | 'remove'
  | 'flush'
  | 'getReference'
  | 'lock'
  | 'refresh'
  | 'refreshOrFail'
  | 'insert'
  | 'insertMany'
  | 'nativeUpdate'
  | 'nativeDelete'
  | 'isInTransaction'
>;

export interface EnqueueOptions {
  /** Not before this instant; now when absent. */
  at?: Date;
  /** At most one waiting job of that name with this key. */
  unique?: string;
}

/** What a handler works with. Everything it changes commits together, or not at all. */
export interface HandleContext {
  readonly em: TenantEntityManager;
  readonly caller: Caller;
  /** The organisation that `em` is bound to: the one named in the path, else the one the caller acts on. */
  readonly organization: { readonly id: string; readonly path: string };
  readonly now: Date;
  /** Writes an event in this transaction. */
  emit(type: string, payload: Record<string, unknown>): void;
  /** Adds a job in this transaction; it runs after the commit, on any node. */
  enqueue(job: string, data: Record<string, unknown>, options?: EnqueueOptions): Promise<void>;
  /** Every operation that is served, for catalogues derived from them. */
  readonly operations: readonly Operation[];
  readonly services: Services;
}

/** What can be read before and without a transaction. */
export interface ReadingContext {
  readonly organization: { readonly id: string; readonly path: string };
  readonly now: Date;
  /** A short read of its own, under the tenant filter. */
  read<T>(query: (em: TenantEntityManager) => Promise<T>): Promise<T>;
  /** What is inherited: the query's rows for the organisation, then for each ancestor up to the root. */
  inherited<T>(query: (em: TenantEntityManager) => Promise<T[]>): Promise<T[]>;
  readonly services: Services;
}

/** Slow outward reads before the transaction: DNS, challenges. `signal` fires at the deadline. */
export interface PrepareContext extends ReadingContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

interface Definition<I extends z.ZodObject, O extends z.ZodObject, P> {
  /** Method and path; `{name}` members are input members. */
  readonly rest: `${Method} /${string}`;
  /** Operation and element name in the WSDL. */
  readonly soap: string;
  readonly scope: Scope;
  /** One sentence, imperative, for OpenAPI and WSDL. */
  readonly summary: string;
  readonly description?: string;
  /** Needs approval: always, or when the input says so; `because` is shown in the reference. */
  readonly sensitive?: true | { readonly when: (input: z.output<I>) => boolean; readonly because: string };
  readonly input: I;
  readonly output: O;
  /**
   * What speaks against the request whoever approves it, from short reads alone. Asked before anybody is asked to approve,
   * and again before it runs: nothing may leave the house here, since nobody has approved anything.
   */
  check?(context: ReadingContext, input: z.output<I>): Promise<void>;
  prepare?(context: PrepareContext, input: z.output<I>): Promise<P>;
  handle(context: HandleContext, input: z.output<I>, prepared: P): Promise<z.input<O>>;
}

/** One thing Bastion does, said once: routes, OpenAPI, WSDL, scopes and the reference page are derived from it. */
export interface Operation extends Definition<z.ZodObject, z.ZodObject, unknown> {
  readonly method: Method;
  /** Path template with `{name}` members. */
  readonly path: string;
  /** Input members that stand in the path, in order. */
  readonly pathParameters: readonly string[];
  /** GET: runs without a write transaction and leaves no audit row. */
  readonly readOnly: boolean;
}

/** Declares an operation. The path's members must be members of the input. */
export function operation<I extends z.ZodObject, O extends z.ZodObject, P = undefined>(
  definition: Definition<I, O, P>,
): Operation {
  const [method, path] = definition.rest.split(' ') as [Method, string];
  const pathParameters = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1]!);
  for (const parameter of pathParameters) {
    if (!(parameter in definition.input.shape)) throw new Error(`${definition.soap}: ${parameter} is not an input`);
  }
  // Held files belong to the acting organisation: what works in another could not adopt them.
  if (pathParameters.includes('org_id') && hasBinaries(definition.input)) {
    throw new Error(`${definition.soap}: files go with the acting organisation only`);
  }
  return {
    ...(definition as unknown as Definition<z.ZodObject, z.ZodObject, unknown>),
    method,
    path,
    pathParameters,
    readOnly: method === 'GET',
  };
}

/** Whether this very request must be approved. */
export function isSensitive(op: Operation, input: Record<string, unknown>): boolean {
  return typeof op.sensitive === 'object' ? op.sensitive.when(input) : op.sensitive === true;
}

/** A product area: a WSDL, a tag in the reference, and the operations it exports. */
export interface Area {
  /** Lowercase, as in the WSDL's file name and SOAP path. */
  readonly name: string;
  /** The product's documented name. */
  readonly product: string;
  /** Version prefix of its paths and namespace. */
  readonly version: `v${number}`;
  readonly operations: readonly Operation[];
}

/** Collects the operations that an area's module exports: the export is the registration. */
export function area(name: string, product: string, version: Area['version'], module: Record<string, unknown>): Area {
  const operations = Object.values(module).filter(isOperation);
  return { name, product, version, operations };
}

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'soap' in value && 'handle' in value && 'rest' in value;
}
