/** Bastion for Node.js: node-soap makes the client from the WSDL and signs, xml-crypto verifies. Needs soap and xml-crypto. */
import { createHash, randomUUID } from 'node:crypto';
import { Agent } from 'node:https';
import { createClientAsync, HttpClient, WSSecurityCert } from 'soap';
import { SignedXml } from 'xml-crypto';

/**
 * Hands on nothing of an answer but the Body that Bastion signed: node-soap itself verifies nothing. Of a request, what
 * stands inline and travels as a part goes out of the message once it is signed (MTOM).
 */
class Channel extends HttpClient {
  constructor(httpsAgent, signer) {
    super();
    this.httpsAgent = httpsAgent;
    this.signer = signer;
  }

  request(url, message, callback, headers, options) {
    const verified = (error, response, text) => {
      if (error || !message) return callback(error, response, text);
      let envelope;
      try {
        envelope = this.signedBody(text);
      } catch (refusal) {
        return callback(refusal, response, text);
      }
      callback(null, response, envelope);
    };
    const sent = (options?.attachments ?? []).reduce(include, message);
    return super.request(url, sent, verified, headers, { ...options, httpsAgent: this.httpsAgent });
  }

  signedBody(text) {
    const signature = /<ds:Signature .*<\/ds:Signature>/s.exec(text)?.[0];
    const verifier = new SignedXml({ publicCert: this.signer });
    if (signature) verifier.loadSignature(signature);
    if (!signature || !verifier.checkSignature(text)) throw new Error(`not signed by Bastion: ${text}`);
    const body = verifier.getSignedReferences().find(each => each.startsWith('<soap:Body '));
    if (!body) throw new Error('the Body of the answer is not signed');
    return `<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope">${body}</soap:Envelope>`;
  }
}

/**
 * The client of one area. PEM texts: `ca` of the server, `cert` and `key` of yours, `signer` of Bastion.
 *
 * @returns a client with a method such as SendSecureEmailAsync for each operation
 */
export async function connect(origin, area, { apiKey, ca, cert, key, signer }) {
  const client = await createClientAsync(`${origin}/soap/v3/${area}?wsdl`, {
    httpClient: new Channel(new Agent({ ca, cert, key }), signer),
    forceSoap12Headers: true,
  });
  client.addHttpHeader('Authorization', `Bearer ${apiKey}`);
  // Without these settings node-soap signs with SHA-1, by an Id and a transform that are none of WS-Security's.
  client.setSecurity(
    new WSSecurityCert(key, cert, '', {
      hasTimeStamp: true,
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
      signatureTransformations: ['http://www.w3.org/2001/10/xml-exc-c14n#'],
      signerOptions: { idMode: 'wssecurity', prefix: 'ds' },
    }),
  );
  return client;
}

function include(message, { contentId, body }) {
  const place = `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:${contentId}"/>`;
  return message.replace(`>${body.toString('base64')}<`, `>${place}<`);
}

/** A file as MTOM: the signature covers its octets. What stands in the request, and the part. */
export function included(name, mimetype, body) {
  const element = { filename: name, contentType: mimetype, content: body.toString('base64') };
  return { element, part: { contentId: randomUUID(), name, mimetype, body } };
}

/** A file beside the message: the signature covers its SHA-256. What stands in the request, and the part. */
export function attached(name, mimetype, body) {
  const contentId = randomUUID();
  const sha256 = createHash('sha256').update(body).digest('hex');
  const element = { filename: name, contentType: mimetype, content: { attributes: { contentId, sha256 } } };
  return { element, part: { contentId, name, mimetype, body } };
}
