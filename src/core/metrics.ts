import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What operators watch. One per app, so that two apps in one process do not count into each other. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    /** Finished requests of authenticated callers; `outcome` is `done`, `held` or an error code. */
    requests: new Counter({
      name: 'bastion_requests_total',
      help: 'Requests by operation, door and outcome.',
      labelNames: ['operation', 'door', 'outcome'] as const,
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'bastion_request_seconds',
      help: 'Time from the headers to the answer, by door.',
      labelNames: ['door'] as const,
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 45],
      registers,
    }),
    /** Refusals before a caller was known: they leave no audit row. */
    strangers: new Counter({
      name: 'bastion_strangers_refused_total',
      help: 'Requests refused before the caller was known, by door and error code.',
      labelNames: ['door', 'code'] as const,
      registers,
    }),
    /** One too many: closed before their handshake. */
    connectionsRefused: new Counter({
      name: 'bastion_connections_refused_total',
      help: 'Connections closed because there were too many, by door.',
      labelNames: ['door'] as const,
      registers,
    }),
    jobs: new Counter({
      name: 'bastion_jobs_total',
      help: 'Finished job runs by job and outcome.',
      labelNames: ['job', 'outcome'] as const,
      registers,
    }),
    jobLag: new Gauge({
      name: 'bastion_job_lag_seconds',
      help: 'Age of the oldest job that is due and not taken.',
      registers,
    }),
    reloads: new Counter({
      name: 'bastion_reloads_total',
      help: 'Files taken into use while running, by what they are and outcome (done, refused).',
      labelNames: ['name', 'outcome'] as const,
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'bastion_certificate_expiry_seconds',
      help: 'Seconds until the first certificate (or revocation list) of this use ends.',
      labelNames: ['use'] as const,
      registers,
    }),
    approvalsWaiting: new Gauge({
      name: 'bastion_approvals_waiting',
      help: 'Requests that wait for approval.',
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
