import { expect } from 'chai';
import { Refusal } from '../../src/core/errors.ts';
import { canonicalize } from '../../src/doors/soap/canonical.ts';
import { ns } from '../../src/doors/soap/namespaces.ts';
import { SignedBody } from '../../src/doors/soap/verify.ts';
import { cut, newScene, refusedCases, replace, type Scene, verifyTrusting } from '../kit/hostile-soap.ts';
import { mutated, seeded } from '../kit/random-xml.ts';
import {
  areaNamespace,
  operationXml,
  type Partner,
  signedEnvelope,
  timestampXml,
  unsignedEnvelope,
} from '../kit/soap-signing.ts';

/** What an attacker wants to have run in the partner's name. */
const evil = operationXml.replace('org_1', 'org_evil');
const evilBody = (attributes = ''): string => `<soap:Body ${attributes}>${evil}</soap:Body>`;

describe('signed messages that were taken apart and put together again', () => {
  let scene: Scene;
  let partner: Partner;
  let valid: string;
  let body: string;
  let timestamp: string;
  let signature: string;
  before(async () => {
    scene = await newScene();
    ({ partner, valid, body, timestamp, signature } = scene);
  });

  const refused = (code: string, cases: Record<string, () => string>): void => refusedCases(() => scene, code, cases);

  it('do not include the message that the attacks start from', async () => {
    expect((await verifyTrusting(partner, valid)).operation.local).to.equal('GetOrganization');
  });

  describe('wrapping: the signed Body is kept where the digest finds it, another is where it would be run', () => {
    // XSW 1 to 8 of the SAML literature, told for Envelope, Body and Signature instead of Response and Assertion.
    refused('signature_invalid', {
      'XSW1: the signed Body inside ds:Object of the Signature, a Body with the same Id in its place': () =>
        replace(
          valid,
          [body, evilBody('wsu:Id="Body-1"')],
          ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${body}</ds:Object>`],
        ),
      'XSW2: the signed Body before the Signature, in the Security header': () =>
        replace(valid, [body, evilBody('wsu:Id="Body-2"')], [signature, body + signature]),
      'XSW3: the signed Body as a header block before Security': () =>
        replace(valid, [body, evilBody('wsu:Id="Body-2"')], ['<wsse:Security', `${body}<wsse:Security`]),
      'XSW4: the signed Body inside the forged one': () =>
        replace(valid, [
          body,
          `<soap:Body wsu:Id="Body-2">${operationXml.replace('<m:orgId>', `${body}<m:orgId>`)}</soap:Body>`,
        ]),
      'XSW5: the Signature moved into the forged Body': () =>
        replace(valid, [signature, ''], [body, `<soap:Body wsu:Id="Body-2"><x>${signature}${body}</x></soap:Body>`]),
      'XSW6: the signed Body inside the Signature inside the forged Body': () =>
        replace(
          valid,
          [signature, ''],
          [
            body,
            `<soap:Body wsu:Id="Body-2">${signature.replace('</ds:Signature>', `<ds:Object>${body}</ds:Object></ds:Signature>`)}</soap:Body>`,
          ],
        ),
      'XSW7: the signed Body in an extension header with the same Id': () =>
        replace(
          valid,
          [body, evilBody('wsu:Id="Body-1"')],
          ['<wsse:Security', `<x:Extensions xmlns:x="urn:x">${body}</x:Extensions><wsse:Security`],
        ),
      'XSW8: the signed Body in ds:Object, the forged one with another Id and none signed': () =>
        replace(valid, [body, evilBody()], ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${body}</ds:Object>`]),
      'the signed Body in a Wrapper header with another role': () =>
        replace(
          valid,
          [body, evilBody('wsu:Id="Body-2"')],
          [
            '<wsse:Security',
            `<x:Wrapper xmlns:x="urn:x" soap:role="${ns.soap}/role/none" soap:mustUnderstand="0">${body}</x:Wrapper><wsse:Security`,
          ],
        ),
      'the signed Body renamed into another element that keeps its Id': () =>
        replace(
          valid,
          [body, evilBody()],
          ['<wsse:Security', `<x:Body xmlns:x="urn:x" wsu:Id="Body-1">${operationXml}</x:Body><wsse:Security`],
        ),
      'the signed operation as a header block, referenced without its Body': () =>
        signedEnvelope(partner, {
          headers: `<m:Operation xmlns:m="${areaNamespace}" wsu:Id="Op-1">${operationXml}</m:Operation>`,
          references: [{ uri: '#Op-1' }, { uri: '#TS-1' }],
          body: evil,
        }),
      'the operation signed inside a Body that is not': () =>
        signedEnvelope(partner, {
          body: operationXml.replace('<m:GetOrganization', '<m:GetOrganization wsu:Id="Op-1"'),
          references: [{ uri: '#Op-1' }, { uri: '#TS-1' }],
        }),
      'the signed Timestamp in a wrapper, a fresh one in its place': () =>
        replace(
          valid,
          [timestamp, timestampXml({}).replace('TS-1', 'TS-2')],
          ['<wsse:Security', `<x:W xmlns:x="urn:x">${timestamp}</x:W><wsse:Security`],
        ),
      'two Timestamps, the signed one second': () =>
        replace(valid, [timestamp, timestampXml({}).replace('TS-1', 'TS-2') + timestamp]),
      'the signed Timestamp in a second Security header': () =>
        replace(
          valid,
          [timestamp, ''],
          ['<wsse:Security', `<wsse:Security>${timestamp}</wsse:Security><wsse:Security`],
        ),
      'the Security header inside another header block': () => {
        const security = cut(valid, 'wsse:Security');
        return replace(valid, [security, `<x:W xmlns:x="urn:x">${security}</x:W>`]);
      },
      'the whole signed Envelope inside the Body of another': () =>
        `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Body>${valid}</soap:Body></soap:Envelope>`,
    });

    refused('malformed', {
      'two Bodies, the forged one first': () => replace(valid, [body, evilBody('wsu:Id="Body-2"') + body]),
      'two Bodies, the forged one last': () => replace(valid, [body, body + evilBody('wsu:Id="Body-2"')]),
      'the signed Body as a brother of Envelope children after the forged one': () =>
        replace(valid, [body, `${evilBody()}<x:W xmlns:x="urn:x">${body}</x:W>`]),
      'the Header after the Body': () => {
        const header = cut(valid, 'soap:Header');
        return replace(valid, [header, ''], [body, body + header]);
      },
      'two operations in the signed Body': () => signedEnvelope(partner, { body: operationXml + evil }),
      'an empty Body': () => signedEnvelope(partner, { body: '' }),
      'text beside the operation': () => signedEnvelope(partner, { body: `x${operationXml}` }),
      'an envelope that is none': () => '<x/>',
    });
  });

  describe('identifiers that lead to two things', () => {
    const idCases: Record<string, string> = {
      'wsu:Id': 'wsu:Id="Body-1"',
      Id: 'Id="Body-1"',
      ID: 'ID="Body-1"',
      id: 'id="Body-1"',
      'xml:id': 'xml:id="Body-1"',
      'Id in a foreign namespace': 'x:Id="Body-1" xmlns:x="urn:x"',
    };
    refused(
      'signature_invalid',
      Object.fromEntries(
        Object.entries(idCases).map(([name, attribute]) => [
          `the Body's Id repeated as ${name}`,
          () => replace(valid, ['<wsse:Security', `<h xmlns="urn:h" ${attribute}/><wsse:Security`]),
        ]),
      ),
    );
    refused('signature_invalid', {
      'a Body with two identifiers of the same value': () =>
        signedEnvelope(partner, { bodyAttributes: 'wsu:Id="Body-1" Id="Body-1"' }),
      'a Body identified by Id without wsu': () => signedEnvelope(partner, { bodyAttributes: 'Id="Body-1"' }),
      'a Body identified by xml:id': () => signedEnvelope(partner, { bodyAttributes: 'xml:id="Body-1"' }),
    });
  });

  describe('signatures that leave something out', () => {
    refused('signature_invalid', {
      'no Header at all': () => `<soap:Envelope xmlns:soap="${ns.soap}">${evilBody()}</soap:Envelope>`,
      'no Security header': () => replace(valid, [cut(valid, 'wsse:Security'), '']),
      'no Signature': () => replace(valid, [signature, '']),
      'an unsigned message': () => unsignedEnvelope(partner),
      'a Security header of another namespace': () => valid.replaceAll(ns.wsse, 'urn:wsse'),
      'a Security header for another role': () =>
        signedEnvelope(partner, { securityAttributes: 'soap:role="urn:someone"' }),
      'a Security header for the next node only': () =>
        signedEnvelope(partner, { securityAttributes: `soap:role="${ns.soap}/role/next"` }),
      'the Body not signed': () => signedEnvelope(partner, { references: [{ uri: '#TS-1' }] }),
      'the Timestamp not signed': () => signedEnvelope(partner, { references: [{ uri: '#Body-1' }] }),
      'no Timestamp': () => signedEnvelope(partner, { timestamp: '', references: [{ uri: '#Body-1' }] }),
      'no references': () => signedEnvelope(partner, { references: [] }),
      'two Signatures': () => replace(valid, [signature, signature + signature]),
      'a second Security header': () =>
        replace(valid, ['<wsse:Security', '<wsse:Security soap:role="urn:someone"></wsse:Security><wsse:Security']),
      'a Signature inside the Signature': () => replace(valid, ['</ds:KeyInfo>', `</ds:KeyInfo>${signature}`]),
      'two SignedInfo': () => {
        const info = cut(valid, 'ds:SignedInfo');
        return replace(valid, [info, info + info]);
      },
      'SignedInfo one level deeper': () => {
        const info = cut(valid, 'ds:SignedInfo');
        return replace(valid, [info, `<ds:W>${info}</ds:W>`]);
      },
      'no SignedInfo': () => replace(valid, [cut(valid, 'ds:SignedInfo'), '']),
      'no SignatureValue': () => replace(valid, [cut(valid, 'ds:SignatureValue'), '']),
      'an empty SignatureValue': () => valid.replace(/(<ds:SignatureValue>)[^<]*/, '$1'),
      'no KeyInfo': () => replace(valid, [cut(valid, 'ds:KeyInfo'), '']),
      'a UsernameToken beside the signature': () =>
        replace(valid, [
          signature,
          `<wsse:UsernameToken><wsse:Username>x</wsse:Username></wsse:UsernameToken>${signature}`,
        ]),
    });
  });

  it('survive no edit: of 4,000 damaged messages each is refused or says what was signed', async () => {
    const random = seeded(11);
    const original = canonicalize((await verifyTrusting(partner, valid)).operation);
    let accepted = 0;
    for (let round = 0; round < 4_000; round++) {
      const damaged = mutated(valid, random);
      const outcome = await verifyTrusting(partner, damaged).catch((error: unknown) => error);
      if (outcome instanceof Refusal) continue;
      expect(outcome, `round ${round}\n${damaged}`).to.be.instanceOf(SignedBody);
      expect(canonicalize((outcome as SignedBody).operation), `round ${round}\n${damaged}`).to.equal(original);
      accepted++;
    }
    expect(accepted, 'edits to what is not signed, such as white space in tags').to.be.within(1, 2_000);
  });
});
