import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { developmentDomain, firstOrganization } from '../src/development/first-organization.ts';
import type { RelaySink, SunkMail } from '../src/development/relay-sink.ts';
import type { ApprovalResponder } from '../src/development/responder.ts';
import { development } from '../src/development/stand-ins.ts';

/** What the players are given: what a customer gets from Bastion, and the customer's own responder and mail server. */
export interface Stage {
  readonly restOrigin: string;
  readonly soapOrigin: string;
  /** PEM of the authority that the server's TLS certificate chains to. */
  readonly ca: string;
  /** PEM of the certificate that Bastion signs SOAP answers and authorization requests with. */
  readonly bastionCertificate: string;
  /** PEM texts of the customer's registered request certificate. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly apiKey: string;
  readonly organizationId: string;
  /** An address on the organisation's verified domain. */
  readonly sender: string;
  readonly responder: ApprovalResponder;
  readonly sink: RelaySink;
}

/** Starts a server of the demo's own, in development mode, on free ports and a database that is gone afterwards. */
export async function setStage(): Promise<{ stage: Stage; clear(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'bastion-demo-'));
  const config = readConfig({
    BASTION_DATA_DIR: folder,
    BASTION_REST_PORT: '0',
    BASTION_SOAP_PORT: '0',
    BASTION_HEALTH_PORT: '0',
    BASTION_LOG_LEVEL: 'silent',
    // The shortest there is, so that the story of the late approval is a short one.
    BASTION_APPROVAL_WINDOW: '5',
  });
  const standIns = await development(config);
  const app = await startApp(standIns.config);
  const { id, apiKey } = await firstOrganization(app, standIns.files, standIns.responder.url);
  const { files, responder, sink } = standIns;
  const stage: Stage = {
    restOrigin: app.rest.url,
    soapOrigin: app.soap.url,
    ca: files.authority.certificate,
    bastionCertificate: files.signing.certificate,
    certificate: files.partner.certificate,
    privateKey: files.partner.key,
    apiKey: apiKey!,
    organizationId: id,
    sender: `billing@${developmentDomain}`,
    responder,
    sink: sink!,
  };
  return {
    stage,
    async clear() {
      await app.stop();
      await standIns.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** An address of this machine that no organisation registered; macOS has no second loopback address. */
export const foreignAddress = process.platform === 'darwin' ? undefined : '127.0.0.9';

/** Polls until it holds, for at most ten seconds: mail leaves after the answer. */
export async function eventually<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T | undefined> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found !== undefined || Date.now() > deadline) return found;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

export const arrived = (stage: Stage, messageId: string): Promise<SunkMail | undefined> =>
  eventually(() => stage.sink.mails.find(({ raw }) => raw.toString('latin1').includes(`Message-ID: <${messageId}@`)));
