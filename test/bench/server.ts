import { startKit } from '../kit/app.ts';

/** The server under load, in a process of its own: the kit's app on the embedded database. */
const kit = await startKit();
const { tenant, app, set } = kit;
process.send!({
  rest: app.rest.port,
  soap: app.soap.port,
  organization: tenant.id,
  apiKey: tenant.apiKey,
  ca: set.ca,
  certificate: set.partner.certificate,
  key: set.partner.key,
  server: { cert: set.server.certificate, key: set.server.key, ca: set.ca },
});
process.on('message', message => {
  if (message === 'cpu') process.send!(process.cpuUsage());
  if (message === 'memory') process.send!(process.memoryUsage());
  if (message === 'stop') void kit.close().then(() => process.exit());
});

// Left alone, it ends.
process.once('disconnect', () => process.exit());
