import { startKit } from '../kit/app.ts';
import { answerQuestions } from './questions.ts';

/** The server under load, in a process of its own: the kit's app on the embedded database. */
const kit = await startKit();
const { tenant, app, set, config } = kit;
answerQuestions(() => kit.close());
process.send!({
  rest: app.rest.port,
  soap: app.soap.port,
  organization: tenant.id,
  apiKey: tenant.apiKey,
  ca: set.ca,
  certificate: set.partner.certificate,
  key: set.partner.key,
  server: { cert: set.server.certificate, key: set.server.key, ca: set.ca },
  config,
});
