import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { pino } from 'pino';
import { type Content, OctetContent } from '../../../src/core/content.ts';
import { Refusal } from '../../../src/core/errors.ts';
import { createMetrics } from '../../../src/core/metrics.ts';
import type { Services } from '../../../src/core/services.ts';
import { decodeAnswer } from '../../../src/doors/soap/decode.ts';
import { soapDoor } from '../../../src/doors/soap/door.ts';
import { encodeRequest } from '../../../src/doors/soap/encode.ts';
import type { SoapGate } from '../../../src/doors/soap/exchange.ts';
import { buildModel, commonNamespace } from '../../../src/doors/soap/model.ts';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { parseXml } from '../../../src/doors/soap/parse.ts';
import type { Partner } from '../../../src/doors/soap/partner.ts';
import { isNamed, type XmlElement } from '../../../src/doors/soap/tree.ts';
import { type SignedBody, verifyEnvelope } from '../../../src/doors/soap/verify.ts';
import { BodyRoom } from '../../../src/gate/body-room.ts';
import { newPartner, type Partner as Signing, signedEnvelope } from '../../kit/soap-signing.ts';
import { sampleAreas } from './sample-areas.ts';

const area = buildModel(sampleAreas).areas[0]!;
const echo = area.operations.get('EchoEverything')!;

const input = {
  org_id: 'org_00000000000000000000000000',
  title: 'x',
  state: 'active',
  urgent: false,
  size: 3,
  due_at: '2026-01-01T00:00:00Z',
  labels: ['a'],
  address: { street: 'a', zip_code: null },
};

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** What the test's gate and operations do, to be changed by a test. */
interface Scene {
  admit(): void;
  run(input: unknown): Promise<{ kind: 'done'; output: unknown } | { kind: 'held'; authorizationRequestId: string }>;
  policy: Partner['policy'];
  ran: unknown[];
  steps: string[];
}

