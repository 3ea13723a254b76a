import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { XmlDocument, XsdValidator, xmlCleanupInputProvider } from 'libxml2-wasm';
import { xmlRegisterFsInputProviders } from 'libxml2-wasm/lib/nodejs.mjs';

/**
 * Validates elements as a partner could: by the schema inside a WSDL and the common.xsd that it imports, with libxml2. The
 * function throws with the reason.
 */
export function withPublishedSchema(
  wsdl: string,
  commonXsd: string,
  use: (validate: (xml: string) => void) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), 'xsd-'));
  writeFileSync(join(folder, 'common.xsd'), commonXsd);
  const prefixes = [...wsdl.matchAll(/xmlns:(?:xs|c|t)="[^"]+"/g)].map(([declaration]) => declaration);
  const schemaText = /<xs:schema [\s\S]*<\/xs:schema>/.exec(wsdl)![0];
  xmlRegisterFsInputProviders();
  try {
    const text = schemaText.replace('<xs:schema ', `<xs:schema ${prefixes.join(' ')} `);
    using schema = XmlDocument.fromString(text, { url: join(folder, 'area.xsd') });
    using validator = XsdValidator.fromDoc(schema);
    use(xml => {
      using document = XmlDocument.fromString(xml);
      validator.validate(document);
    });
  } finally {
    xmlCleanupInputProvider();
    rmSync(folder, { recursive: true });
  }
}
