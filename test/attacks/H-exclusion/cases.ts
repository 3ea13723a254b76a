import { ns } from '../../../src/doors/soap/namespaces.ts';
import { cut, harmless, refused, replace } from '../../kit/hostile-soap.ts';

export const cases = [
  ...refused('signature_invalid', {
    'no Header at all': s => `<soap:Envelope xmlns:soap="${ns.soap}">${s.evilBody()}</soap:Envelope>`,
    'an empty Header': s => `<soap:Envelope xmlns:soap="${ns.soap}"><soap:Header/>${s.evilBody()}</soap:Envelope>`,
    'no Security header': s => replace(s.valid, [cut(s.valid, 'wsse:Security'), '']),
    'an empty Security header': s =>
      replace(s.valid, [cut(s.valid, 'wsse:Security'), '<wsse:Security soap:mustUnderstand="true"/>']),
    'no Signature': s => replace(s.valid, [s.signature, '']),
    'an unsigned message': s => s.unsigned(),
    'an unsigned message for which mustUnderstand is 0': s =>
      replace(s.unsigned(), ['soap:mustUnderstand="true"', 'soap:mustUnderstand="0"']),
    'a Security header of another namespace': s => s.valid.replaceAll(ns.wsse, 'urn:wsse'),
    'a Security header of the draft of WS-Security': s =>
      s.valid.replaceAll(ns.wsse, 'http://schemas.xmlsoap.org/ws/2002/12/secext'),
    'a Signature of another namespace': s => s.valid.replaceAll(ns.ds, 'urn:ds'),
    'a Signature of XML Signature 2.0': s => s.valid.replaceAll(`${ns.ds}"`, 'http://www.w3.org/2010/xmldsig2#"'),
    'a Security header for another role': s => s.sign({ securityAttributes: 'soap:role="urn:someone"' }),
    'a Security header for the next node only': s => s.sign({ securityAttributes: `soap:role="${ns.soap}/role/next"` }),
    'a Security header for nobody': s => s.sign({ securityAttributes: `soap:role="${ns.soap}/role/none"` }),
    'a second Security header for another role': s =>
      replace(s.valid, ['<wsse:Security', '<wsse:Security soap:role="urn:someone"></wsse:Security><wsse:Security']),
    'a second Security header for us': s =>
      replace(s.valid, ['<wsse:Security', '<wsse:Security></wsse:Security><wsse:Security']),
    'a second Security header, which is signed by a stranger': s =>
      replace(s.valid, ['<wsse:Security', `${cut(s.sign({}, s.stranger), 'wsse:Security')}<wsse:Security`]),
    'the Body not signed': s => s.sign({ references: [{ uri: '#TS-1' }] }),
    'the Timestamp not signed': s => s.sign({ references: [{ uri: '#Body-1' }] }),
    'neither signed, but the token': s => s.sign({ references: [{ uri: '#X509-1' }] }),
    'no Timestamp': s => s.sign({ timestamp: '', references: [{ uri: '#Body-1' }] }),
    'a UsernameToken instead of the signature': s =>
      replace(s.valid, [s.signature, '<wsse:UsernameToken><wsse:Username>x</wsse:Username></wsse:UsernameToken>']),
    'a UsernameToken beside the signature': s =>
      replace(s.valid, [
        s.signature,
        `<wsse:UsernameToken><wsse:Username>x</wsse:Username></wsse:UsernameToken>${s.signature}`,
      ]),
    'an EncryptedKey beside the signature': s =>
      replace(s.valid, [
        s.signature,
        `<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"/>${s.signature}`,
      ]),
    'a derived key beside the signature': s =>
      replace(s.valid, [
        s.signature,
        `<c:DerivedKeyToken xmlns:c="http://docs.oasis-open.org/ws-sx/ws-secureconversation/200512"/>${s.signature}`,
      ]),
    'a SignatureConfirmation, which belongs to answers': s =>
      replace(s.valid, [s.signature, `<w:SignatureConfirmation xmlns:w="${ns.wsse11}"/>${s.signature}`]),
    'text in the Security header': s => replace(s.valid, [s.signature, `x${s.signature}`]),
  }),
  ...refused('version_mismatch', {
    'SOAP 1.1': s => s.valid.replaceAll(ns.soap, ns.soap11),
    'an Envelope of no SOAP at all': () => '<Envelope xmlns="urn:evil"><Body/></Envelope>',
    'an Envelope without namespace': () => '<Envelope><Body/></Envelope>',
  }),
  ...refused('malformed', {
    'a SOAP 1.1 Body in a SOAP 1.2 Envelope': s =>
      replace(s.valid, [s.body, `<s:Body xmlns:s="${ns.soap11}" wsu:Id="Body-1">${s.operation}</s:Body>`]),
    'a Body of no namespace': s => replace(s.valid, [s.body, `<Body wsu:Id="Body-1">${s.operation}</Body>`]),
    'the Security header outside the Header': s => {
      const security = cut(s.valid, 'wsse:Security');
      return replace(s.valid, [security, ''], ['<soap:Body', `${security}<soap:Body`]);
    },
    'the Header left out and its blocks after the Body': s => {
      const header = cut(s.valid, 'soap:Header');
      return replace(s.valid, [header, ''], ['</soap:Body>', `</soap:Body>${cut(header, 'wsse:Security')}`]);
    },
    'a document that is no envelope': () => '<x/>',
  }),
  ...harmless({ 'mustUnderstand left out': s => replace(s.valid, ['soap:mustUnderstand="true"', '']) }),
];
