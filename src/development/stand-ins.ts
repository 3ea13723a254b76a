import { join } from 'node:path';
import type { Config, ReadyConfig } from '../config.ts';
import { type DevelopmentFiles, developmentFiles } from './files.ts';
import { RelaySink } from './relay-sink.ts';
import { ApprovalResponder } from './responder.ts';

export interface Development {
  readonly config: ReadyConfig;
  readonly files: DevelopmentFiles;
  readonly responder: ApprovalResponder;
  /** Undefined when a real relay is configured. */
  readonly sink: RelaySink | undefined;
  close(): Promise<void>;
}

/** DEVELOPMENT ONLY: completes the configuration with an authority of our own, an approval responder and a relay. */
export async function development(config: Config): Promise<Development> {
  const files = await developmentFiles(config.dataDir);
  const responder = await ApprovalResponder.start({
    tls: files.server,
    approval: files.approver,
    bastionCertificate: files.signing.certificate,
  });
  const sink = config.relay
    ? undefined
    : await RelaySink.start({ ...files.server, outbox: join(config.dataDir, 'outbox') });
  const relay = config.relay ?? {
    host: '127.0.0.1',
    port: sink!.port,
    implicitTls: false,
    ca: files.authority.certificate,
  };
  return {
    files,
    responder,
    sink,
    config: {
      ...config,
      tls: config.tls ?? files.server,
      signing: config.signing ?? files.signing,
      clientAuthority: config.clientAuthority ?? files.authority,
      approvedCas: config.approvedCas ?? join(files.folder, 'ca.pem'),
      webhookCa: [config.webhookCa, files.authority.certificate].filter(Boolean).join('\n'),
      relay,
    },
    async close() {
      await responder.close();
      await sink?.close();
    },
  };
}
