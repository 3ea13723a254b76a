import { type App, openCore, startApp } from './app.ts';
import { Organization } from './areas/organizations/entities.ts';
import { type ReadyConfig, readConfig } from './config.ts';
import { read } from './db/transaction.ts';
import { developmentPlan, firstOrganization } from './development/first-organization.ts';
import { development } from './development/stand-ins.ts';
import { welcome } from './development/welcome.ts';

/** Starts every door and stops in order on SIGTERM and SIGINT: requests and jobs in hand are finished first. */
export async function serve(): Promise<void> {
  const config = readConfig(process.env);
  const { stop } = config.production ? await production(config as ReadyConfig) : await developmentServer(config);
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A second signal means now.
      if (stopping) process.exit(1);
      stopping = true;
      void stop();
    });
  }
}

async function production(config: ReadyConfig): Promise<{ stop(): Promise<void> }> {
  const app = await startApp(config);
  const made = await read(app.db, 'system', em => em.count(Organization, { plan: developmentPlan }));
  if (made > 0) {
    await app.stop();
    throw new Error('This database was made by a development server: its credentials are not for production.');
  }
  announce(app);
  return app;
}

async function developmentServer(config: ReturnType<typeof readConfig>): Promise<{ stop(): Promise<void> }> {
  const standIns = await development(config);
  const app = await startApp(standIns.config);
  const stop = async () => {
    await app.stop();
    await standIns.close();
  };
  try {
    const first = await firstOrganization(app, standIns.files, standIns.responder.url);
    announce(app);
    process.stdout.write(welcome(app, standIns, first));
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function announce({ services, rest, soap, health }: App): void {
  services.log.info({ rest: rest.url, soap: soap.url, health: health.url, node: process.version }, 'ready');
}

/** What a command works on: the database and keys that the server itself would use, without its doors. */
export async function openForCommand() {
  const config = readConfig(process.env);
  if (config.production) return openCore(config as ReadyConfig);
  const { config: ready, ...standIns } = await development(config);
  const core = await openCore(ready);
  return {
    ...core,
    async close() {
      await core.close();
      await standIns.close();
    },
  };
}
