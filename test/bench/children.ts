import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ReadyConfig } from '../../src/config.ts';

/** The servers under load, each a process of its own, so that its processor time is its own too. */
export interface Server<Facts> extends Disposable {
  readonly facts: Facts;
  ask<T>(question: 'cpu' | 'memory'): Promise<T>;
}

export interface BastionFacts {
  readonly rest: number;
  readonly soap: number;
  readonly organization: string;
  readonly apiKey: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly server: { cert: string; key: string; ca: string };
  readonly config: ReadyConfig;
}

export const startBastion = () => started<BastionFacts>('server.ts');

/** Another process on the same database. */
export const startBeside = (config: ReadyConfig) => started<{ soap: number }>('node.ts', config);

/** Express behind mutual TLS, and nothing else. */
export const startBare = ({ server, certificate }: BastionFacts) =>
  started<{ port: number }>('bare.ts', server, { BENCH_PARTNER: certificate });

async function started<Facts>(file: string, message?: object, env: NodeJS.ProcessEnv = {}): Promise<Server<Facts>> {
  const child = fork(join(import.meta.dirname, file), { env: { ...process.env, ...env } });
  if (message) child.send(message);
  const facts = await answer<Facts>(child);
  return {
    facts,
    ask(question) {
      child.send(question);
      return answer(child);
    },
    [Symbol.dispose]: () => void child.send('stop'),
  };
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T];
  return message;
}
