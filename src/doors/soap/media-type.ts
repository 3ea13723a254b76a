import { Refusal } from '../../core/errors.ts';

/** A Content-Type: the type in lower case, parameters by lower-case name. */
export interface MediaType {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const typePattern = new RegExp(`^[ \\t]*(${token}/${token})[ \\t]*`);
const parameterPattern = new RegExp(
  `;[ \\t]*(?:(${token})=(?:(${token})|"((?:[^"\\\\]|\\\\.){0,1000})"))?[ \\t]*`,
  'y',
);
/** Parameters that toolkits write without quotes although RFC 2045 demands them: `boundary=a/b`, `start=<root>`. */
const loosePattern = new RegExp(`;[ \\t]*(${token})=([^"; \\t]{1,200})[ \\t]*`, 'y');

/**
 * @throws Refusal `malformed` when it cannot be read one way only: a parameter that is given twice is two messages in
 *   one, to two readers.
 */
export function parseMediaType(value: string): MediaType {
  const start = typePattern.exec(value);
  if (!start || value.length > 2000) throw unreadable();
  const parameters = new Map<string, string>();
  let at = start[0].length;
  while (at < value.length) {
    parameterPattern.lastIndex = at;
    let found = parameterPattern.exec(value);
    if (!found || !endsParameter(value, at + found[0].length)) {
      loosePattern.lastIndex = at;
      found = loosePattern.exec(value);
    }
    if (!found) throw unreadable();
    at += found[0].length;
    const [, name, plain, quoted] = found;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (parameters.has(key)) throw unreadable();
    parameters.set(key, plain ?? quoted!.replace(/\\(.)/g, '$1'));
  }
  return { type: start[1]!.toLowerCase(), parameters };
}

const endsParameter = (value: string, at: number): boolean => at === value.length || value[at] === ';';

const unreadable = (): Refusal => new Refusal('malformed', 'A Content-Type cannot be read.');
