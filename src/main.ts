import { type App, openCore, startApp } from './app.ts';
import { type ReadyConfig, readConfig } from './config.ts';

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
  announce(app);
  return app;
}

/** Loaded here and nowhere else: a production server does not even have it in memory. */
async function developmentServer(config: ReturnType<typeof readConfig>): Promise<{ stop(): Promise<void> }> {
  const { development } = await import('./development/stand-ins.ts');
  const { firstOrganization } = await import('./development/first-organization.ts');
  const { welcome } = await import('./development/welcome.ts');
  await using opened = new AsyncDisposableStack();
  const standIns = await development(config);
  opened.defer(() => standIns.close());
  const app = await startApp(standIns.config);
  opened.defer(() => app.stop());
  const first = await firstOrganization(app, standIns.files, standIns.responder.url);
  announce(app);
  process.stdout.write(welcome(app, standIns, first));
  const running = opened.move();
  return { stop: () => running.disposeAsync() };
}

function announce({ services, rest, soap, health }: App): void {
  services.log.info({ rest: rest.url, soap: soap.url, health: health.url, node: process.version }, 'ready');
}

/** What a command works on: the database and keys that the server itself would use, without its doors. */
export async function openForCommand() {
  const config = readConfig(process.env);
  if (config.production) return openCore(config as ReadyConfig);
  const { development } = await import('./development/stand-ins.ts');
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
