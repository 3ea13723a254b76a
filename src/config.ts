import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { normalizeThumbprint } from './core/certificates.ts';
import { type KeyPair, readKeyPair } from './core/key-pair.ts';

/**
 * The environment as one typed, checked object; nothing else reads process.env. A wrong or missing variable stops the
 * start with its name and what to set it to.
 */

const port = z.coerce.number().int().min(0).max(65535);
const httpsUrl = z
  .url({ protocol: /^https$/, error: 'must be an https URL' })
  .transform(url => url.replace(/\/+$/, ''));
const file = z.string().min(1);
const list = z.string().transform(value =>
  value
    .split(',')
    .map(item => item.trim())
    .filter(Boolean),
);

const thumbprint = z
  .string()
  .transform(value => normalizeThumbprint(value) ?? '')
  .refine(Boolean, 'must be SHA-256 thumbprints: 64 hex digits each, with or without colons');

/** Every variable there is. */
export const variables = z.object({
  BASTION_ENV: z.enum(['development', 'production']).default('development'),
  BASTION_DATA_DIR: file.default('data'),
  BASTION_DATABASE_URL: z
    .string()
    .regex(
      /^(mysql|mariadb):\/\/|^sqlite:/,
      'must be mysql://user:password@host/name, mariadb://… or sqlite: and a file',
    )
    .optional(),
  BASTION_MASTER_KEYS: z.string().optional(),
  BASTION_HOST: z
    .string()
    .refine(value => isIP(value) > 0, 'must be an IP address')
    .default('127.0.0.1'),
  BASTION_REST_PORT: port.default(8443),
  BASTION_SOAP_PORT: port.default(9443),
  BASTION_HEALTH_PORT: port.default(9090),
  BASTION_PUBLIC_URL: httpsUrl.optional(),
  BASTION_SOAP_URL: httpsUrl.optional(),
  BASTION_TLS_CERTIFICATE: file.optional(),
  BASTION_TLS_KEY: file.optional(),
  BASTION_SIGNING_CERTIFICATE: file.optional(),
  BASTION_SIGNING_KEY: file.optional(),
  BASTION_SIGNING_EC_CERTIFICATE: file.optional(),
  BASTION_SIGNING_EC_KEY: file.optional(),
  BASTION_NEXT_SIGNING_CERTIFICATE: file.optional(),
  BASTION_CLIENT_CA_CERTIFICATE: file.optional(),
  BASTION_CLIENT_CA_KEY: file.optional(),
  BASTION_APPROVED_CAS: file.optional(),
  BASTION_CRLS: file.optional(),
  BASTION_PROXY_THUMBPRINTS: list.pipe(z.array(thumbprint)).default([]),
  BASTION_RELAY_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be smtp://host:587 (STARTTLS) or smtps://host:465' })
    .optional(),
  BASTION_RELAY_CA: file.optional(),
  BASTION_WEBHOOK_CA: file.optional(),
  BASTION_DNS_SERVERS: list.default([]),
  BASTION_MX_HOST: z.string().default('mx.bastion.example'),
  BASTION_APPROVAL_WINDOW: z.coerce.number().int().min(5).max(300).default(60),
  BASTION_RATE_LIMIT: z.coerce.number().int().min(1).default(600),
  BASTION_MAX_MAIL_MB: z.coerce.number().int().min(1).max(100).default(25),
  BASTION_DATA_REGION: z
    .string()
    .regex(/^[a-z][a-z0-9-]{1,15}$/, 'must be 2 to 16 of a-z, 0-9 and -, a letter first')
    .optional(),
  BASTION_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
});

type Variables = z.infer<typeof variables>;
type FileVariable = 'BASTION_RELAY_CA' | 'BASTION_WEBHOOK_CA';

export interface Relay {
  host: string;
  port: number;
  /** TLS from the first byte; otherwise STARTTLS is required. */
  implicitTls: boolean;
  user?: string;
  password?: string;
  /** PEM of a private CA that the relay's certificate chains to. */
  ca?: string;
}

export interface Config {
  production: boolean;
  dataDir: string;
  databaseUrl: string;
  /** `id:base64` of 32 bytes, comma separated; the first one writes. Undefined: a file in the data directory. */
  masterKeys: string | undefined;
  host: string;
  ports: { rest: number; soap: number; health: number };
  /** Addresses in answers, OpenAPI and WSDL; undefined: the listener's own. */
  publicUrl: string | undefined;
  soapUrl: string | undefined;
  /** Undefined: the development authority issues them. */
  tls: KeyPair | undefined;
  signing: KeyPair | undefined;
  /** For partners who want ECDSA answers from a server whose signing key is RSA. */
  ellipticSigning: KeyPair | undefined;
  /** PEM file of the signing certificate to come. */
  nextSigningCertificate: string | undefined;
  /** Of the authority that renews partners' certificates; undefined: this server issues none. */
  clientAuthority: KeyPair | undefined;
  /** PEM file, or folder of PEM files, of the approved certificate authorities. */
  approvedCas: string | undefined;
  crls: string | undefined;
  /** SHA-256 thumbprints of TLS proxies that may send Client-Cert. */
  proxyThumbprints: string[];
  relay: Relay | undefined;
  /** PEM of a private CA that approval webhooks' certificates may chain to, beside the system's. */
  webhookCa: string | undefined;
  dnsServers: string[];
  mxHost: string;
  approvalWindow: number;
  /** Requests a minute and key. */
  rateLimit: number;
  /** Octets that one mail may hold. */
  maxMailBytes: number;
  dataRegion: string | undefined;
  logLevel: string;
}

