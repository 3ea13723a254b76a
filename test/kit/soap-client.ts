import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import soap from 'soap';
import type { Area } from '../../src/core/operation.ts';
import { decodeAnswer, decodeStructure } from '../../src/doors/soap/decode.ts';
import { encodeRequest } from '../../src/doors/soap/encode.ts';
import { buildModel, commonNamespace, type SoapArea, type SoapOperation } from '../../src/doors/soap/model.ts';
import { type OutgoingPart, writeRelated } from '../../src/doors/soap/multipart.ts';
import { ns } from '../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../src/doors/soap/parse.ts';
import { childElements, isNamed, textOf, type XmlElement } from '../../src/doors/soap/tree.ts';
import { verifyEnvelope } from '../../src/doors/soap/verify.ts';
import { faultType } from '../../src/doors/soap/xsd.ts';
import { type EnvelopeOptions, signedEnvelope } from './soap-signing.ts';

/** Partners of the extranet: one that speaks by our own model, so that it can say anything, and a stock one. */

export interface SoapCredentials {
  /** `https://host:port` of the SOAP door. */
  origin: string;
  /** PEM. */
  ca: string;
  cert: string;
  key: string;
  apiKey: string;
  /** In a signed Context, as everything that directs a message at another organisation. */
  orgId?: string;
  /** The partner's clock. */
  now?: () => Date;
}

export interface SoapFault {
  /** Local name of the Subcode: an error code of ours, or FailedCheck. */
  code: string;
  error?: string;
  message?: string;
  request_id?: string;
  errors?: { field: string; code: string; message: string }[];
  authorization_request_id?: string;
  retry_after?: number;
}

export interface SoapAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The answer's signature has been verified. */
  signed: boolean;
  /** As over REST, in snake_case. */
  output?: Record<string, unknown>;
  fault?: SoapFault;
}

export interface SoapOverrides {
  /** Added to, or taken (undefined) from, the HTTP headers. */
  headers?: Record<string, string | undefined>;
  envelope?: EnvelopeOptions;
  /** Says key and organisation in a signed Context header instead of HTTP headers. */
  context?: boolean;
  /** Sends binary values as parts of a MIME message, named in the Body with their SHA-256. */
  attached?: boolean;
  /** Sends this instead of the envelope. */
  raw?: Buffer | string;
}

export interface SoapClient {
  call(operation: string, input: object, overrides?: SoapOverrides): Promise<SoapAnswer>;
  get(path: string): Promise<{ status: number; text: string }>;
  /** The octets that a call would send. */
  envelope(operation: string, input: object): Buffer;
  close(): void;
}

/** @param areas what the server serves; operations are found by name in all of them */
export function soapClient(areas: readonly Area[], credentials: SoapCredentials): SoapClient {
  const { origin, ca, cert, key, apiKey, orgId, now = () => new Date() } = credentials;
  const agent = new Agent({ ca, cert, key, keepAlive: true });
  const partner = {
    certificate: new X509Certificate(cert),
    privateKey: createPrivateKey(key),
    publicKey: createPublicKey(cert),
  };
  const model = buildModel(areas);

  const find = (name: string): [SoapArea, SoapOperation] => {
    for (const area of model.areas) {
      const operation = area.operations.get(name);
      if (operation) return [area, operation];
    }
    throw new Error(`no operation ${name}`);
  };

  return {
    async call(name, input, { headers = {}, envelope = {}, context = orgId !== undefined, attached, raw } = {}) {
      const [area, operation] = find(name);
      const parts: OutgoingPart[] = [];
      const attach = (content: Buffer): string => {
        const contentId = `part-${parts.length}@partner`;
        parts.push({ contentId, contentType: 'application/octet-stream', content });
        return contentId;
      };
      const signed = signedEnvelope(partner, {
        body: encodeRequest(operation, input, attached ? attach : undefined),
        created: now(),
        expires: null,
        ...(context ? contextHeader(apiKey, orgId) : {}),
        ...envelope,
      });
      const related = attached ? writeRelated(signed, parts) : undefined;
      const sent = {
        'Content-Type': related?.contentType ?? 'application/soap+xml; charset=utf-8',
        ...(context ? {} : { Authorization: `Bearer ${apiKey}` }),
        ...headers,
      };
      const answer = await post(
        agent,
        origin + area.path,
        sent,
        raw ?? (related ? await buffer(related.body) : signed),
      );
      return { ...answer, ...(await readAnswer(answer.text, operation, now())) };
    },
    get: path => exchange(agent, 'GET', origin + path, {}),
    envelope: (name, input) => Buffer.from(signedEnvelope(partner, { body: encodeRequest(find(name)[1], input) })),
    close: () => agent.destroy(),
  };
}

