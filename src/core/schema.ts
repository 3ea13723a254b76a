import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Content, OctetContent } from './content.ts';
import { idPattern } from './ids.ts';

/**
 * The vocabulary every operation's input and output is written in. Each word has one form in JSON Schema, XSD and OpenAPI:
 * the contract writers read `z.toJSONSchema` and the `meta` set here. Shapes that XSD cannot say (unions, open maps,
 * tuples) are not in the vocabulary, except `nullable`, `stringMap` and `settings`, which have a named XSD form.
 */

// C0 controls other than tab and line ends, U+FFFE/U+FFFF and lone surrogates have no place in XML 1.0 and none in a column.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the characters are named in order to be refused
const unspeakable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/u;
const speakable = (value: string): boolean => !unspeakable.test(value);
const notSpeakable = { message: 'holds a character that cannot be stored (control character or lone surrogate)' };

/** Free text of up to `max` UTF-16 units; line ends allowed, kept as sent. */
export const text = (max: number) => z.string().min(1).max(max).refine(speakable, notSpeakable);

/** One line of text, trimmed: names, labels, subjects. Line ends are refused, so that it can stand in a header. */
export const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine(speakable, notSpeakable)
    .refine(value => !/[\r\n]/.test(value), { message: 'must be a single line' });

/** An id with its documented prefix. */
export const id = (prefix: string) => z.string().regex(idPattern(prefix), { message: `must be an id ${prefix}_…` });

/** An instant, RFC 3339 with a zone; answers use UTC and whole seconds. */
export const dateTime = () => z.iso.datetime({ offset: true });

/**
 * A mail address of at most 254 characters (RFC 5321 4.5.3.1.3), lower-cased domain left to the user of it. The length comes
 * first: the pattern overflows the stack on megabytes.
 */
export const email = () => z.string().max(254, { abort: true }).check(z.email());

export const count = () => z.int().min(0);

/** An IPv4 or IPv6 address or CIDR block, as text; its rule stands in core/addresses. */
export const addressBlock = () => z.string().trim().min(2).max(49);

/**
 * A file: base64 in JSON (`format: byte`); over SOAP base64, XOP, or an attached part named by contentId and sha256. What a door
 * could not stream, it hands over as the base64 text.
 */
export const binary = () =>
  z
    .unknown()
    .transform((value, { issues }): Content => {
      if (value instanceof Content) return value;
      const text = z.base64().safeParse(value, { reportInput: true });
      if (text.success) return new OctetContent(Buffer.from(text.data, 'base64'));
      issues.push(...(text.error.issues as z.core.$ZodRawIssue[]));
      return z.NEVER;
    })
    .meta({ type: 'string', format: 'byte', contentEncoding: 'base64', binary: true });

/** A value that appears in no log, audit detail or authorization text; there it is replaced by its hash. */
export const secret = <T extends z.ZodType>(schema: T) => schema.meta({ ...schema.meta(), secret: true });

/** Present and null is an answer of its own in JSON; in XML the element is left out. */
export const nullable = <T extends z.ZodType>(schema: T) => schema.nullable();

/** Repeated elements in XML. */
export const list = <T extends z.ZodType>(item: T, max = 1000) => z.array(item).max(max);

/** An open map of strings: XSD StringMap, repeated `entry` elements with `name` and `value`. */
export const stringMap = () => z.record(z.string(), z.string()).meta({ id: 'StringMap' });

/** An open map of scalars: XSD Settings, repeated `setting` elements with a name and one typed value. */
export const settings = () =>
  z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])).meta({ id: 'Settings' });

/** A structure with a name of its own in OpenAPI and XSD. Unknown members are refused. */
export function named<S extends z.ZodRawShape>(name: string, shape: S) {
  return z.strictObject(shape).meta({ id: name });
}

/** The members that every list takes. */
export const pageInput = {
  limit: z.int().min(1).max(200).optional().describe('Page size, 1 to 200; 50 when absent.'),
  cursor: z.string().min(1).max(1024).optional().describe('The next_cursor of the page before.'),
};

/** The member that every list answers beside its items. */
export const pageOutput = {
  next_cursor: nullable(z.string()).describe('Hand this back as cursor for the next page; null on the last one.'),
};

/** RFC 3339 in UTC, whole seconds: the form of every instant in an answer. */
export function timestamp(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/**
 * The parsed value as it may be shown and logged: every secret and file replaced by `sha256:` and the hex SHA-256 of its octets
 * (a secret's in UTF-8), everything else as it is.
 */
export function withHashes(schema: z.ZodType, value: unknown): unknown {
  return mapMarked(schema, value, (marks, marked) => {
    if (marks.binary) return `sha256:${(marked as Content).sha256}`;
    const text = typeof marked === 'string' ? marked : JSON.stringify(marked);
    return `sha256:${createHash('sha256').update(text, 'utf8').digest('hex')}`;
  });
}

/** The value with something else in the place of each file. */
export function withFiles(schema: z.ZodType, value: unknown, replace: (file: unknown) => unknown): unknown {
  return mapMarked(schema, value, (marks, marked) => (marks.binary ? replace(marked) : marked));
}

/** The files of a parsed value. */
export function filesOf(schema: z.ZodType, value: unknown): Content[] {
  const files: Content[] = [];
  withFiles(schema, value, file => files.push(file as Content));
  return files;
}

/** The value without its secrets: what is kept of an answer whose secrets are shown once. */
export function withoutSecrets(schema: z.ZodType, value: unknown): unknown {
  return mapMarked(schema, value, (marks, marked) => (marks.secret ? undefined : marked));
}

/** Whether a value of this shape can hold a secret. */
export const hasSecrets = (schema: z.ZodType): boolean => isMarked(schema, 'secret');

/** Whether a value of this shape can hold bytes: then it may be large. */
export const hasBinaries = (schema: z.ZodType): boolean => isMarked(schema, 'binary');

type Marks = { secret?: boolean; binary?: boolean };

function isMarked(schema: z.ZodType, mark: keyof Marks): boolean {
  const inner = unwrap(schema);
  if (inner.meta()?.[mark]) return true;
  if (inner instanceof z.ZodArray) return isMarked(inner.element as z.ZodType, mark);
  return inner instanceof z.ZodObject && Object.values(inner.shape).some(member => isMarked(member as z.ZodType, mark));
}

function mapMarked(schema: z.ZodType, value: unknown, replace: (marks: Marks, value: unknown) => unknown): unknown {
  if (value === undefined || value === null) return value;
  const inner = unwrap(schema);
  const marks = (inner.meta() ?? {}) as Marks;
  if (marks.secret || marks.binary) return replace(marks, value);
  if (inner instanceof z.ZodArray) {
    return (value as unknown[]).map(item => mapMarked(inner.element as z.ZodType, item, replace));
  }
  if (!(inner instanceof z.ZodObject)) return value;
  const members = Object.entries(value).map(([name, member]) => {
    const shape = inner.shape[name] as z.ZodType | undefined;
    return [name, shape ? mapMarked(shape, member, replace) : member] as const;
  });
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}

function unwrap(schema: z.ZodType): z.ZodType {
  const wrapped = schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault;
  return wrapped ? unwrap(schema.unwrap() as z.ZodType) : schema;
}
