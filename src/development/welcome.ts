import { relative } from 'node:path';
import type { App } from '../app.ts';
import type { FirstOrganization } from './first-organization.ts';
import type { Development } from './stand-ins.ts';

/** The Node that runs this: one that came with the dependencies is on the PATH of npm and npx only. */
const node = process.execPath.includes('node_modules') ? 'npx node' : 'node';

/** What a new user reads after `npm start`: where things are, the credentials once, and what to try next. */
export function welcome(app: App, { files, responder, config }: Development, first: FirstOrganization): string {
  const folder = relative(process.cwd(), files.folder) || '.';
  const dataDir = relative(process.cwd(), config.dataDir) || '.';
  const { publicUrl, soapUrl } = app.services.settings;
  const credentials = first.apiKey
    ? `  API key        ${first.apiKey}   (shown once; kept in ${folder}/api-key for the commands below)`
    : `  API key        in ${folder}/api-key, shown when it was made`;
  return `
Bastion is ready. DEVELOPMENT: its own certificate authority, an approval responder that approves everything, and a mail
relay that delivers nowhere. Production refuses all three.

  REST           ${publicUrl}
  SOAP           ${soapUrl}
  Health         ${app.health.url}/healthz, /readyz, /metrics
  Approvals      ${responder.url}
  Sent mail      ${dataDir}/outbox/*.eml

  Organisation   ${first.id}
${credentials}
  Certificate    ${folder}/partner.pem, key ${folder}/partner.key, authority ${folder}/ca.pem

Try next, in this folder, in another terminal:

  1. A signed REST call, with curl and openssl alone:

BASTION_URL=${publicUrl} BASTION_KEY=$(cat ${folder}/api-key) \\
CACERT=${folder}/ca.pem CERT=${folder}/partner.pem KEY=${folder}/partner.key \\
sh docs/sign-and-call.sh GET /v3/organizations/${first.id}

  2. A signed SOAP call, by a client generated from the WSDL:

BASTION_SOAP_URL=${soapUrl} BASTION_DATA_DIR=${dataDir} \\
${node} demo/call-soap.ts GetOrganization '{"orgId":"${first.id}"}'

  3. The API reference, in a browser on this machine (which does not know the development authority, and will say so):

${publicUrl}/docs

`;
}
