import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { ClientCertificate } from './areas/access/entities.ts';
import { dueWarning, endingWithin, warningDays } from './areas/access/expiry.ts';
import { type JobDefinition, job } from './core/job.ts';
import { timestamp } from './core/schema.ts';
import type { Services } from './core/services.ts';
import type { Database } from './db/orm.ts';
import { read } from './db/transaction.ts';

const batch = 500;

/** Tells organisations, by event, of registered certificates that end soon. */
export function tellExpiring(db: Database): JobDefinition {
  return job({
    name: 'access.tell_expiring',
    data: z.object({}),
    retry: [],
    every: 3600,
    async handle({ act, services }) {
      const actor = { kind: 'job', name: 'access.tell_expiring' } as const;
      for await (const { id, organizationId } of endingSoon(db, services.clock.now())) {
        await act(organizationId, actor, async ({ em, now, emit }) => {
          const row = await em.findOneOrFail(ClientCertificate, { id });
          const days = dueWarning(row, now);
          if (days === undefined) return;
          row.expiryToldDays = days;
          const { thumbprint, uses, notAfter } = row;
          emit('certificate.expiring', { certificate_id: id, thumbprint, uses, not_after: timestamp(notAfter) });
        });
      }
    },
  });
}

/** Those with a warning to be told, of all organisations, in batches. */
async function* endingSoon(db: Database, now: Date): AsyncGenerator<ClientCertificate> {
  for (let after = ''; ; ) {
    const rows = await read(db, 'system', em =>
      em.find(
        ClientCertificate,
        { ...endingWithin(now, warningDays[0]), id: { $gt: after } },
        { orderBy: { id: 'asc' }, limit: batch },
      ),
    );
    yield* rows.filter(row => dueWarning(row, now) !== undefined);
    if (rows.length < batch) return;
    after = rows.at(-1)!.id;
  }
}

/** Brings the gauge of ends up to date: one figure for each use, whatever the number of partners. */
export async function measureExpiry(db: Database, services: Services, listenersPem: string): Promise<void> {
  const { clock, metrics } = services;
  const now = clock.now();
  const ends = [...ownEnds(services, listenersPem), ...(await partnersEnds(db, now))];
  metrics.certificateExpiry.reset();
  for (const [use, end] of ends) metrics.certificateExpiry.set({ use }, (end - now.getTime()) / 1000);
}

/**
 * Says at the start what is past its end. It stops nothing: a server that some partners refuse is better than one that all
 * of them miss, and what has ended is trusted by nobody who looks.
 */
export function tellEnded(services: Services, listenersPem: string): void {
  const { clock, log } = services;
  for (const [use, end] of ownEnds(services, listenersPem)) {
    const ended = new Date(end);
    if (ended < clock.now()) log.error({ use, ended }, 'a certificate or list has ended; exchange its file');
  }
}

function ownEnds({ identity, trust }: Services, listenersPem: string): [string, number][] {
  const { certificatePem, nextCertificatePem } = identity;
  const ends: [string, number | undefined][] = [
    ['listeners', endOf(listenersPem)],
    ['signing', endOf(certificatePem)],
    ['next_signing', nextCertificatePem === undefined ? undefined : endOf(nextCertificatePem)],
    ['approved_authority', trust.firstEnd('authorities')],
    ['revocation_list', trust.firstEnd('revocationLists')],
  ];
  return ends.filter((each): each is [string, number] => each[1] !== undefined);
}

const endOf = (pem: string): number => new X509Certificate(pem).validToDate.getTime();

async function partnersEnds(db: Database, now: Date): Promise<[string, number][]> {
  const first = await read(db, 'system', em =>
    em.find(
      ClientCertificate,
      { status: 'active', retiresAt: null, notAfter: { $gt: now } },
      { orderBy: { notAfter: 'asc' }, limit: batch, fields: ['uses', 'notAfter'] },
    ),
  );
  return (['request', 'approval'] as const).flatMap(use => {
    const row = first.find(({ uses }) => uses.includes(use));
    return row ? [[`partner_${use}`, row.notAfter.getTime()] as [string, number]] : [];
  });
}
