/** What the program beside this one can do, shown on a running Bastion; test/interop/run.ts says what each case means. */
import { readFileSync } from 'node:fs';
import { attached, connect, included } from './partner.mjs';

const env = process.env;
const text = name => readFileSync(env[name], 'utf8');
const file = ['file.bin', 'application/octet-stream', readFileSync(env.ATTACHMENT)];
const bastion = await connect(env.SOAP_ORIGIN, 'secure-email', {
  apiKey: env.API_KEY,
  ca: text('CA'),
  cert: text('CERT'),
  key: text('KEY'),
  signer: text('SIGNER'),
});

async function send(subject, attachments = []) {
  const mail = { from: env.MAIL_FROM, to: ['jane@example.com'], subject, bodyHtml: '<p>Hello</p>' };
  const request = { ...mail, attachments: attachments.map(({ element }) => element) };
  const [{ result }] = await bastion.SendSecureEmailAsync(
    { request },
    { attachments: attachments.map(each => each.part) },
  );
  return result.status === 'queued';
}

const missing = () =>
  bastion.GetSecureEmailAsync({ request: { messageId: 'msg_00000000000000000000000000' } }).catch(error => error);

/** Whatever `change` makes of each message, or of each answer, while `run` runs. */
async function changing(method, change, run) {
  const { httpClient } = bastion;
  const original = httpClient[method];
  httpClient[method] = (...values) => original.apply(httpClient, change(...values));
  try {
    return await run();
  } finally {
    delete httpClient[method];
  }
}

const holds = {
  'signed call': () => send('signed call'),

  fault: async () => (await missing()).root.Envelope.Body.Fault.Detail.BastionFault.error === 'not_found',

  'attachment (SwA)': () => send('attachment (SwA)', [attached(...file)]),

  'attachment (MTOM)': () => send('attachment (MTOM)', [included(...file)]),

  'tampered refused': async () => {
    const hullo = (url, message, ...rest) => [url, message.replace('Hello', 'Hullo'), ...rest];
    const refusal = await changing('request', hullo, () => send('tampered refused').catch(error => error));
    return /FailedCheck/.test(refusal.message);
  },

  'answer verified': async () => {
    const refusal = await changing('signedBody', answer => [answer.replace('>not_found<', '>not_fuond<')], missing);
    return /not signed by Bastion/.test(refusal.message);
  },
};

for (const [name, check] of Object.entries(holds)) {
  const why = await check().then(held => (held ? undefined : 'it does not hold'), String);
  console.log(why === undefined ? `ok ${name}` : `not ok ${name}: ${why.replaceAll('\n', ' ')}`);
}
