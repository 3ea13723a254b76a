import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DOMParser } from '@xmldom/xmldom';
import { XmlElement as Libxml2Element, XmlDocument } from 'libxml2-wasm';
import { ExclusiveCanonicalization } from 'xml-crypto';
import { canonicalize } from '../../../src/doors/soap/canonical.ts';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import type { XmlElement } from '../../../src/doors/soap/tree.ts';
import { randomDocument, seeded } from '../../kit/random-xml.ts';
import { newPartner, signedEnvelope } from '../../kit/soap-signing.ts';

/**
 * Canonical forms and digests by others, of the same documents: libxml2, which stands in xmlsec1, lxml and PHP, decides;
 * xml-crypto is compared and its differences are named. `npm run oracles -- 20000` compares that many.
 */

/** XML_C14N_EXCLUSIVE_1_0 of libxml2. */
const exclusive = 1;

export function byLibxml2(xml: string, xpath: string, inclusiveNamespacePrefixes: readonly string[] = []): string {
  const document = XmlDocument.fromString(xml);
  try {
    const apex = document.get(xpath);
    if (!(apex instanceof Libxml2Element)) throw new Error(`libxml2 finds nothing at ${xpath}`);
    return apex.canonicalizeToString({
      mode: exclusive,
      inclusiveNamespacePrefixes: [...inclusiveNamespacePrefixes],
    });
  } finally {
    document.dispose();
  }
}

export const byUs = (apex: XmlElement, prefixes: readonly string[] = []): string =>
  canonicalize(
    apex,
    prefixes.map(prefix => (prefix === '#default' ? '' : prefix)),
  );

/** Of a whole document. */
export function byXmlCrypto(xml: string, inclusiveNamespacesPrefixList: readonly string[] = []): string {
  const root = new DOMParser().parseFromString(xml, 'text/xml').documentElement;
  const options = { inclusiveNamespacesPrefixList: [...inclusiveNamespacesPrefixList] };
  return String(new ExclusiveCanonicalization().process(root as never, options as never));
}

interface Difference {
  readonly reason: string;
  /** The smallest document that shows it. */
  readonly xml: string;
  readonly prefixes?: readonly string[];
}

/** Where xml-crypto 6.3.2 gives another form than libxml2 and we. */
export const xmlCryptoDifferences: readonly Difference[] = [
  {
    reason: 'It orders namespaces as a dictionary would, not by code point: upper case after lower case.',
    xml: '<B:e xmlns:B="urn:b" xmlns:a="urn:a" a:k="1"/>',
  },
  {
    reason: '`#default` in a PrefixList is not heeded.',
    xml: '<a:e xmlns:a="urn:a" xmlns="urn:d"/>',
    prefixes: ['#default'],
  },
  { reason: 'U+0085, U+2028 and U+2029 become line ends, as in XML 1.1.', xml: '<e>\u2028</e>' },
  {
    reason: 'Where the default namespace is undeclared, it is so again on the elements inside.',
    xml: '<a:e xmlns:a="urn:a" xmlns="urn:d"><f><g xmlns=""><h/></g></f></a:e>',
  },
  { reason: 'Attributes whose name begins with `xmlns` are left out.', xml: '<e xmlnsfoo="1"/>' },
  {
    reason: 'Attributes are ordered by namespace and name run together, not by one after the other.',
    xml: '<e xmlns:a="urn:a" xmlns:b="urn:ab" a:z="1" b:a="2"/>',
  },
];

