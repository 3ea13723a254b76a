/** As in the jobs table and in logs. */
export const invitationJob = 'organizations.send_invitation';
