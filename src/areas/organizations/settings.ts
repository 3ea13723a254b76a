import { invalid } from '../../core/errors.ts';

const mostSettings = 100;

/** Keys are words, values short: what a `settings` schema cannot say. `stored` are those that are there already. */
export function mergeSettings(
  stored: Readonly<Record<string, string | number | boolean>>,
  changes: Readonly<Record<string, string | number | boolean>>,
): Record<string, string | number | boolean> {
  for (const [key, value] of Object.entries(changes)) {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(key)) throw invalid('settings', 'keys are snake_case, at most 64 characters');
    if (typeof value === 'string' && (value.length > 1000 || !value.isWellFormed() || value.includes('\0'))) {
      throw invalid(`settings.${key}`, 'must be plain text of at most 1000 characters');
    }
  }
  const merged = { ...stored, ...changes };
  if (Object.keys(merged).length > mostSettings) throw invalid('settings', `holds more than ${mostSettings} keys`);
  return merged;
}
