import type { ErrorCode } from '../../src/core/errors.ts';
import { xmlCryptoDifferences } from '../doors/soap/oracles.ts';

/** What the matrix found, as docs/ATTACKS.md. */

interface Outcome {
  readonly code: ErrorCode | 'harmless';
  readonly reason: string;
  /** The sender was proven, so that the fault was signed. */
  readonly isProven: boolean;
}

export interface Row {
  readonly letter: string;
  readonly name: string;
  readonly forms: readonly string[];
  readonly outcomes: Outcome[];
}

/** The classes, and where each was learned from. */
export const classes: Readonly<Record<string, { title: string; source: string }>> = {
  A: {
    title: 'Wrapping',
    source:
      "SAMLRaider's XSW 1 to 8, WS-Attacker's Signature Wrapping library, WSS4J's ModifiedRequestTest; the positions are generated",
  },
  B: {
    title: 'References that lead elsewhere',
    source: "WSS4J's reference tests (public URI references, too many references), jellyfin-plugin-sso's attack shapes",
  },
  C: {
    title: 'SignedInfo and digests read in two ways',
    source: "xml-crypto CVE-2025-29774 and CVE-2025-29775 with their fixtures' ideas",
  },
  D: {
    title: 'Canonicalization',
    source: '"The Fragile Lock" (void canonicalization, namespace confusion), the xmlsec and Santuario c14n sets',
  },
  E: { title: 'Transforms', source: "WSS4J's testTransformationCodeInjection; XML Signature 1.1 section 6.6" },
  F: { title: 'Algorithms', source: "WSS4J's algorithm tests; RFC 9231; OpenSSL" },
  G: {
    title: 'Keys and trust',
    source:
      "xml-crypto CVE-2024-32962, WS-Attacker's Signature Faking library, WSS4J's certificate constraint tests, x509-limbo's families",
  },
  H: { title: 'Signatures left out', source: "WS-Attacker's Signature Exclusion; WSS4J's required-parts tests" },
  I: { title: 'Time and replay', source: "the shapes of WSS4J's TimestampTest and ReplayTest" },
  J: {
    title: 'XML bombs and broken XML',
    source:
      "WS-Attacker's denial-of-service plugins; the @xmldom/xmldom advisories of 2024 to 2026; XML 1.0 and Namespaces in XML",
  },
  K: {
    title: 'Attachments and MIME',
    source: "WSS4J's AttachmentTest and XOPAttachmentTest; RFC 2045, 2046, 2387, 2392",
  },
  L: { title: 'SOAP logic', source: "WS-Attacker's SOAPAction and WS-Addressing spoofing; SOAP 1.2 part 1 section 2" },
  M: { title: 'SAML shapes', source: "the negative fixtures' ideas of node-saml, ruby-saml, samlify and xml-crypto" },
};

export function written(rows: readonly Row[]): string {
  const messages = rows.reduce((sum, { outcomes }) => sum + outcomes.length, 0);
  const ofClass = (letter: string): Row[] => rows.filter(row => row.letter === letter);
  const summary = Object.entries(classes).map(
    ([letter, { title, source }]) => `| ${letter}. ${title} | ${ofClass(letter).length} | ${source} |\n`,
  );
  const sections = Object.entries(classes).map(([letter, { title }]) => section(letter, title, ofClass(letter)));
  return [introduction(rows.length, messages), ...summary, ...sections, others].join('');
}

const introduction = (cases: number, messages: number): string => `# Attacks, and what becomes of them

Made by a run against the server (test/attacks/matrix.test.ts): ${cases} attacks, ${messages} messages. The run fails when this page says
anything else than what happened.

Each message is sent as an envelope of its own and as the root of a multipart message, unless the attack is about the octets
themselves (*as it is*). What is refused for a sender who is not proven gets one constant fault, \`wsse:FailedCheck\`, whatever was
wrong; the reason stands in the log alone. Only what is no SOAP 1.2 message that this server takes (\`malformed\`,
\`version_mismatch\`, \`too_large\`, \`unsupported_media_type\`) is told so: that depends on the octets sent and on nothing that the server
knows. What is wrong with a message whose signature holds is told, too; the fault is signed (marked *signed*), but for
\`must_understand\`. *Harmless* messages are answered, by what the partner signed and nothing else.

For every message the run also holds CPU time and memory within bounds that grow with its length only.

| class | attacks | learned from |
|---|---|---|
`;

const others = `
## Canonical forms by others

libxml2, of generated documents and of every recorded request, gives the same forms as this server, and xmlsec1 finds the digests and
signatures of envelopes around such documents right (test/doors/soap/oracles.test.ts: 1,000 of each; \`npm run oracles -- 20000\`
compares as many as one likes). xml-crypto 6.3.2 gives other forms, for these reasons and no others of what can be generated:

${xmlCryptoDifferences.map(({ reason, xml, prefixes }) => `- ${reason} \`${xml.replace('\u2028', 'U+2028')}\`${prefixes ? `, PrefixList \`${prefixes.join(' ')}\`` : ''}\n`).join('')}`;

function section(letter: string, title: string, rows: readonly Row[]): string {
  return `\n## ${letter}. ${title}\n\n| attack | form | verdict | log |\n|---|---|---|---|\n${rows.map(line).join('\n')}\n`;
}

function line({ name, forms, outcomes }: Row): string {
  const verdicts = distinct(
    outcomes.map(({ code, isProven }) => (isProven && code !== 'harmless' ? `${code}, signed` : code)),
  );
  const reasons = distinct(outcomes.map(({ reason }) => reason.replace(/ \(line \d+, column \d+\)/, '')));
  const count = outcomes.length / forms.length;
  return `| ${cell(name)} | ${forms.join(', ')}${count > 1 ? ` × ${count}` : ''} | ${verdicts.join('; ')} | ${cell(reasons.join('; '))} |`;
}

const distinct = (values: readonly string[]): string[] => [...new Set(values)].sort();

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