/** A configuration with nothing left to make: what the app is built from. */
export interface ReadyConfig extends Config {
  tls: KeyPair;
  signing: KeyPair;
  approvedCas: string;
  relay: Relay;
}

/** Reads and checks the environment. Throws with one line per wrong variable. */
export function readConfig(env: Record<string, string | undefined>): Config {
  const parsed = variables.safeParse(env);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(issue => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The configuration is wrong:\n${lines.join('\n')}`);
  }
  const v = parsed.data;
  const dataDir = resolve(v.BASTION_DATA_DIR);
  const config: Config = {
    production: v.BASTION_ENV === 'production',
    dataDir,
    databaseUrl: v.BASTION_DATABASE_URL ?? `sqlite:${join(dataDir, 'bastion.db')}`,
    masterKeys: v.BASTION_MASTER_KEYS,
    host: v.BASTION_HOST,
    ports: { rest: v.BASTION_REST_PORT, soap: v.BASTION_SOAP_PORT, health: v.BASTION_HEALTH_PORT },
    publicUrl: v.BASTION_PUBLIC_URL,
    soapUrl: v.BASTION_SOAP_URL,
    tls: keyPair(v, 'BASTION_TLS'),
    signing: keyPair(v, 'BASTION_SIGNING'),
    ellipticSigning: keyPair(v, 'BASTION_SIGNING_EC'),
    nextSigningCertificate: v.BASTION_NEXT_SIGNING_CERTIFICATE,
    clientAuthority: keyPair(v, 'BASTION_CLIENT_CA'),
    approvedCas: v.BASTION_APPROVED_CAS,
    crls: v.BASTION_CRLS,
    proxyThumbprints: v.BASTION_PROXY_THUMBPRINTS,
    relay: v.BASTION_RELAY_URL === undefined ? undefined : relay(v.BASTION_RELAY_URL, text(v, 'BASTION_RELAY_CA')),
    webhookCa: text(v, 'BASTION_WEBHOOK_CA'),
    dnsServers: v.BASTION_DNS_SERVERS,
    mxHost: v.BASTION_MX_HOST,
    approvalWindow: v.BASTION_APPROVAL_WINDOW,
    rateLimit: v.BASTION_RATE_LIMIT,
    maxMailBytes: v.BASTION_MAX_MAIL_MB * 1024 * 1024,
    dataRegion: v.BASTION_DATA_REGION,
    logLevel: v.BASTION_LOG_LEVEL,
  };
  if (config.ellipticSigning && createPrivateKey(config.ellipticSigning.key).asymmetricKeyType !== 'ec') {
    throw new Error('BASTION_SIGNING_EC_KEY must be an EC key: P-256 or P-384');
  }
  if (config.production) requireProduction(config);
  return config;
}

/** Development makes what is missing; production never does. */
function requireProduction(config: Config): void {
  const missing = [
    config.masterKeys === undefined && 'BASTION_MASTER_KEYS',
    config.tls === undefined && 'BASTION_TLS_CERTIFICATE and BASTION_TLS_KEY',
    config.signing === undefined && 'BASTION_SIGNING_CERTIFICATE and BASTION_SIGNING_KEY',
    config.approvedCas === undefined && 'BASTION_APPROVED_CAS',
    config.relay === undefined && 'BASTION_RELAY_URL',
    config.publicUrl === undefined && 'BASTION_PUBLIC_URL',
    config.soapUrl === undefined && 'BASTION_SOAP_URL',
  ].filter(Boolean);
  if (missing.length > 0) throw new Error(`Production needs these variables: ${missing.join(', ')}`);
}

/** Found out here, with the variables' names, and not by the first caller. */
function keyPair(v: Variables, name: `BASTION_${'TLS' | 'SIGNING' | 'SIGNING_EC' | 'CLIENT_CA'}`): KeyPair | undefined {
  const certificate = v[`${name}_CERTIFICATE`];
  const key = v[`${name}_KEY`];
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw new Error(`${name}_CERTIFICATE and ${name}_KEY go together`);
  }
  return naming(`${name}_CERTIFICATE and ${name}_KEY`, () => readKeyPair({ certificate, key }));
}

/** The file that a variable names, as text. */
function text(v: Variables, name: FileVariable): string | undefined {
  const path = v[name];
  return path === undefined ? undefined : naming(name, () => readFileSync(path, 'utf8'));
}

/** What goes wrong while files are read is said with the variables that name them: those are what to change. */
export function naming<T>(variables: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new Error(`${variables}: ${(cause as Error).message}`, { cause });
  }
}

function relay(url: string, ca: string | undefined): Relay {
  const { protocol, hostname, port, username, password } = new URL(url);
  const implicitTls = protocol === 'smtps:';
  return {
    host: hostname,
    port: port === '' ? (implicitTls ? 465 : 587) : Number(port),
    implicitTls,
    ...(username === '' ? {} : { user: decodeURIComponent(username), password: decodeURIComponent(password) }),
    ...(ca === undefined ? {} : { ca }),
  };
}
