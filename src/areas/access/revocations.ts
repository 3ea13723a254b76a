import { parseCertificates, storedCertificate } from '../../core/certificates.ts';
import type { Services } from '../../core/services.ts';
import type { ClientCertificate } from './entities.ts';

type Stored = Pick<ClientCertificate, 'pem' | 'chainPem'>;

export const intermediatesOf = ({ chainPem }: Pick<Stored, 'chainPem'>) =>
  chainPem ? (parseCertificates(chainPem) ?? []) : [];

/** Asks what responders say of these certificates, before they are judged: judging waits for nobody. */
export async function learnRevocations(
  registered: readonly Stored[],
  { trust }: Pick<Services, 'trust'>,
  now: Date,
): Promise<void> {
  await Promise.all(registered.map(each => trust.learn(storedCertificate(each.pem), intermediatesOf(each), now)));
}
