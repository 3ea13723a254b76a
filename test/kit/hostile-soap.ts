import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClientCertificate } from '../../src/areas/access/entities.ts';
import { areas } from '../../src/areas.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { buildModel, type SoapOperation } from '../../src/doors/soap/model.ts';
import { createKey, registerCertificate } from '../../src/operator.ts';
import { type Kit, startKit, type Tenant } from './app.ts';
import { certificates, type Pair, pair } from './certificates.ts';
import { post, type RawAnswer } from './soap-client.ts';
import {
  areaNamespace,
  type EnvelopeOptions,
  newPartner,
  type Partner,
  signedEnvelope,
  unsignedEnvelope,
} from './soap-signing.ts';

export interface Part {
  readonly contentId: string;
  readonly contentType: string;
  readonly content: Buffer;
}

/** What goes over the wire; whatever is left out is as a partner would send it. */
export interface Sending {
  readonly octets: string | Buffer;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Under `/soap/v3/`. */
  readonly area?: string;
  /** The certificate of the connection. */
  readonly over?: Pair;
  readonly to?: Kit;
}

/**
 * Makes what an attacker sends: an envelope, which then goes alone and as the root of a multipart message; several, for one
 * attack with several faces; or the very octets.
 */
export type Attack = (scene: Scene) => Made | Promise<Made>;
type Made = string | Buffer | readonly string[] | Sending;

export interface Case {
  readonly name: string;
  /** Any of these codes refuses it; `harmless`: it is answered, by what was signed and nothing else. */
  readonly verdict: 'harmless' | readonly ErrorCode[];
  readonly make: Attack;
}

export const refused = (codes: ErrorCode | readonly ErrorCode[], attacks: Record<string, Attack>): Case[] =>
  Object.entries(attacks).map(([name, make]) => ({ name, verdict: [codes].flat(), make }));

export const harmless = (attacks: Record<string, Attack>): Case[] =>
  Object.entries(attacks).map(([name, make]) => ({ name, verdict: 'harmless', make }));

/** The cases that are files: `attribute-repeated.xml` is "attribute repeated". */
export function filesIn(folder: string, extension: string): [name: string, octets: Buffer][] {
  const files = readdirSync(folder).filter(file => file.endsWith(extension));
  return files
    .sort()
    .map(file => [file.slice(0, -extension.length).replaceAll('-', ' '), readFileSync(join(folder, file))]);
}

/** What an attacker has: a message of a registered partner and its pieces, a key of their own, and the address. */
export class Scene {
  readonly stage: Stage;
  readonly partner: Partner;
  /** Has a certificate that nobody registered. */
  readonly stranger: Partner;
  /** What the partner asks, and what the attacker wants to have answered in the partner's name. */
  readonly operation: string;
  readonly evil: string;
  #valid: string | undefined;

  constructor(stage: Stage) {
    this.stage = stage;
    this.partner = stage.partner;
    this.stranger = stage.stranger;
    this.operation = operationOn(stage.kit.tenant.id);
    this.evil = operationOn(stage.child.id);
  }

  /** An envelope signed by the partner: valid unless the options make it otherwise. */
  sign(options: EnvelopeOptions = {}, signer: Partner = this.partner): string {
    return signedEnvelope(signer, { body: this.operation, created: this.stage.instant(), ...options });
  }

  unsigned(options: EnvelopeOptions = {}): string {
    return unsignedEnvelope(this.partner, { body: this.operation, ...options });
  }

  /** A signed message that would be answered, and elements of it. */
  get valid(): string {
    this.#valid ??= this.sign();
    return this.#valid;
  }
  get body(): string {
    return cut(this.valid, 'soap:Body');
  }
  get timestamp(): string {
    return cut(this.valid, 'wsu:Timestamp');
  }
  get signature(): string {
    return cut(this.valid, 'ds:Signature');
  }

  evilBody(attributes = ''): string {
    return `<soap:Body ${attributes}>${this.evil}</soap:Body>`;
  }
}

const operationOn = (id: string): string =>
  `<m:GetOrganization xmlns:m="${areaNamespace}"><m:request><m:orgId>${id}</m:orgId></m:request></m:GetOrganization>`;

interface Logged {
  readonly code: ErrorCode;
  readonly reason: string;
}

export interface Received {
  readonly answer: RawAnswer;
  /** The line that the server wrote about the message; undefined when it was answered. */
  readonly logged: Logged | undefined;
  /** Microseconds of CPU, of both sides, and octets of memory that the process grew by. */
  readonly work: number;
  readonly grown: number;
}

/** The real server that everything is sent to, and those who send. */
export class Stage {
  readonly kit: Kit;
  readonly child: Tenant;
  readonly partner: Partner;
  readonly stranger: Partner;
  /** Registered; its authority revoked it, and an organisation withdrew it. */
  readonly revoked: Pair;
  readonly withdrawn: Pair;
  /** Of the same organisation as the first. */
  readonly secondKey: string;
  /** What valid messages ask for. */
  readonly operation: SoapOperation;
  readonly #logged: Map<string, Logged>;
  readonly #agents = new Map<Pair, Agent>();
  readonly #nodes = new Set<Kit>();
  readonly #folder: string;
  #instant = 0;

  private constructor(
    parts: Pick<Stage, 'kit' | 'child' | 'stranger' | 'revoked' | 'withdrawn' | 'secondKey'>,
    logged: Map<string, Logged>,
    folder: string,
  ) {
    this.kit = parts.kit;
    this.child = parts.child;
    this.partner = signerOf(parts.kit.set.partner);
    this.stranger = parts.stranger;
    this.revoked = parts.revoked;
    this.withdrawn = parts.withdrawn;
    this.secondKey = parts.secondKey;
    this.operation = buildModel(areas).areas.flatMap(area => area.operations.get('GetOrganization') ?? [])[0]!;
    this.#logged = logged;
    this.#folder = folder;
  }

