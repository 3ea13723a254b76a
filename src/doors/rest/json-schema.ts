import { z } from 'zod';

/** JSON Schema 2020-12, as OpenAPI 3.1 embeds it. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  $ref?: string;
  [keyword: string]: unknown;
}

export interface ObjectSchema {
  /** The object itself, even when it has a name. */
  readonly schema: JsonSchema;
  /** The named types in it, by name. */
  readonly named: ReadonlyMap<string, JsonSchema>;
}

/** What a caller sends (`input`) or gets (`output`); references lead to `#/components/schemas/`. */
export function objectSchema(type: z.ZodObject, io: 'input' | 'output'): ObjectSchema {
  const {
    $schema,
    $defs = {},
    ...top
  } = z.toJSONSchema(type, { io, unrepresentable: 'any' }) as JsonSchema & {
    $defs?: Record<string, JsonSchema>;
  };
  const own = top.$ref?.slice('#/$defs/'.length);
  const named = new Map(Object.entries($defs).map(([name, schema]) => [name, rewritten(schema)] as const));
  const schema = own === undefined ? rewritten(top) : named.get(own)!;
  // A named object that nothing within refers to is spelled out where it stands.
  if (own !== undefined && !JSON.stringify($defs).includes(`"#/$defs/${own}"`)) named.delete(own);
  return { schema, named };
}

/** References as OpenAPI has them, without the marks that only we read. */
function rewritten(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (name, value) => {
    if (name === '$ref') return value.replace('#/$defs/', '#/components/schemas/');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return withoutMarks(value);
    return value;
  });
}

function withoutMarks({ binary, secret, id, ...schema }: JsonSchema): JsonSchema {
  const marks = { binary, secret, id };
  // Where there is a format, it says the same in one word.
  if (typeof schema.format === 'string' && typeof schema.pattern === 'string') delete schema.pattern;
  // Members of an object may bear these names; marks are never objects.
  for (const [name, value] of Object.entries(marks)) {
    if (typeof value === 'object' && value !== null) schema[name] = value;
  }
  return secret === true ? { ...schema, 'x-bastion-secret': true } : schema;
}

/** The one type of a value that may also be null. */
export function typeOf(schema: JsonSchema): string | undefined {
  const types = [schema.type ?? schema.anyOf?.map(typeOf)].flat(2);
  return types.find((type): type is string => typeof type === 'string' && type !== 'null');
}
