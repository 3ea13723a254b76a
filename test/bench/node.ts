import { pino } from 'pino';
import { startApp } from '../../src/app.ts';
import type { ReadyConfig } from '../../src/config.ts';
import { answerQuestions } from './questions.ts';

/** A second server process on the first one's database. */
process.once('message', async (config: ReadyConfig) => {
  const app = await startApp(config, { log: pino({ level: 'silent' }) });
  answerQuestions(() => app.stop());
  process.send!({ soap: app.soap.port });
});
