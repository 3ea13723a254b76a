import { z } from 'zod';
import type { Actor } from '../../core/caller.ts';
import { type ActContext, job } from '../../core/job.ts';
import { id } from '../../core/schema.ts';
import { compose, type Outgoing } from '../../mail/compose.ts';
import { deliver } from '../../mail/deliver.ts';
import { Member, Organization } from './entities.ts';
import { invitationMail } from './invitations.ts';
import { invitationJob } from './job-names.ts';

const actor: Actor = { kind: 'job', name: invitationJob };

/** Mails an invitation, unless it was accepted, replaced or withdrawn meanwhile. Two copies do no harm: they carry one code. */
const mailInvitation = job({
  name: invitationJob,
  data: z.strictObject({ organization_id: id('org'), member_id: id('mem'), expires_at: z.int() }),
  retry: [5, 30, 120, 600, 3600, 14_400, 43_200],
  async handle({ act, services, signal }, { organization_id, member_id, expires_at }) {
    const mail = await act(organization_id, actor, context => mailOf(context, member_id, new Date(expires_at)));
    if (!mail) return;
    const { relay, mxHost } = services.settings;
    const { from, to } = mail;
    const { kind, reply } = await deliver(relay, { from, to }, await compose(mail), { name: mxHost, signal });
    if (kind === 'deferred') throw new Error(`the relay did not take the invitation: ${reply}`);
    if (kind === 'refused') {
      await act(organization_id, actor, async ({ emit }) => emit('member.invitation_bounced', { member_id, reply }));
    }
  },
});

async function mailOf(
  { em, organization, services, now }: ActContext,
  memberId: string,
  invitationExpiresAt: Date,
): Promise<Outgoing | undefined> {
  const member = await em.findOne(Member, { id: memberId, status: 'invited', invitationExpiresAt });
  if (!member || now >= invitationExpiresAt) return undefined;
  const { name } = await em.findOneOrFail(Organization, { id: organization.id });
  const { keyring, settings } = services;
  return invitationMail({ em, keyring, sender: settings.mxHost }, member, name);
}

export const organizationJobs = [mailInvitation];