function contextHeader(apiKey: string, orgId: string | undefined): EnvelopeOptions {
  const organization = orgId === undefined ? '' : `<c:orgId>${orgId}</c:orgId>`;
  const content = `<c:apiKey>${apiKey}</c:apiKey>${organization}`;
  const headers = `<c:Context xmlns:c="${commonNamespace}" wsu:Id="Context-1">${content}</c:Context>`;
  return { headers, also: [{ uri: '#Context-1' }] };
}

export type RawAnswer = Pick<SoapAnswer, 'status' | 'headers' | 'text'>;

export const post = (
  agent: Agent,
  url: string,
  headers: Record<string, string | undefined>,
  body: string | Buffer,
): Promise<RawAnswer> => exchange(agent, 'POST', url, headers, body);

function exchange(
  agent: Agent,
  method: string,
  url: string,
  headers: Record<string, string | undefined>,
  body = '' as string | Buffer,
) {
  return new Promise<RawAnswer>((resolve, reject) => {
    const present = Object.entries(headers).filter(([, value]) => value !== undefined) as [string, string][];
    const sent = request(url, { agent, method, headers: Object.fromEntries(present) }, response => {
      buffer(response).then(
        octets => resolve({ status: response.statusCode!, headers: response.headers, text: octets.toString() }),
        reject,
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Whatever came back, after its signature (if it has one) was found good. */
export async function readAnswer(
  text: string,
  operation: SoapOperation,
  receivedAt: Date,
): Promise<Omit<SoapAnswer, 'status' | 'headers' | 'text'>> {
  const signed = text.includes(`<ds:Signature `);
  const body = signed ? await verifiedBody(text, receivedAt) : unsignedBody(text);
  if (!isNamed(body, ns.soap, 'Fault'))
    return { signed, output: decodeAnswer(operation, body) as Record<string, unknown> };
  return { signed, fault: readFault(body) };
}

async function verifiedBody(text: string, receivedAt: Date): Promise<XmlElement> {
  const { operation } = await verifyEnvelope(
    { octets: Buffer.from(text), charset: 'utf-8' },
    {
      receivedAt,
      contextNamespace: commonNamespace,
      resolve: async reference =>
        reference.kind === 'certificate'
          ? { certificate: reference.certificate, publicKey: reference.certificate.publicKey }
          : undefined,
    },
  );
  return operation;
}

function unsignedBody(text: string): XmlElement {
  const body = childElements(parseXml(text))!.find(each => isNamed(each, ns.soap, 'Body'))!;
  return childElements(body)![0]!;
}

function readFault(fault: XmlElement): SoapFault {
  const [code, , detail] = childElements(fault)!;
  const subcode = childElements(childElements(code!)![1]!)![0]!;
  const bastionFault = detail && childElements(detail)![0];
  const told = bastionFault ? (decodeStructure(faultType, bastionFault) as Partial<SoapFault>) : {};
  return { code: textOf(subcode)!.split(':')[1]!, ...told };
}

export interface StockClient {
  /** Names, as the WSDL has them. */
  readonly operations: string[];
  /** Throws what node-soap throws at a fault. */
  call(operation: string, request: object): Promise<{ result: Record<string, unknown>; xml: string }>;
}

/** node-soap's client, made from the WSDL as served; signs Body and Timestamp as WS-Security wants it. */
export async function stockClient(area: string, credentials: SoapCredentials): Promise<StockClient> {
  const { origin, ca, cert, key, apiKey } = credentials;
  const httpsAgent = new Agent({ ca, cert, key });
  const client = await soap.createClientAsync(`${origin}/soap/v3/${area}?wsdl`, {
    wsdl_options: { httpsAgent },
    forceSoap12Headers: true,
    disableCache: true,
  });
  client.addHttpHeader('Authorization', `Bearer ${apiKey}`);
  client.setSecurity(
    new soap.WSSecurityCert(key, cert, '', {
      hasTimeStamp: true,
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
      signatureTransformations: ['http://www.w3.org/2001/10/xml-exc-c14n#'],
      signerOptions: { idMode: 'wssecurity', prefix: 'ds' },
    }),
  );
  const ports = Object.values(client.describe()).flatMap(service => Object.values(service as object));
  return {
    operations: ports.flatMap(port => Object.keys(port)),
    async call(operation, request) {
      const [answer, xml] = await client[`${operation}Async`]({ request }, { httpsAgent });
      return { result: answer.result, xml };
    },
  };
}
