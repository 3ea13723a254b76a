import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { faultCode, PartnerClient, signedParts } from './partner-client.ts';

// node-soap's signer calls xml-crypto by a deprecated name.
process.noDeprecation = true;

const areas = ['organizations', 'access', 'approvals', 'secure-email'];

/**
 * `node demo/call-soap.ts GetOrganization '{"orgId":"org_…"}'`: one signed SOAP call to a development server, by a client
 * that is generated from the WSDL. The second argument is the request, its members named as the WSDL names them.
 */
const [operation, json = '{}'] = process.argv.slice(2);
if (operation === undefined) {
  console.error("usage: node demo/call-soap.ts <Operation> '<request as JSON>'");
  process.exit(2);
}
const folder = join(process.env.BASTION_DATA_DIR ?? 'data', 'development');
const file = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();
const partner = {
  soapOrigin: process.env.BASTION_SOAP_URL ?? 'https://localhost:9443',
  ca: file('ca.pem'),
  certificate: file('partner.pem'),
  privateKey: file('partner.key'),
  apiKey: file('api-key'),
};

const { result, xml } = await (await clientFor(operation)).call(operation, JSON.parse(json));
console.log(JSON.stringify(result, null, 2));
const signed = signedParts(xml, file('signing.pem')).length > 0;
console.log(signed ? 'The answer is signed by Bastion, and the signature holds.' : 'The answer is not signed.');
process.exitCode = signed && faultCode(xml) === undefined ? 0 : 1;

async function clientFor(name: string): Promise<PartnerClient> {
  for (const area of areas) {
    const client = await PartnerClient.fromWsdl(partner, area);
    if (client.operations.includes(name)) return client;
  }
  throw new Error(`no WSDL knows ${name}`);
}