describe('the SOAP door', () => {
  let partner: Signing;
  let stranger: Signing;
  let bastion: Signing;
  let server: Server;
  let port: number;
  let scene: Scene;
  const spent = new Set<string>();

  interface Identity {
    apiKey: string;
    orgId: string | undefined;
  }

  const gate: SoapGate<Identity> = {
    admit: () => scene.admit(),
    admitCertificate: async () => {
      scene.steps.push('certificate');
    },
    identify: async (_, { apiKey, orgId }) => {
      scene.steps.push(`identify ${apiKey} ${orgId ?? '-'}`);
      if (apiKey !== 'key-of-partner') throw new Refusal('key_invalid');
      return { apiKey, orgId };
    },
    actsForAnother: ({ orgId }) => orgId !== undefined,
    resolveSigner: async (_, reference) =>
      reference.kind === 'certificate' && reference.certificate.fingerprint256 === partner.certificate.fingerprint256
        ? { ...partner, policy: scene.policy }
        : undefined,
    spend: async (_, body) => {
      if (spent.has(body.replayKey)) throw new Refusal('replayed');
      spent.add(body.replayKey);
    },
    refused: () => {},
    room: () => new BodyRoom(Number.POSITIVE_INFINITY).open('partner'),
    disk: () => new BodyRoom(Number.POSITIVE_INFINITY).open('partner'),
    count: async () => ({ headers: { 'X-RateLimit-Limit': '600' }, retryAfter: undefined }),
    caller: () => ({}) as never,
  };

  before(async () => {
    [partner, stranger, bastion] = await Promise.all([newPartner(), newPartner(), newPartner()]);
    const services = {
      clock: { now: () => new Date() },
      settings: { soapUrl: 'https://soap.example', maxMailBytes: 25_000_000 },
      log: pino({ level: 'silent' }),
      metrics: createMetrics(),
      identity: { privateKey: bastion.privateKey, certificatePem: bastion.certificate.toString() },
    } as unknown as Services;
    const run = async (_op: unknown, _caller: unknown, read: () => unknown) => {
      const value = read();
      scene.ran.push(value);
      return scene.run(value);
    };
    const app = soapDoor({ gate, run, areas: sampleAreas, services });
    server = createServer(app).on('checkContinue', app);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  beforeEach(() => {
    scene = { admit: () => {}, run: async value => ({ kind: 'done', output: value }), policy: {}, ran: [], steps: [] };
  });

  function call(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, headers }, response => {
        const chunks: Buffer[] = [];
        response.on('data', chunk => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode!, headers: response.headers, text });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  const authorization = 'Bearer key-of-partner';
  const soapType = 'application/soap+xml; charset=utf-8';
  const post = (body: string, headers: Record<string, string> = {}) =>
    call('POST', area.path, { Authorization: authorization, 'Content-Type': soapType, ...headers }, body);
  const message = (value: object = input, options: object = {}) =>
    signedEnvelope(partner, { body: encodeRequest(echo, value), created: new Date(), ...options });

  /** The answer's Body, after its signature has been verified as a partner would. */
  const verified = (answer: Answer): Promise<SignedBody> =>
    verifyEnvelope(
      { octets: Buffer.from(answer.text), charset: 'utf-8' },
      { receivedAt: new Date(), contextNamespace: commonNamespace, resolve: async () => bastion },
    );

  async function signedFault(answer: Answer) {
    const { operation } = await verified(answer);
    expect(isNamed(operation, ns.soap, 'Fault')).to.equal(true);
    return readFault(operation);
  }

  function readFault(fault: XmlElement) {
    const text = (element: XmlElement, ...path: string[]): string => {
      const [local, ...rest] = path;
      if (local === undefined) return element.children.join('');
      const child = element.children.find(each => typeof each !== 'string' && each.local === local) as XmlElement;
      return text(child, ...rest);
    };
    const detail = fault.children[2] as XmlElement;
    const bastionFault = detail.children[0] as XmlElement;
    expect(bastionFault.namespace).to.equal(commonNamespace);
    return {
      code: text(fault, 'Code', 'Value'),
      subcode: text(fault, 'Code', 'Subcode', 'Value'),
      detail: {
        error: text(bastionFault, 'error'),
        errors: all(bastionFault, 'errors').map(textDeep),
        authorizationRequestId: all(bastionFault, 'authorizationRequestId').map(textDeep)[0],
      },
    };
  }

  const all = (element: XmlElement, local: string): XmlElement[] =>
    element.children.filter(each => typeof each !== 'string').filter(each => each.local === local);
  const textDeep = (element: XmlElement): string =>
    element.children.map(child => (typeof child === 'string' ? child : textDeep(child))).join(' ');

  const failedCheck = (answer: Answer) => {
    expect(answer.status).to.equal(400);
    expect(answer.text).to.include('<soap:Value>wsse:FailedCheck</soap:Value>').and.not.include('Signature');
    expect(scene.ran).to.deep.equal([]);
    return answer.text;
  };

  it('runs the operation that the signed Body names and answers signed [BAS-023]', async () => {
    const answer = await post(message(), { SOAPAction: `"${area.namespace}/TouchNothing"` });
    expect(answer.status).to.equal(200);
    expect(answer.headers['content-type']).to.equal(soapType);
    expect(answer.headers).to.include({ 'x-ratelimit-limit': '600', 'cache-control': 'no-store' });
    expect(answer.headers['bastion-request-id']).to.match(/^req_/);
    const { operation } = await verified(answer);
    expect(decodeAnswer(echo, operation)).to.deep.equal(input);
    expect(scene.ran).to.deep.equal([input]);
  });

  it('relates the answer to the MessageID that was sent', async () => {
    const headers = `<wsa:MessageID xmlns:wsa="${ns.wsa}">urn:uuid:1</wsa:MessageID>`;
    const answer = await post(message(input, { headers }));
    const { signedHeaders } = await verified(answer);
    expect([...signedHeaders]).to.include(`{${ns.wsa}}RelatesTo`);
    expect(answer.text).to.include('>urn:uuid:1</wsa:RelatesTo>');
  });

  it('confirms the signature of the request where the partner asked for that', async () => {
    const sent = message();
    const value = /<ds:SignatureValue>(.*)<\/ds:SignatureValue>/.exec(sent)![1];
    scene.policy = { signature_confirmation: true };
    const answer = await post(sent);
    expect(answer.text).to.include(`Value="${value}"`).and.include('URI="#confirmation"');
  });

  it('gives faults as 500 to partners whose stack parses no other', async () => {
    scene.policy = { faults_as_500: true };
    const answer = await post(messageWith('<size>3', '<size>many'));
    expect(answer.status).to.equal(500);
    expect((await signedFault(answer)).code).to.equal('soap:Sender');
  });

  it('refuses wsa:Action and wsa:To that name something else', async () => {
    for (const [local, value] of [
      ['Action', `${area.namespace}/TouchNothing`],
      ['To', 'https://elsewhere.example'],
    ]) {
      const headers = `<wsa:${local} xmlns:wsa="${ns.wsa}">${value}</wsa:${local}>`;
      expect((await signedFault(await post(message(input, { headers })))).subcode).to.equal('c:malformed');
    }
    expect(scene.ran).to.deep.equal([]);
  });

  it('answers a message that it has had before with a fault of its own', async () => {
    const same = message();
    expect((await post(same)).status).to.equal(200);
    const again = await post(same);
    expect(again.status).to.equal(400);
    expect((await signedFault(again)).subcode).to.equal('c:replayed');
    expect(scene.ran).to.have.length(1);
  });

  it('gives every stranger the same fault, whatever control stood in the way', async () => {
    const answers = [
      await post(message(), { Authorization: 'Bearer key-of-nobody' }),
      await post(signedEnvelope(stranger, { body: encodeRequest(echo, input) })),
      await post(message().replace('<title>x', '<title>y')),
      await post(message(input, { created: new Date(Date.now() - 400_000) })),
    ];
    scene.admit = () => {
      throw new Refusal('address_not_allowed');
    };
    answers.push(await post(message()));
    expect(new Set(answers.map(failedCheck)).size).to.equal(1);
  });

  it('looks at the address before it reads anything', async () => {
    scene.admit = () => {
      throw new Refusal('address_not_allowed');
    };
    failedCheck(await post('x'.repeat(1000), { 'Content-Type': 'text/plain', Authorization: 'junk' }));
    expect(scene.steps).to.deep.equal([]);
  });

  it('says unsigned what is wrong with a message that is none', async () => {
    const unsigned = async (body: string, headers: Record<string, string> = {}) => {
      const answer = await post(body, headers);
      const fault = parseXml(answer.text).children.at(-1) as XmlElement;
      return [answer.status, readFault(fault.children[0] as XmlElement).subcode];
    };
    expect(await unsigned('not xml')).to.deep.equal([400, 'c:malformed']);
    expect(await unsigned('<a/>', { 'Content-Type': 'application/json' })).to.deep.equal([
      400,
      'c:unsupported_media_type',
    ]);
    expect(await unsigned('<a/>', { 'Content-Encoding': 'gzip' })).to.deep.equal([400, 'c:unsupported_media_type']);
    const soap11 = `<s:Envelope xmlns:s="${ns.soap11}"><s:Body/></s:Envelope>`;
    expect(await unsigned(soap11, { 'Content-Type': 'text/xml' })).to.deep.equal([500, 'c:version_mismatch']);
  });

  it('declares the prefix of an unsigned Subcode on Fault, above which CXF does not look', async () => {
    expect((await post('not xml')).text).to.include(`<soap:Fault xmlns:c="${commonNamespace}">`);
    const stranger = await post(message(), { Authorization: 'Bearer key-of-nobody' });
    expect(stranger.text).to.include(`<soap:Fault xmlns:wsse="${ns.wsse}">`);
  });

  it('answers a sender who is still writing before it closes', async () => {
    const answer = await post(' '.repeat(8 * 1024 * 1024));
    expect(answer.status).to.equal(400);
    expect(answer.headers.connection).to.equal('close');
    expect(answer.text).to.include('<soap:Value>c:too_large</soap:Value>');
  });

  it('lets a sender finish who reads nothing until everything is written', async () => {
    const octets = Buffer.alloc(30 * 1024 * 1024, ' ');
    const head = `POST ${area.path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: ${soapType}`;
    const socket = connect(port, '127.0.0.1').pause();
    let text = '';
    const ended = new Promise<void>((resolve, reject) => socket.on('end', resolve).on('error', reject));
    socket.on('data', chunk => {
      text += chunk;
    });
    socket.pause();
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject).write(`${head}\r\nContent-Length: ${octets.length}\r\n\r\n`);
      socket.write(octets, () => resolve());
    });
    socket.resume();
    await ended;
    expect(text).to.include('<soap:Value>c:too_large</soap:Value>');
  });

  it('asks for the body only when the headers have passed', async () => {
    const continued: boolean[] = [];
    for (const refused of [false, true]) {
      scene.admit = () => {
        if (refused) throw new Refusal('address_not_allowed');
      };
      const headers = { Authorization: authorization, 'Content-Type': soapType, Expect: '100-continue' };
      await new Promise<void>((resolve, reject) => {
        let asked = false;
        const sent = request({ host: '127.0.0.1', port, method: 'POST', path: area.path, headers }, response => {
          continued.push(asked);
          response.resume().on('end', resolve);
          if (refused) sent.destroy();
        });
        sent.on('continue', () => {
          asked = true;
          sent.end(message());
        });
        sent.on('error', error => (refused ? resolve() : reject(error)));
        sent.flushHeaders();
      });
    }
    expect(continued).to.deep.equal([true, false]);
  });

  it('names broken fields by element, whether the reader or the operation found them', async () => {
    const misread = await signedFault(await post(messageWith('<size>3', '<size>many')));
    expect(misread).to.deep.include({ code: 'soap:Sender', subcode: 'c:validation_failed' });
    expect(misread.detail.errors?.[0]).to.include('size invalid_type');
    scene.run = async () => {
      const errors = [{ field: 'recipients.0.email', code: 'x', message: 'm' }];
      throw new Refusal('validation_failed', undefined, {
        errors: [...errors, { field: 'due_at', code: 'y', message: 'n' }],
      });
    };
    const refused = await signedFault(await post(message()));
    expect(refused.detail.error).to.equal('validation_failed');
    expect(refused.detail.errors).to.deep.equal(['recipients.0.email x m', 'dueAt y n']);
  });

  /** A message whose Body was changed before it was signed. */
  function messageWith(from: string, to: string): string {
    return signedEnvelope(partner, { body: encodeRequest(echo, input).replace(from, to), created: new Date() });
  }

  it('answers a request that waits for approval with a signed fault that names it', async () => {
    scene.run = async () => ({ kind: 'held', authorizationRequestId: 'areq_1' });
    const answer = await post(message());
    expect(answer.status).to.equal(500);
    const fault = await signedFault(answer);
    expect(fault).to.deep.include({ code: 'soap:Receiver', subcode: 'c:approval_pending' });
    expect(fault.detail.authorizationRequestId).to.equal('areq_1');
  });

  it('says nothing of what went wrong inside', async () => {
    scene.run = async () => {
      throw new Error('the password is hunter2');
    };
    const answer = await post(message());
    expect(answer.status).to.equal(500);
    expect((await signedFault(answer)).subcode).to.equal('c:internal');
    expect(answer.text).not.to.include('hunter2');
  });

  it('refuses an operation of another area, signed', async () => {
    const body = `<MoveHouse xmlns="http://bastioncommunications.com/soap/v3/house-moves"><request/></MoveHouse>`;
    expect((await signedFault(await post(message(input, { body })))).subcode).to.equal('c:malformed');
  });

  describe('with a Context header', () => {
    const withContext = (content: string, signed = true) => {
      const headers = `<c:Context xmlns:c="${commonNamespace}" wsu:Id="ctx">${content}</c:Context>`;
      return message(input, { headers, also: signed ? [{ uri: '#ctx' }] : [] });
    };
    const withoutKey = (body: string) => call('POST', area.path, { 'Content-Type': soapType }, body);

    it('takes the key and the organisation from it when it is signed', async () => {
      const answer = await withoutKey(withContext('<c:apiKey>key-of-partner</c:apiKey><c:orgId>org_b</c:orgId>'));
      expect(answer.status).to.equal(200);
      expect(scene.steps).to.deep.equal(['certificate', 'identify key-of-partner org_b']);
    });

    it('refuses it unsigned, and when it contradicts the HTTP headers', async () => {
      failedCheck(await withoutKey(withContext('<c:apiKey>key-of-partner</c:apiKey>', false)));
      failedCheck(await post(withContext('<c:apiKey>key-of-another</c:apiKey>')));
      failedCheck(await withoutKey(message()));
    });

    it('is what lets a message act on another organisation', async () => {
      failedCheck(await post(message(), { 'Bastion-Org-Id': 'org_b' }));
      const both = await post(withContext('<c:orgId>org_b</c:orgId>'), { 'Bastion-Org-Id': 'org_b' });
      expect(both.status).to.equal(200);
    });
  });

  describe('with attachments', () => {
    const octets = Buffer.from([0, 1, 2, 13, 10, 255]);
    const sha256 = createHash('sha256').update(octets).digest('hex');
    const reference = `<content contentId="file@partner" sha256="${sha256}"/>`;
    const related = (envelope: string, parts: [string, Buffer][]) => {
      const part = (type: string, id: string, content: string) =>
        `--b\r\nContent-Type: ${type}\r\nContent-ID: <${id}>\r\nContent-Transfer-Encoding: base64\r\n\r\n${content}\r\n`;
      const root = `--b\r\nContent-Type: application/soap+xml\r\nContent-ID: <root>\r\n\r\n${envelope}\r\n`;
      const rest = parts.map(([id, content]) => part('application/pdf', id, content.toString('base64')));
      return post(`${root}${rest.join('')}--b--\r\n`, {
        'Content-Type': 'multipart/related; boundary=b; start="<root>"',
      });
    };
    const naming = (content: string) => messageWith('</request>', `${content}</request>`);

    it('takes a part that the signed Body names with its hash, and answers with parts', async () => {
      scene.run = async value => {
        const { content } = value as { content: Content };
        return { kind: 'done', output: { ...input, content: new OctetContent(await buffer(content.open())) } };
      };
      const answer = await related(naming(reference), [['file@partner', octets]]);
      expect(answer.status, answer.text).to.equal(200);
      expect(scene.ran[0]).to.have.nested.property('content.sha256', sha256);
      expect(answer.headers['content-type']).to.match(/^multipart\/related; type="application\/soap\+xml"/);
      expect(answer.text).to.include(`sha256="${sha256}"`);
    });

    const wrong: [string, string, [string, Buffer][], string][] = [
      ['exchanged', reference, [['file@partner', Buffer.from('other')]], 'c:signature_invalid'],
      ['missing', reference, [], 'c:malformed'],
      ['not named', '', [['file@partner', octets]], 'c:malformed'],
      ['bound by nothing', '<content contentId="file@partner"/>', [['file@partner', octets]], 'c:signature_invalid'],
    ];
    for (const [what, content, parts, subcode] of wrong) {
      it(`refuses a part that is ${what}`, async () => {
        expect((await signedFault(await related(naming(content), parts))).subcode).to.equal(subcode);
        expect(scene.ran).to.deep.equal([]);
      });
    }
  });

  describe('describes itself', () => {
    it('at ?wsdl and in common.xsd beside it, with the configured address whatever Host says', async () => {
      const wsdl = await call('GET', `${area.path}?wsdl`, { Host: 'evil.example' });
      expect(wsdl.status).to.equal(200);
      expect(wsdl.headers['content-type']).to.equal('text/xml; charset=utf-8');
      expect(wsdl.text).to.include('location="https://soap.example/soap/v3/samples"').and.not.include('evil');
      const beside = new URL('common.xsd', `http://x${area.path}?wsdl`).pathname;
      expect((await call('GET', beside)).text).to.include('name="BastionFault"');
      expect((await call('GET', `${area.path}?WSDL`)).text).to.equal(wsdl.text);
      expect(scene.steps).to.deep.equal(['certificate', 'certificate', 'certificate']);
    });

    it('and nothing else', async () => {
      expect((await call('GET', area.path)).status).to.equal(404);
      expect((await call('GET', '/soap/v3/none?wsdl')).status).to.equal(404);
      expect((await call('GET', '/soap/v3/../../package.json')).status).to.equal(404);
      const put = await call('PUT', `${area.path}?wsdl`);
      expect(put.status).to.equal(405);
      expect(put.headers.allow).to.equal('GET, POST');
    });

    it('to allowed addresses only', async () => {
      scene.admit = () => {
        throw new Refusal('address_not_allowed');
      };
      expect((await call('GET', `${area.path}?wsdl`)).status).to.equal(403);
    });
  });
});
