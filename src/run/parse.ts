import type { z } from 'zod';
import { type FieldError, Refusal } from '../core/errors.ts';

/** What is answered of a request's mistakes: a sender must not choose how long the answer to nonsense gets. */
const mostErrors = 100;
const longestField = 200;

/**
 * Parses what a door read. A missing required member is 400 (the request is not the documented one), every other broken
 * rule 422; all of them, up to a hundred, are named at once, with the field as the caller wrote it.
 */
export function parseInput<S extends z.ZodObject>(schema: S, raw: unknown): z.output<S> {
  const parsed = schema.safeParse(raw, { reportInput: true });
  if (parsed.success) return parsed.data;
  const found = parsed.error.issues.flatMap(fieldErrors);
  const missing = found.some(error => error.code === 'required');
  const errors = found.slice(0, mostErrors).map(each => ({ ...each, field: each.field.slice(0, longestField) }));
  throw missing
    ? new Refusal('malformed', 'A required field is missing; see errors.', { errors })
    : new Refusal('validation_failed', undefined, { errors });
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const field = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => ({
      field: field === '' ? key : `${field}.${key}`,
      code: 'unknown_field',
      message: 'is not a field of this request',
    }));
  }
  if (issue.input === undefined) {
    return [{ field, code: 'required', message: 'is required' }];
  }
  return [{ field, code: issue.code, message: issue.message }];
}
