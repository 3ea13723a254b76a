/** The jobs of the approval flow, as in the jobs table and in logs. */
export const askJob = 'approvals.ask';
export const executeJob = 'approvals.execute';
export const sweepJob = 'approvals.sweep';
