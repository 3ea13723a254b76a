import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Area } from './core/operation.ts';
import { generate, placeholderUrl } from './doors/soap/wsdl.ts';

const folder = resolve(import.meta.dirname, '..', 'wsdl');

/** `wsdl/` as the operations say: committed, so that a change of the contract is reviewed as a diff. */
export function writeWsdl(areas: readonly Area[]): void {
  const files = generate(areas, placeholderUrl);
  mkdirSync(folder, { recursive: true });
  for (const name of strangers(files)) rmSync(join(folder, name));
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
}

/** Throws with the names of the files that are not what the operations say. */
export function checkWsdl(areas: readonly Area[]): void {
  const files = generate(areas, placeholderUrl);
  const stale = [...files].filter(([name, text]) => text !== present(name)).map(([name]) => name);
  const wrong = [...stale, ...strangers(files)];
  if (wrong.length > 0)
    throw new Error(`run \`npm run wsdl\`: ${wrong.join(', ')} in wsdl/ differ from the operations`);
}

const strangers = (files: Map<string, string>): string[] => readdirSync(folder).filter(name => !files.has(name));

function present(name: string): string | undefined {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch {
    return undefined;
  }
}
