import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Kit, Tenant } from './app.ts';
import { type RestClient, restClient } from './rest-client.ts';

/** A node of the kit's cluster in a process of its own. */
export interface NodeProcess {
  readonly origin: string;
  /** Calls as that tenant. */
  as(tenant: Tenant): RestClient;
  /** SIGKILL: no goodbye. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a node on the kit's database; with its configuration, or another one. */
export async function startNode(kit: Kit, config = kit.config): Promise<NodeProcess> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'node.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send(config);
  const [{ rest }] = (await once(child, 'message')) as [{ rest: string; soap: string }];
  const clients: RestClient[] = [];
  const end = async (how: () => void) => {
    for (const client of clients) client.close();
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    how();
    await exited;
  };
  return {
    origin: rest,
    as({ apiKey, certificate }) {
      const { certificate: cert, key } = certificate;
      const client = restClient({ origin: rest, ca: kit.set.ca, cert, key, apiKey });
      clients.push(client);
      return client;
    },
    kill: () => end(() => child.kill('SIGKILL')),
    stop: () => end(() => child.send('stop')),
  };
}
