import express, { type Express } from 'express';
import type { Registry } from 'prom-client';

interface HealthParts {
  readonly registry: Registry;
  /** Throws when this node cannot serve: the database does not answer, or the node is stopping. */
  ready(): Promise<void>;
  /** Brings gauges up to date before they are read. */
  measure(): Promise<void>;
}

/** Health and metrics for the machine's own tools. It stands on loopback, asks for nothing and says nothing of tenants. */
export function healthDoor(parts: HealthParts): Express {
  const app = express().disable('x-powered-by');
  app.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' });
  });
  app.get('/readyz', async (_req, res) => {
    try {
      await parts.ready();
      res.json({ status: 'ready' });
    } catch {
      res.status(503).json({ status: 'not ready' });
    }
  });
  app.get('/metrics', async (_req, res) => {
    await parts.measure().catch(() => {});
    res.type(parts.registry.contentType).send(await parts.registry.metrics());
  });
  return app;
}