/** What of these a generated document can show, put into a form of ours. */
function asXmlCrypto(xml: string, prefixes: readonly string[]): string {
  const read = parseXml(xml.replace(/[\u0085\u2028\u2029]/g, '\n'));
  const form = byUs(
    read,
    prefixes.filter(prefix => prefix !== '#default'),
  );
  return form.replace(/<[^>]*>/g, tag => {
    const declared = [...tag.matchAll(/ xmlns:([^=]+)="[^"]*"/g)];
    const inItsOrder = declared.toSorted(([, a], [, b]) => a!.localeCompare(b!));
    return declared.length < 2
      ? tag
      : tag.replace(declared.map(([each]) => each).join(''), () => inItsOrder.map(([each]) => each).join(''));
  });
}

/** Where it is undeclared once or again does not matter. */
const withoutUndeclaring = (form: string): string => form.replaceAll(' xmlns=""', '');

const lists = [[], ['a'], ['B', 'a'], ['c', 'nowhere'], ['#default'], ['#default', 'a', 'B', 'c']] as const;

/** Whole documents and parts of them, with and without a PrefixList. Throws on the first that another form is given of. */
export function compareForms(documents: number, seed: number): void {
  const random = seeded(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  for (let round = 0; round < documents; round++) {
    const { xml, ids } = randomDocument(random);
    const list: readonly string[] = pick(lists);
    const root = parseXml(xml);
    for (const id of [ids[0]!, pick(ids)]) {
      const ours = byUs(elementOf(root, id), list);
      const theirs = byLibxml2(xml, `//*[@wsuId='${id}']`, list);
      if (ours !== theirs) throw new Error(`document ${round}, ${id}, [${list}]\n${xml}\n${ours}\n${theirs}`);
    }
    const [ours, theirs] = [asXmlCrypto(xml, list), byXmlCrypto(xml, list)].map(withoutUndeclaring);
    if (ours !== theirs) throw new Error(`xml-crypto differs for another reason: ${xml}\n${ours}\n${theirs}`);
  }
}

function elementOf(element: XmlElement, id: string): XmlElement {
  const pending = [element];
  for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
    if (each.attributes.some(({ name, value }) => name === 'wsuId' && value === id)) return each;
    for (const child of each.children) if (typeof child !== 'string') pending.push(child);
  }
  throw new Error(`nothing has the id ${id}`);
}

export const xmlsec1Installed = spawnSync('xmlsec1', ['--version']).status === 0;

/** Envelopes around generated documents, signed by us: xmlsec1 must find every digest and signature right. */
export async function compareDigests(documents: number, seed: number): Promise<void> {
  const random = seeded(seed);
  const partner = await newPartner('P-256');
  const folder = mkdtempSync(join(tmpdir(), 'bastion-oracle-'));
  try {
    writeFileSync(join(folder, 'certificate.pem'), partner.certificate.toString());
    for (let done = 0; done < documents; done += 200) {
      const files = Array.from({ length: Math.min(200, documents - done) }, (_, i) => {
        const inclusivePrefixes = lists[Math.floor(random() * lists.length)]!.join(' ') || undefined;
        const references = [{ uri: '#Body-1', inclusivePrefixes }, { uri: '#TS-1' }];
        writeFileSync(
          join(folder, `${i}.xml`),
          signedEnvelope(partner, { body: randomDocument(random).xml, references }),
        );
        return `${i}.xml`;
      });
      const identified = ['--id-attr:Id', `${ns.soap}:Body`, '--id-attr:Id', `${ns.wsu}:Timestamp`];
      const args = ['--verify', '--pubkey-cert-pem', 'certificate.pem', ...identified, ...files];
      const { status, stdout, stderr } = spawnSync('xmlsec1', args, {
        cwd: folder,
        encoding: 'utf8',
        timeout: 120_000,
      });
      const found = `${stdout}${stderr}`.match(/^OK$/gm)?.length ?? 0;
      if (status !== 0 || found !== files.length) throw new Error(`after ${done + found} documents: ${stderr}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) {
  const documents = Number(process.argv[2] ?? 20_000);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  compareForms(documents, seed);
  console.log(
    `seed ${seed}: libxml2 gives the same form of ${documents} documents, xml-crypto but for the reasons known`,
  );
  await compareDigests(documents, seed);
  console.log(`xmlsec1 verifies ${documents} envelopes around such documents`);
}
