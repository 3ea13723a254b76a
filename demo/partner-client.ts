import { Agent } from 'node:https';
import soap from 'soap';
import { SignedXml } from 'xml-crypto';
import type { Stage } from './stage.ts';

/** A partner's program: node-soap's client, made from the WSDL that the server hands out. */

const excC14n = 'http://www.w3.org/2001/10/xml-exc-c14n#';

export interface Attachment {
  readonly contentId: string;
  readonly mimetype: string;
  readonly name: string;
  readonly body: Buffer;
}

export interface SoapAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: the shape comes from the WSDL at run time
  readonly result: any;
  readonly xml: string;
}

export class PartnerClient {
  readonly #stage: Stage;
  readonly #client: soap.Client;
  readonly #agent: Agent;

  private constructor(stage: Stage, client: soap.Client, agent: Agent) {
    this.#stage = stage;
    this.#client = client;
    this.#agent = agent;
  }

  static async fromWsdl(stage: Stage, area: string): Promise<PartnerClient> {
    const agent = new Agent({ ca: stage.ca, cert: stage.certificate, key: stage.privateKey, keepAlive: false });
    const client = await soap.createClientAsync(`${stage.soapOrigin}/soap/v3/${area}?wsdl`, {
      wsdl_options: { httpsAgent: agent },
      forceSoap12Headers: true,
      disableCache: true,
    });
    client.addHttpHeader('Authorization', `Bearer ${stage.apiKey}`);
    return new PartnerClient(stage, client, agent);
  }

  get operations(): string[] {
    return Object.values(this.#client.describe()).flatMap(service =>
      Object.values(service as object).flatMap(port => Object.keys(port as object)),
    );
  }

  /** Signs Body and Timestamp, sends, and answers what came back, a fault included. */
  async call(operation: string, request: object, attachments: Attachment[] = []): Promise<SoapAnswer> {
    this.#client.setSecurity(this.#security());
    const invoke = this.#client[`${operation}Async`] as (...args: unknown[]) => Promise<[{ result: unknown }, string]>;
    try {
      const [answer, xml] = await invoke({ request }, { httpsAgent: this.#agent, attachments });
      return { result: answer.result, xml };
    } catch (error) {
      const { root, response } = error as {
        root?: { Envelope: { Body: { Fault: unknown } } };
        response?: { data: string };
      };
      if (root === undefined || response === undefined) throw error;
      return { result: root.Envelope.Body.Fault, xml: response.data };
    }
  }

  /** The last request envelope exactly as it was sent. */
  get lastRequest(): string {
    return this.#client.lastRequest ?? '';
  }

  // Without these settings node-soap signs with a transform and an Id attribute that WS-Security does not know.
  #security(): soap.WSSecurityCert {
    return new soap.WSSecurityCert(this.#stage.privateKey, this.#stage.certificate, '', {
      hasTimeStamp: true,
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
      signatureTransformations: [excC14n],
      signerOptions: { idMode: 'wssecurity', prefix: 'ds' },
    });
  }
}

/**
 * Checks an answer's signature with Bastion's certificate, as the partner was given it, and answers what was signed: what
 * is not in there was not said by Bastion.
 */
export function signedParts(xml: string, certificate: string): string[] {
  const signature = /<ds:Signature[\s>][\s\S]*<\/ds:Signature>/.exec(xml)?.[0];
  if (signature === undefined) return [];
  const verifier = new SignedXml({ publicCert: certificate });
  verifier.loadSignature(signature);
  return verifier.checkSignature(xml) ? verifier.getSignedReferences() : [];
}
