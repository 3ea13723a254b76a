import { invalid } from '../../core/errors.ts';
import type { TenantEntityManager } from '../../core/operation.ts';
import { DlpPolicy } from '../dlp/entities.ts';

const mostSettings = 100;

/**
 * Keys are words, values short, what is named is there: what a `settings` schema cannot say. `em` is bound to the
 * organisation, `stored` are those that are there already.
 */
export async function mergeSettings(
  em: TenantEntityManager,
  stored: Readonly<Record<string, string | number | boolean>>,
  changes: Readonly<Record<string, string | number | boolean>>,
): Promise<Record<string, string | number | boolean>> {
  for (const [key, value] of Object.entries(changes)) {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(key)) throw invalid('settings', 'keys are snake_case, at most 64 characters');
    if (typeof value === 'string' && (value.length > 1000 || !value.isWellFormed() || value.includes('\0'))) {
      throw invalid(`settings.${key}`, 'must be plain text of at most 1000 characters');
    }
  }
  const policy = changes.default_dlp_policy;
  if (policy !== undefined && !(await em.findOne(DlpPolicy, { id: String(policy) }))) {
    throw invalid('settings.default_dlp_policy', 'names no DLP policy of the organisation', 'unknown');
  }
  const merged = { ...stored, ...changes };
  if (Object.keys(merged).length > mostSettings) throw invalid('settings', `holds more than ${mostSettings} keys`);
  return merged;
}
