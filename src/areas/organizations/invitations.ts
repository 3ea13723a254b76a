import { LockMode } from '@mikro-orm/core';
import { invalid, Refusal } from '../../core/errors.ts';
import type { HandleContext, TenantEntityManager } from '../../core/operation.ts';
import type { Keyring } from '../../core/seal.ts';
import type { Outgoing } from '../../mail/compose.ts';
import { Member, Role } from './entities.ts';
import { invitationJob } from './job-names.ts';

const openForMs = 7 * 24 * 60 * 60 * 1000;
const purpose = 'invitation';

/** How long an invitation is open from now: a week. */
export const openUntil = (now: Date): Date => new Date(now.getTime() + openForMs);

/** Has the invitation mailed, as it stands. */
export async function sendInvitation(
  { organization, enqueue }: Pick<HandleContext, 'organization' | 'enqueue'>,
  member: Member,
): Promise<void> {
  await enqueue(invitationJob, {
    organization_id: organization.id,
    member_id: member.id,
    expires_at: member.invitationExpiresAt.getTime(),
  });
}

type Invited = Pick<Member, 'id' | 'organizationId' | 'invitationExpiresAt'>;

/**
 * What the mail carries and nothing stores: the member's id and a MAC over it and the expiry, which another invitation changes.
 * Who knows it reads the mail of the invited address.
 */
export function invitationCode(keyring: Keyring, member: Invited): string {
  const mac = keyring.mac(purpose, member.organizationId, signedPart(member));
  return `${member.id}.${mac.toString('base64url')}`;
}

const signedPart = ({ id, invitationExpiresAt }: Invited): string => `${id}.${invitationExpiresAt.getTime()}`;

/** The member whose open invitation the code is, locked; 409 when it was accepted with it, 422 for every other code. */
export async function memberInvitedBy(
  { em, now, services }: Pick<HandleContext, 'em' | 'now' | 'services'>,
  code: string,
): Promise<Member> {
  const [id = '', mac = ''] = code.split('.');
  const member = await em.findOne(Member, { id }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
  const isGenuine =
    member &&
    services.keyring.verify(purpose, member.organizationId, signedPart(member), Buffer.from(mac, 'base64url'));
  if (isGenuine && member.status === 'active') throw new Refusal('conflict', 'The invitation was accepted already.');
  if (!isGenuine || now >= member.invitationExpiresAt) {
    throw invalid('code', 'is no open invitation: it was replaced or withdrawn, or its time is over', 'closed');
  }
  return member;
}

/** The mail to the invited person. It goes out under the server's name: an organisation may have no domain yet. */
export async function invitationMail(
  { em, keyring, sender }: { em: TenantEntityManager; keyring: Keyring; sender: string },
  member: Member,
  organization: string,
): Promise<Outgoing> {
  const role = await em.findOne(Role, { id: member.role });
  const until = member.invitationExpiresAt.toISOString().slice(0, 16).replace('T', ' ');
  return {
    from: `no-reply@${sender}`,
    to: [member.email],
    subject: `Invitation to ${organization}`,
    html: [
      `<p>You are invited to join ${escaped(organization)} as ${escaped(role?.name ?? member.role)}.</p>`,
      `<p>To accept, give this code to ${escaped(organization)} before ${until} UTC:</p>`,
      `<p>${invitationCode(keyring, member)}</p>`,
      '<p>Whoever has the code can accept in your place. If you did not expect this mail, do nothing.</p>',
    ].join('\n'),
    messageId: `<${member.id}.${member.invitationExpiresAt.getTime()}@${sender}>`,
    date: new Date(member.invitationExpiresAt.getTime() - openForMs),
    attachments: [],
    dkim: [],
  };
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`);
