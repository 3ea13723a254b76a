import 'reflect-metadata';
import { KeyObject, type webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { RelaySink, type SinkOptions } from '../../src/development/relay-sink.ts';
import type { Relay } from '../../src/mail/deliver.ts';

export type SinkSetup = Omit<SinkOptions, 'certificate' | 'key'> & {
  /** Whom the sink's certificate names, instead of the host that it listens on. */
  readonly certificateFor?: string;
};

/** A relay sink on a free port, and how to reach it. Close the sink at the end. */
export async function startSink({
  certificateFor,
  ...setup
}: SinkSetup = {}): Promise<{ sink: RelaySink; relay: Relay }> {
  const { certificate, key } = await selfSigned(certificateFor);
  const sink = await RelaySink.start({ ...setup, certificate, key });
  return { sink, relay: { host: '127.0.0.1', port: sink.port, ca: certificate, implicitTls: setup.implicitTls } };
}

const made = new Map<string | undefined, Promise<{ certificate: string; key: string }>>();

/** A TLS certificate for 127.0.0.1, or for `host`, which is its own authority. PEM texts. */
export function selfSigned(host?: string): Promise<{ certificate: string; key: string }> {
  const known = made.get(host) ?? make(host);
  made.set(host, known);
  return known;
}

async function make(host: string | undefined): Promise<{ certificate: string; key: string }> {
  const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = (await crypto.subtle.generateKey(signing, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const name: x509.JsonGeneralNames = [
    host === undefined ? { type: 'ip', value: '127.0.0.1' } : { type: 'dns', value: host },
  ];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=relay sink',
    keys,
    signingAlgorithm: signing,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [new x509.SubjectAlternativeNameExtension(name)],
  });
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certificate: certificate.toString('pem'), key };
}