  static async open(): Promise<Stage> {
    const logged = new Map<string, Logged>();
    const { authority } = await certificates();
    const revoking = await authority.intermediate('CN=Revoking');
    const revoked = pair(await revoking.client('CN=revoked, O=Acme'));
    const crls = mkdtempSync(join(tmpdir(), 'bastion-crls-'));
    writeFileSync(join(crls, 'none.pem'), await revoking.revocationList([]));
    const kit = await startKit({ listen: listener(logged), config: { crls } });
    const child = await kit.organization('Child', { parent: kit.tenant });
    await kit.organization('Globex', { certificate: kit.set.otherPartner });
    const withdrawn = pair(await authority.client('CN=withdrawn, O=Acme'));
    const chain = revoked.certificate + revoking.certificate;
    for (const pem of [chain, withdrawn.certificate, kit.set.elliptic.certificate]) {
      await registerCertificate(kit.app, kit.tenant.id, { pem, uses: ['request'] });
    }
    writeFileSync(join(crls, 'none.pem'), await revoking.revocationList([revoked.certificate]));
    kit.app.services.trust.reload();
    await kit.app.run.act(kit.tenant.id, { kind: 'cli', name: 'test.withdraw' }, async ({ em }) => {
      const row = await em.findOneOrFail(ClientCertificate, { thumbprint: withdrawn.thumbprint });
      row.status = 'revoked';
    });
    const { secret: secondKey } = await createKey(kit.app, kit.tenant.id, { name: 'second' });
    return new Stage({ kit, child, stranger: await newPartner(), revoked, withdrawn, secondKey }, logged, crls);
  }

  /** Now, but never the same twice: two messages of one millisecond would be a message and its replay. */
  instant(): Date {
    this.#instant = Math.max(this.#instant + 1, Date.now());
    return new Date(this.#instant);
  }

  /** Another node of the cluster. */
  async node(): Promise<Kit> {
    const node = await startKit({ beside: this.kit, listen: listener(this.#logged) });
    this.#nodes.add(node);
    return node;
  }

  async stop(node: Kit): Promise<void> {
    this.#nodes.delete(node);
    await node.close();
  }

  async close(): Promise<void> {
    for (const agent of this.#agents.values()) agent.destroy();
    for (const node of this.#nodes) await node.close();
    await this.kit.close();
    rmSync(this.#folder, { recursive: true });
  }

  async send({
    octets,
    contentType,
    headers,
    area = 'organizations',
    over,
    to = this.kit,
  }: Sending): Promise<Received> {
    const sent = {
      'Content-Type': contentType ?? 'application/soap+xml; charset=utf-8',
      Authorization: `Bearer ${this.kit.tenant.apiKey}`,
      ...headers,
    };
    const [grownFrom, workedFrom] = [process.memoryUsage.rss(), process.cpuUsage()];
    const agent = this.#agent(over ?? this.kit.set.partner);
    const answer = await post(agent, `${to.app.soap.url}/soap/v3/${area}`, sent, octets);
    const { user, system } = process.cpuUsage(workedFrom);
    const requestId = String(answer.headers['bastion-request-id']);
    return {
      answer,
      logged: this.#logged.get(requestId),
      work: user + system,
      grown: process.memoryUsage.rss() - grownFrom,
    };
  }

  #agent(pair: Pair): Agent {
    const known = this.#agents.get(pair);
    if (known) return known;
    const agent = new Agent({ ca: this.kit.set.ca, cert: pair.certificate, key: pair.key, keepAlive: true });
    this.#agents.set(pair, agent);
    return agent;
  }
}

const listener =
  (logged: Map<string, Logged>) =>
  (line: string): void => {
    const { requestId, code, outcome, cause } = JSON.parse(line);
    if (cause !== undefined) logged.set(requestId, { code: code ?? outcome, reason: cause });
  };

export const signerOf = ({ x509, privateKey, publicKey }: Pair): Partner => ({
  certificate: x509,
  privateKey,
  publicKey,
});

/** What is made in the forms in which it can come: an envelope alone, and as the root of a multipart message. */
export function formsOf(made: Made): Record<string, readonly Sending[]> {
  if (typeof made === 'object' && 'octets' in made) return { 'as it is': [made] };
  const envelopes = Array.isArray(made) ? made : [made];
  return { plain: envelopes.map(octets => ({ octets })), multipart: envelopes.map(octets => related(octets)) };
}

export function related(envelope: string | Buffer, parts: readonly Part[] = []): Sending {
  const boundary = 'b8d6c7a1-attack';
  const part = (type: string, id: string, content: string | Buffer): Buffer[] => [
    Buffer.from(`--${boundary}\r\nContent-Type: ${type}\r\nContent-ID: <${id}>\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ];
  const octets = Buffer.concat([
    ...part('application/soap+xml; charset=utf-8', 'envelope', envelope),
    ...parts.flatMap(({ contentType, contentId, content }) => part(contentType, contentId, content)),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return {
    octets,
    contentType: `multipart/related; type="application/soap+xml"; start="<envelope>"; boundary="${boundary}"`,
  };
}

/** The first element of that name with its content; elements of the same name must not nest. */
export function cut(xml: string, name: string): string {
  const start = xml.indexOf(`<${name}`);
  const end = xml.indexOf(`</${name}>`, start);
  if (start < 0 || end < 0) throw new Error(`no ${name}`);
  return xml.slice(start, end + name.length + 3);
}

export function replace(xml: string, ...changes: [from: string, to: string][]): string {
  let text = xml;
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}
