import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, type Client, cases } from './clients.ts';

/** `none`: the client has no program for the case. */
export type Verdict = 'holds' | 'none' | { readonly wrong: string };

export interface Row {
  readonly client: Client;
  readonly version: string;
  readonly verdicts: ReadonlyMap<Case, Verdict>;
}

const page = join(import.meta.dirname, '../../docs/INTEROP.md');

/**
 * Writes docs/INTEROP.md, or compares it.
 *
 * @param missing how many clients are not installed; a page without them would be a lie
 * @returns what is wrong
 */
export function publish(rows: readonly Row[], { check, missing }: { check: boolean; missing: number }): string[] {
  if (missing > 0) return check ? [`${missing} tool chains are not installed`] : [];
  const text = written(rows);
  if (!check) writeFileSync(page, text);
  return text === readFileSync(page, 'utf8') ? [] : ['docs/INTEROP.md says something else: run test/interop/run.ts'];
}

function written(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const reasons = rows.flatMap(({ client }) =>
    Object.entries(client.without ?? {}).map(([each, why]) => `- ${client.name}, ${each}: ${why}.\n`),
  );
  return (
    `${introduction}\n${line(['client', 'version', ...cases])}${line(['---', '---', ...cases.map(() => '---')])}` +
    rows
      .map(({ client, version, verdicts }) =>
        line([
          `[${client.name}](../test/interop/${client.folder})`,
          version,
          ...cases.map(each => words(verdicts.get(each)!)),
        ]),
      )
      .join('') +
    `\n${meaning}\n${reasons.join('')}`
  );
}

const words = (verdict: Verdict): string => (verdict === 'holds' ? 'yes' : verdict === 'none' ? '–' : 'NO');

const introduction = `# Interoperability

Written by \`node test/interop/run.ts\`: each tool chain makes its client from the WSDL as served (or loads it) and calls
the real server over mutual TLS. CI runs the same and fails when this page says something else. How to write such a
client: [PARTNERS.md](PARTNERS.md).
`;

const meaning = `- **signed call**: a message signed with WS-Security is carried out.
- **fault**: the details of a fault (\`BastionFault\`) are read.
- **attachment**: a binary file sent as a MIME part arrives octet by octet. SwA: the Body names the part; MTOM: an
  \`xop:Include\` stands in the place of the content.
- **tampered refused**: a message that was changed after it was signed is refused.
- **answer verified**: the client verifies the signature of answers and faults, and notices a changed one.

Not tried by a program (–):
`;
