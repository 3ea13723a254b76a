import type { Resolver } from 'node:dns/promises';
import type { Logger } from 'pino';
import type { Authority } from './authority.ts';
import type { TrustStore } from './certificates.ts';
import type { Clock } from './clock.ts';
import type { OpenStored } from './content.ts';
import type { Metrics } from './metrics.ts';
import type { Outbound } from './outbound.ts';
import type { Keyring } from './seal.ts';
import type { SigningIdentity } from './signing-identity.ts';

/** What areas may know of the configuration. */
export interface Settings {
  /** `https://host[:port]` of the REST door, without a trailing slash: addresses in answers and in OpenAPI. */
  readonly publicUrl: string;
  /** The same of the SOAP door: addresses in the WSDL. */
  readonly soapUrl: string;
  /** Host that a customer's MX record must name. */
  readonly mxHost: string;
  /** Seconds an approval webhook has to decide, 5 to 300. */
  readonly approvalWindow: number;
  /** Data region this node serves; undefined serves all. */
  readonly dataRegion: string | undefined;
  /** Octets that one mail may hold, body and attachments together. */
  readonly maxMailBytes: number;
  /** Outgoing relay for mail. */
  readonly relay: {
    readonly host: string;
    readonly port: number;
    /** TLS from the first byte; otherwise STARTTLS is required. */
    readonly implicitTls: boolean;
    readonly user?: string;
    readonly password?: string;
    /** PEM of a private CA that the relay's certificate chains to. */
    readonly ca?: string;
  };
}

/** The outside world, as the app joined it; handed down, never imported. */
export interface Services {
  readonly clock: Clock;
  readonly keyring: Keyring;
  readonly openStored: OpenStored;
  readonly trust: TrustStore;
  readonly identity: SigningIdentity;
  /** Signs SOAP answers to partners who ask for ECDSA, when `identity` has an RSA key. */
  readonly ellipticIdentity: SigningIdentity | undefined;
  /** Renews partners' certificates, where the operator lent the server an authority. */
  readonly clientAuthority: Authority | undefined;
  readonly outbound: Outbound;
  readonly resolver: Resolver;
  readonly settings: Settings;
  readonly log: Logger;
  readonly metrics: Metrics;
}
