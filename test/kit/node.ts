import { pino } from 'pino';
import { startApp } from '../../src/app.ts';
import type { ReadyConfig } from '../../src/config.ts';

/**
 * One node as a process of its own, so that it can be killed: takes its configuration over IPC, tells its addresses, and
 * takes over a dead node's jobs after two seconds.
 */
process.once('message', async (config: ReadyConfig) => {
  const app = await startApp(config, { log: pino({ level: 'silent' }), lockLifetime: 2000 });
  process.send!({ rest: app.rest.url, soap: app.soap.url });
  process.on('message', message => {
    if (message === 'stop') void app.stop().then(() => process.exit());
  });
});

// Left alone, it ends.
process.once('disconnect', () => process.exit());
