import { z } from 'zod';
import { type JobDefinition, job } from './core/job.ts';
import { countSealed, resealBatch, sealedColumns } from './db/reseal.ts';
import { transaction } from './db/transaction.ts';
import type { Parts } from './run/request.ts';

const name = 'keys.reseal';

const slice = z.object({
  /** The master key that everything is to be sealed under. */
  key: z.int(),
  table: z.string(),
  column: z.string(),
  /** The id of the last row that is done. */
  after: z.string(),
});

/**
 * One batch of one sealed column. The job for the next batch commits with it: a killed node costs a batch at most, columns
 * are worked on side by side by whatever nodes there are, and one that does not write under the key yet leaves the job to others.
 */
export function resealing({ db, services: { keyring, log }, enqueue }: Parts): JobDefinition {
  return job({
    name,
    data: slice,
    retry: [1, 2, 5, 10, 30, 60, 300, 900, 3600],
    handle: async ({ markEffect }, { key, table, column, after }) => {
      if (keyring.writing !== key) throw new Error(`this node seals under master key ${keyring.writing}, not ${key}`);
      const unopened = await transaction(db, 'system', async em => {
        if (!(await markEffect(em))) return [];
        const done = await resealBatch(em, keyring, { table, column }, after);
        if (done.next !== undefined) await enqueue(em, name, { key, table, column, after: done.next });
        return done.unopened;
      });
      if (unopened.length > 0)
        log.error({ table, column, rows: unopened }, 'sealed values do not open; they were left');
    },
  });
}

/** Has the nodes seal everything under this node's writing key. */
export async function startResealing({ db, services: { keyring }, enqueue }: Parts): Promise<void> {
  await transaction(db, 'system', async em => {
    for (const column of sealedColumns(db)) await enqueue(em, name, { key: keyring.writing, ...column, after: '' });
  });
}

/** What is sealed under which master key, and which keys of the ring nothing needs any more. */
export async function sealedValues({ db, services: { keyring } }: Pick<Parts, 'db' | 'services'>) {
  const sealed = await countSealed(db);
  const needed = new Set([keyring.writing, ...sealed.map(({ key }) => key)]);
  return {
    writing: keyring.writing,
    readable: keyring.readable,
    removable: keyring.readable.filter(key => !needed.has(key)),
    missing: [...needed].filter(key => !keyring.readable.includes(key)),
    sealed,
  };
}
