import { ns } from '../../../src/doors/soap/namespaces.ts';
import { cut, refused, replace } from '../../kit/hostile-soap.ts';
import { areaNamespace, timestampXml } from '../../kit/soap-signing.ts';

/** The signed content is kept where the digest finds it, other content is where it would be acted on. */
export const cases = [
  // XSW 1 to 8 of the SAML literature, told for Envelope, Body and Signature instead of Response and Assertion.
  ...refused('signature_invalid', {
    'XSW1: the signed Body inside ds:Object of the Signature, a Body with the same Id in its place': s =>
      replace(
        s.valid,
        [s.body, s.evilBody('wsu:Id="Body-1"')],
        ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${s.body}</ds:Object>`],
      ),
    'XSW2: the signed Body before the Signature, in the Security header': s =>
      replace(s.valid, [s.body, s.evilBody('wsu:Id="Body-2"')], [s.signature, s.body + s.signature]),
    'XSW3: the signed Body as a header block before Security': s =>
      replace(s.valid, [s.body, s.evilBody('wsu:Id="Body-2"')], ['<wsse:Security', `${s.body}<wsse:Security`]),
    'XSW4: the signed Body inside the forged one': s =>
      replace(s.valid, [
        s.body,
        `<soap:Body wsu:Id="Body-2">${s.evil.replace('<m:orgId>', `${s.body}<m:orgId>`)}</soap:Body>`,
      ]),
    'XSW5: the Signature moved into the forged Body': s =>
      replace(
        s.valid,
        [s.signature, ''],
        [s.body, `<soap:Body wsu:Id="Body-2"><x>${s.signature}${s.body}</x></soap:Body>`],
      ),
    'XSW6: the signed Body inside the Signature inside the forged Body': s => {
      const nested = s.signature.replace('</ds:Signature>', `<ds:Object>${s.body}</ds:Object></ds:Signature>`);
      return replace(s.valid, [s.signature, ''], [s.body, `<soap:Body wsu:Id="Body-2">${nested}</soap:Body>`]);
    },
    'XSW7: the signed Body in an extension header with the same Id': s =>
      replace(
        s.valid,
        [s.body, s.evilBody('wsu:Id="Body-1"')],
        ['<wsse:Security', `<x:Extensions xmlns:x="urn:x">${s.body}</x:Extensions><wsse:Security`],
      ),
    'XSW8: the signed Body in ds:Object, the forged one without an Id': s =>
      replace(s.valid, [s.body, s.evilBody()], ['</ds:KeyInfo>', `</ds:KeyInfo><ds:Object>${s.body}</ds:Object>`]),
    'the signed Body in a Wrapper header for role none': s =>
      replace(
        s.valid,
        [s.body, s.evilBody('wsu:Id="Body-2"')],
        [
          '<wsse:Security',
          `<x:Wrapper xmlns:x="urn:x" soap:role="${ns.soap}/role/none" soap:mustUnderstand="0">${s.body}</x:Wrapper><wsse:Security`,
        ],
      ),
    'the signed Body renamed into another element that keeps its Id': s =>
      replace(
        s.valid,
        [s.body, s.evilBody()],
        ['<wsse:Security', `<x:Body xmlns:x="urn:x" wsu:Id="Body-1">${s.operation}</x:Body><wsse:Security`],
      ),
    'the signed operation as a header block, referenced without its Body': s =>
      s.sign({
        headers: `<m:Operation xmlns:m="${areaNamespace}" wsu:Id="Op-1">${s.operation}</m:Operation>`,
        references: [{ uri: '#Op-1' }, { uri: '#TS-1' }],
        body: s.evil,
      }),
    'the operation signed inside a Body that is not': s =>
      s.sign({
        body: s.operation.replace('<m:GetOrganization', '<m:GetOrganization wsu:Id="Op-1"'),
        references: [{ uri: '#Op-1' }, { uri: '#TS-1' }],
      }),
    'the signed value beside a forged one of the same name': s =>
      replace(s.valid, ['<m:orgId>', `<m:orgId>${s.stage.child.id}</m:orgId><m:orgId>`]),
    'the signed request beside a forged one': s => replace(s.valid, ['<m:request>', `${requestIn(s.evil)}<m:request>`]),
    'two Timestamps, the signed one second': s =>
      replace(s.valid, [s.timestamp, timestampXml({}).replace('TS-1', 'TS-2') + s.timestamp]),
    'the signed Timestamp in a second Security header': s =>
      replace(
        s.valid,
        [s.timestamp, ''],
        ['<wsse:Security', `<wsse:Security>${s.timestamp}</wsse:Security><wsse:Security`],
      ),
    'the Security header inside another header block': s => {
      const security = cut(s.valid, 'wsse:Security');
      return replace(s.valid, [security, `<x:W xmlns:x="urn:x">${security}</x:W>`]);
    },
    'the whole signed Envelope inside the Body of another': s =>
      `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Body>${s.valid}</soap:Body></soap:Envelope>`,
    'the whole signed Envelope as a header block of another': s =>
      `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Header>${s.valid}</soap:Header>${s.evilBody()}</soap:Envelope>`,
  }),

  ...refused('malformed', {
    'two Bodies, the forged one first': s => replace(s.valid, [s.body, s.evilBody('wsu:Id="Body-2"') + s.body]),
    'two Bodies, the forged one last': s => replace(s.valid, [s.body, s.body + s.evilBody('wsu:Id="Body-2"')]),
    'the signed Body beside the forged one, in a wrapper': s =>
      replace(s.valid, [s.body, `${s.evilBody()}<x:W xmlns:x="urn:x">${s.body}</x:W>`]),
    'two Headers': s => {
      const header = cut(s.valid, 'soap:Header');
      return replace(s.valid, [header, `<soap:Header></soap:Header>${header}`]);
    },
    'the Header after the Body': s => {
      const header = cut(s.valid, 'soap:Header');
      return replace(s.valid, [header, ''], [s.body, s.body + header]);
    },
    'two operations in the signed Body': s => s.sign({ body: s.operation + s.evil }),
    'an empty Body': s => s.sign({ body: '' }),
    'text beside the operation': s => s.sign({ body: `x${s.operation}` }),
  }),
];

const requestIn = (operation: string): string => cut(operation, 'm:request');
