import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKit } from '../../kit/app.ts';

/**
 * Runs partner.py against the real app. Needs Debian's python3-zeep and python3-xmlsec; BASTION_PYTHON names an
 * interpreter that has them, /usr/bin/python3 when absent.
 */
const python = process.env.BASTION_PYTHON ?? '/usr/bin/python3';
const kit = await startKit();
const folder = mkdtempSync(join(tmpdir(), 'zeep-'));
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};
try {
  const { id, apiKey, certificate } = kit.tenant;
  const child = spawn(python, [join(import.meta.dirname, 'partner.py')], {
    stdio: 'inherit',
    timeout: 120_000,
    env: {
      PATH: process.env.PATH,
      SOAP_ORIGIN: kit.app.soap.url,
      CA: file('ca.pem', kit.set.ca),
      CERT: file('cert.pem', certificate.certificate),
      KEY: file('key.pem', certificate.key),
      SIGNER: file('signer.pem', kit.set.signing.certificate),
      API_KEY: apiKey,
      ORG_ID: id,
    },
  });
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
} finally {
  rmSync(folder, { recursive: true });
  await kit.close();
}
