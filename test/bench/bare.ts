import { createPublicKey, verify } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { answerQuestions } from './questions.ts';

/** The baseline: Express behind mutual TLS that does nothing but verify one RSA signature and echo. */
process.once('message', ({ cert, key, ca }: { cert: string; key: string; ca: string }) => {
  const app = express().disable('x-powered-by');
  const publicKey = createPublicKey(process.env.BENCH_PARTNER!);
  app.get('/echo', (req, res) => {
    const signature = Buffer.from(String(req.headers['x-signature']), 'base64');
    if (!verify('sha256', Buffer.from('canonical'), publicKey, signature)) return void res.status(401).end();
    res.json({ ok: true });
  });
  app.get('/plain', (_req, res) => {
    res.json({ ok: true });
  });
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, app);
  answerQuestions(() => undefined);
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
});
