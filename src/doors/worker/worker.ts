import type { Actor } from '../../core/caller.ts';
import type { JobContext, JobDefinition } from '../../core/job.ts';
import { transaction } from '../../db/transaction.ts';
import type { JobRun, JobRunner } from '../../jobs/runner.ts';
import { act, actIn, organizationOf } from '../../run/act.ts';
import type { Parts } from '../../run/request.ts';

/** Time as a door: what is due comes in through here, with its data parsed like any other input. */
export function defineJobs(parts: Parts, runner: JobRunner, definitions: readonly JobDefinition[]): void {
  for (const definition of definitions) {
    const { name, retry, concurrency, every } = definition;
    runner.define(name, run => definition.handle(contextOf(parts, run), definition.data.parse(run.data ?? {})), {
      retry,
      concurrency,
      every,
    });
  }
}

function contextOf(parts: Parts, run: JobRun): JobContext {
  const actor: Actor = { kind: 'job', name: run.name };
  return {
    id: run.id,
    attempt: run.attempt,
    signal: run.signal,
    services: parts.services,
    act: (organizationId, by, fn) => act(parts, organizationId, by, fn),
    markEffect: run.markEffect,
    async actOnce(organizationId, fn) {
      const organization = await organizationOf(parts, organizationId);
      return transaction(parts.db, organization, async em =>
        (await run.markEffect(em)) ? actIn(parts, em, organization, actor, fn) : undefined,
      );
    },
  };
}
