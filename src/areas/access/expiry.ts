import type { ClientCertificate } from './entities.ts';

const dayMs = 86_400_000;

/** In force, ending within so many days, and without a successor: what somebody must see to. */
export const endingWithin = (now: Date, days: number) => ({
  status: 'active' as const,
  retiresAt: null,
  notAfter: { $gt: now, $lt: new Date(now.getTime() + days * dayMs) },
});

/** `certificate.expiring` is told once at each of these. */
export const warningDays = [30, 14, 7, 1] as const;

/** The nearest warning that is due and was not told yet. */
export function dueWarning({ notAfter, expiryToldDays }: ClientCertificate, now: Date): number | undefined {
  const left = notAfter.getTime() - now.getTime();
  const due = warningDays.findLast(days => left < days * dayMs);
  return due !== undefined && due < (expiryToldDays ?? Number.POSITIVE_INFINITY) ? due : undefined;
}
