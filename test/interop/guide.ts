import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `node test/interop/guide.ts` writes the programs into docs/PARTNERS.md: each block whose first line names a file. */

const root = join(import.meta.dirname, '../..');
export const guide = join(root, 'docs/PARTNERS.md');

export function withPrograms(text: string): string {
  return text.replace(
    /^(```\S+ (test\/interop\/\S+)\n)[\s\S]*?^```$/gm,
    (_, start: string, file: string) => `${start}${readFileSync(join(root, file), 'utf8')}\`\`\``,
  );
}

if (import.meta.main) writeFileSync(guide, withPrograms(readFileSync(guide, 'utf8')));
