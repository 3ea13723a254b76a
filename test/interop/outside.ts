import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RelaySink } from '../../src/development/relay-sink.ts';
import { ApprovalResponder } from '../../src/development/responder.ts';

/**
 * `node test/interop/outside.ts FOLDER`: what a production server finds outside, made from the files of
 * docker/make-secrets.sh: a relay and an approval webhook. Prints where they are, and a line for each mail and request.
 */
const folder = process.argv[2]!;
const file = (name: string): string => readFileSync(join(folder, name), 'utf8');

const tls = { certificate: file('public.pem'), key: file('public.pem') };
const sink = await RelaySink.start({
  ...tls,
  message: mail => void console.log(`mail to ${mail.to} over ${mail.tls ? 'TLS' : 'nothing'}`),
});
const responder = await ApprovalResponder.start({
  tls,
  approval: { key: file('approver.key') },
  bastionCertificate: file('signing.pem'),
});
responder.decide = request => {
  console.log(`asked for ${request.operation}`);
  return 'approve';
};
console.log(`relay smtp://127.0.0.1:${sink.port}`);
console.log(`webhook ${responder.url}`);
