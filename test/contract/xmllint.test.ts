import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { areas } from '../../src/areas.ts';
import type { Kit } from '../kit/app.ts';
import { type Case, type Party, party, startContractKit } from './case.ts';
import { cases } from './cases.ts';

/** As a partner's own tools would: by the schemas that the running door serves, with the program and nothing of ours. */
describe('by xmllint and the served WSDL', () => {
  let kit: Kit;
  let acme: Party;
  let folder: string;

  before(async function () {
    if (spawnSync('xmllint', ['--version']).error) {
      console.log('      xmllint is not installed (Debian: libxml2-utils)');
      this.skip();
    }
    kit = await startContractKit();
    acme = await party(kit, 'Acme Health', 'health.test');
    folder = mkdtempSync(join(tmpdir(), 'bastion-xmllint-'));
    await writeSchemas();
  });
  after(async () => {
    await kit?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  /** One schema that imports the envelope's and, as they are served, every area's. */
  async function writeSchemas(): Promise<void> {
    const imports = [schemaImport('http://www.w3.org/2003/05/soap-envelope', 'soap-envelope.xsd')];
    copyFileSync(`${import.meta.dirname}/../samples/soap-envelope.xsd`, join(folder, 'soap-envelope.xsd'));
    writeFileSync(join(folder, 'xml.xsd'), xmlLang);
    writeFileSync(join(folder, 'common.xsd'), (await acme.soap.get('/soap/v3/common.xsd')).text);
    imports.push(schemaImport('http://bastioncommunications.com/soap/common', 'common.xsd'));
    for (const { name } of areas) {
      const { text } = await acme.soap.get(`/soap/v3/${name}?wsdl`);
      const [schema] = /<xs:schema [\s\S]*<\/xs:schema>/.exec(text)!;
      const prefixes = [...text.matchAll(/xmlns:(?:xs|c|t)="[^"]+"/g)].map(([declaration]) => declaration);
      writeFileSync(join(folder, `${name}.xsd`), schema.replace('<xs:schema ', `<xs:schema ${prefixes.join(' ')} `));
      imports.push(schemaImport(/targetNamespace="([^"]+)"/.exec(schema)![1]!, `${name}.xsd`));
    }
    const all = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">${imports.join('')}</xs:schema>`;
    writeFileSync(join(folder, 'all.xsd'), all);
  }

  function lint(text: string): { valid: boolean; said: string } {
    const { status, stderr } = spawnSync('xmllint', ['--nonet', '--noout', '--schema', join(folder, 'all.xsd'), '-'], {
      input: text,
      encoding: 'utf8',
      timeout: 20_000,
    });
    return { valid: status === 0, said: stderr };
  }

  async function spoken({ op, path, input }: Case): Promise<{ request: string; answer: string }> {
    const said = { ...(await path?.(acme)), ...(await input?.(acme)) };
    const raw = acme.soap.envelope(op.soap, said);
    const { text, output, fault } = await acme.soap.call(op.soap, said, { raw });
    expect(output, JSON.stringify(fault)).to.be.an('object');
    return { request: raw.toString(), answer: text };
  }

  for (const each of cases) {
    it(`${each.op.soap} is asked and answered in valid envelopes`, async () => {
      const { request, answer } = await spoken(each);
      for (const text of [request, answer]) {
        const { valid, said } = lint(text);
        expect(valid, `${said}\n${text}`).to.equal(true);
      }
    });
  }

  it('a refusal is a valid fault, to a partner and to a stranger', async () => {
    const unknown = { org_id: `org_${'0'.repeat(26)}` };
    const refused = await acme.soap.call('GetOrganization', unknown);
    const strange = await acme.soap.call('GetOrganization', unknown, { headers: { Authorization: undefined } });
    expect([refused.fault!.code, strange.fault!.code]).to.deep.equal(['not_found', 'FailedCheck']);
    for (const { text } of [refused, strange]) {
      const { valid, said } = lint(text);
      expect(valid, `${said}\n${text}`).to.equal(true);
    }
  });

  it('what the schemas do not say is invalid', async () => {
    const { request } = await spoken(cases.find(({ op }) => op.soap === 'GetOrganization')!);
    expect(lint(request).valid).to.equal(true);
    for (const wrong of [request.replace('</request>', '<more/></request>'), request.replace(/orgId/g, 'org_id')]) {
      expect(wrong).to.not.equal(request);
      expect(lint(wrong).valid).to.equal(false);
    }
  });
});

const schemaImport = (namespace: string, file: string) =>
  `<xs:import namespace="${namespace}" schemaLocation="${file}"/>`;

const xmlLang = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
  <xs:attribute name="lang" type="xs:language"/>
</xs:schema>`;
