import { getSecureEmail, sendSecureEmail } from '../../../src/areas/secure-email/operations.ts';
import { done } from '../../areas/through.ts';
import type { Case, Party } from '../case.ts';

const mail = ({ domain }: Party) => ({
  from: `billing@${domain}`,
  to: ['patient@example.com'],
  subject: 'Your statement',
  body_html: '<p>Your latest statement is attached.</p>',
  expires_in: 604_800,
  allow_recall: true,
});

export const secureEmailCases: Case[] = [
  { op: sendSecureEmail, input: mail },
  {
    op: getSecureEmail,
    async path(party) {
      const { message_id } = await done('rest', party, sendSecureEmail, mail(party));
      await party.kit.settle();
      return { message_id };
    },
    varying: ['from'],
  },
];
