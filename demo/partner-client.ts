import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import soap from 'soap';
import { SignedXml } from 'xml-crypto';

/** A partner's program: node-soap's client, made from the WSDL that the server hands out. */

/** What a partner was given. */
export interface PartnerCredentials {
  readonly soapOrigin: string;
  /** PEM texts. */
  readonly ca: string;
  readonly certificate: string;
  readonly privateKey: string;
  readonly apiKey: string;
}

const excC14n = 'http://www.w3.org/2001/10/xml-exc-c14n#';

export interface Attachment {
  readonly contentId: string;
  readonly mimetype: string;
  readonly name: string;
  readonly body: Buffer;
}

interface Wish {
  readonly attachments?: Attachment[];
  /** The local address to call from. */
  readonly from?: string;
}

export interface SoapAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: the shape comes from the WSDL at run time
  readonly result: any;
  readonly xml: string;
}

export class PartnerClient {
  readonly #partner: PartnerCredentials;
  readonly #client: soap.Client;

  private constructor(partner: PartnerCredentials, client: soap.Client) {
    this.#partner = partner;
    this.#client = client;
  }

  static async fromWsdl(partner: PartnerCredentials, area: string): Promise<PartnerClient> {
    const client = await soap.createClientAsync(`${partner.soapOrigin}/soap/v3/${area}?wsdl`, {
      wsdl_options: { httpsAgent: agentOf(partner) },
      forceSoap12Headers: true,
      disableCache: true,
    });
    client.addHttpHeader('Authorization', `Bearer ${partner.apiKey}`);
    return new PartnerClient(partner, client);
  }

  get operations(): string[] {
    return Object.values(this.#client.describe()).flatMap(service =>
      Object.values(service as object).flatMap(port => Object.keys(port as object)),
    );
  }

  /** Signs Body and Timestamp, sends, and answers what came back, a fault included. */
  async call(operation: string, input: object, { attachments = [], from }: Wish = {}): Promise<SoapAnswer> {
    this.#client.setSecurity(this.#security());
    const invoke = this.#client[`${operation}Async`] as (...args: unknown[]) => Promise<[{ result: unknown }, string]>;
    try {
      const [answer, xml] = await invoke({ request: input }, { httpsAgent: this.#agent(from), attachments });
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

  /** Sends an envelope as it is: what a thief with a copy of it could do. */
  post(area: string, envelope: string): Promise<string> {
    const headers = {
      Authorization: `Bearer ${this.#partner.apiKey}`,
      'Content-Type': 'application/soap+xml; charset=utf-8',
      'Content-Length': Buffer.byteLength(envelope),
    };
    const url = `${this.#partner.soapOrigin}/soap/v3/${area}`;
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { method: 'POST', headers, agent: this.#agent() }, response => {
        text(response).then(resolve, reject);
      });
      outgoing.on('error', reject).end(envelope);
    });
  }

  /** The last envelope exactly as it was sent. */
  get lastEnvelope(): string {
    return this.#client.lastRequest ?? '';
  }

  #agent(from?: string): Agent {
    return agentOf(this.#partner, from);
  }

  // Without these settings node-soap signs with a transform and an Id attribute that WS-Security does not know.
  #security(): soap.WSSecurityCert {
    return new soap.WSSecurityCert(this.#partner.privateKey, this.#partner.certificate, '', {
      hasTimeStamp: true,
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
      signatureTransformations: [excC14n],
      signerOptions: { idMode: 'wssecurity', prefix: 'ds' },
    });
  }
}

const agentOf = ({ ca, certificate, privateKey }: PartnerCredentials, localAddress?: string): Agent =>
  new Agent({ ca, cert: certificate, key: privateKey, keepAlive: false, localAddress, family: 4 });

/** The code of a fault: the local name of its Subcode. */
export const faultCode = (xml: string): string | undefined =>
  /<(?:\w+:)?Subcode>\s*<(?:\w+:)?Value>(?:\w+:)?(\w+)</.exec(xml)?.[1];

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
