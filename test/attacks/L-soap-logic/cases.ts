import { commonNamespace } from '../../../src/doors/soap/model.ts';
import { ns } from '../../../src/doors/soap/namespaces.ts';
import { harmless, refused, type Scene, type Sending } from '../../kit/hostile-soap.ts';
import { areaNamespace } from '../../kit/soap-signing.ts';

const addressing = (local: string, content: string, attributes = ''): string =>
  `<wsa:${local} xmlns:wsa="${ns.wsa}" ${attributes}>${content}</wsa:${local}>`;
const address = (uri: string): string => `<wsa:Address>${uri}</wsa:Address>`;
const key = (secret: string): string => `<c:apiKey>${secret}</c:apiKey>`;
const context = (content: string, attributes = 'wsu:Id="C"'): string =>
  `<c:Context xmlns:c="${commonNamespace}" ${attributes}>${content}</c:Context>`;
const keyOf = (s: Scene): string => s.stage.kit.tenant.apiKey;
const keyless = { Authorization: undefined };
const signedContext = (s: Scene, content: string): string =>
  s.sign({ headers: context(content), also: [{ uri: '#C' }] });

export const cases = [
  ...refused('malformed', {
    'a ReplyTo that would send the answer elsewhere': s =>
      s.sign({ headers: addressing('ReplyTo', address('http://127.0.0.1:9/')) }),
    'a FaultTo that would send the fault elsewhere': s =>
      s.sign({ headers: addressing('FaultTo', address('http://169.254.169.254/latest/meta-data/')) }),
    'a ReplyTo to a file': s => s.sign({ headers: addressing('ReplyTo', address('file:///dev/null')) }),
    'a ReplyTo to nobody': s => s.sign({ headers: addressing('ReplyTo', address(`${ns.wsa}/none`)) }),
    'a ReplyTo without address': s => s.sign({ headers: addressing('ReplyTo', '') }),
    'a ReplyTo with two addresses, the anonymous one second': s =>
      s.sign({ headers: addressing('ReplyTo', address('http://127.0.0.1:9/') + address(`${ns.wsa}/anonymous`)) }),
    'two ReplyTo': s => s.sign({ headers: addressing('ReplyTo', address(`${ns.wsa}/anonymous`)).repeat(2) }),
    'two Actions': s => s.sign({ headers: addressing('Action', 'urn:a') + addressing('Action', 'urn:b') }),
    'two MessageIDs': s => s.sign({ headers: addressing('MessageID', 'urn:a') + addressing('MessageID', 'urn:b') }),
    'an Action of another operation (action spoofing)': s =>
      s.sign({ headers: addressing('Action', `${areaNamespace}/SuspendOrganization`) }),
    'a signed Action of another operation': s =>
      s.sign({
        headers: addressing('Action', `${areaNamespace}/SuspendOrganization`, 'wsu:Id="A"'),
        also: [{ uri: '#A' }],
      }),
    'a To of another service': s =>
      s.sign({ headers: addressing('To', 'https://elsewhere.test/soap/v3/organizations') }),
    'a To of another area': s => s.sign({ headers: addressing('To', `${s.stage.kit.app.soap.url}/soap/v3/access`) }),
    'an Action with an element inside': s => s.sign({ headers: addressing('Action', '<x/>') }),
    'mustUnderstand that is no boolean': s => s.sign({ headers: '<x:h xmlns:x="urn:x" soap:mustUnderstand="yes"/>' }),
    'two Contexts': s =>
      s.sign({
        headers: context(key(keyOf(s))) + context(key(keyOf(s)), 'wsu:Id="D"'),
        also: [{ uri: '#C' }, { uri: '#D' }],
      }),
    'two keys in one Context': s => signedContext(s, key(keyOf(s)).repeat(2)),
    'a Context with something else inside': s => signedContext(s, `${key(keyOf(s))}<c:__proto__>x</c:__proto__>`),
    'a Context with text inside': s => signedContext(s, `x${key(keyOf(s))}`),
    'a Context with an empty key': s => signedContext(s, key('')),
    'an operation that there is not': s =>
      s.sign({ body: s.operation.replaceAll('GetOrganization', 'NoSuchOperation') }),
    'an operation whose name is a property of every object': s =>
      s.sign({ body: s.operation.replaceAll('GetOrganization', '__proto__') }),
    'an operation of another area': (s): Sending => ({ octets: s.valid, area: 'access' }),
    'an operation of another version': s => s.sign({ body: s.operation.replace('/v3/', '/v2/') }),
    'an operation of no namespace': s =>
      s.sign({ body: s.operation.replaceAll('m:', '').replace(/xmlns:m="[^"]*"/, '') }),
    'an answer sent back as a request': s =>
      s.sign({ body: s.operation.replaceAll('GetOrganization', 'GetOrganizationResponse') }),
    'two requests in the wrapper': s => s.sign({ body: s.operation.replace(/<m:request>.*<\/m:request>/, '$&$&') }),
    'an attribute on the wrapper': s =>
      s.sign({ body: s.operation.replace('<m:GetOrganization', '<m:GetOrganization a="b"') }),
    'a field twice': s => s.sign({ body: s.operation.replace(/<m:orgId>.*<\/m:orgId>/, '$&$&') }),
    'a field of another namespace': s =>
      s.sign({ body: s.operation.replace(/m:orgId/g, 'x:orgId').replace('<x:orgId', '<x:orgId xmlns:x="urn:x"') }),
    'an xsi:type of another type': s =>
      s.sign({ body: s.operation.replace('<m:orgId>', `<m:orgId xmlns:xsi="${ns.xsi}" xsi:type="m:Other">`) }),
    'an href to an element of the header (SOAP encoding)': s =>
      s.sign({
        headers: `<x:org xmlns:x="urn:x" Id="org">${s.stage.child.id}</x:org>`,
        body: s.operation.replace(/<m:orgId>.*<\/m:orgId>/, '<m:orgId href="#org"/>'),
      }),
  }),
  ...refused('must_understand', {
    'an unknown mandatory header': s => s.sign({ headers: '<x:h xmlns:x="urn:x" soap:mustUnderstand="true"/>' }),
    'an unknown mandatory header for the next node': s =>
      s.sign({ headers: `<x:h xmlns:x="urn:x" soap:role="${ns.soap}/role/next" soap:mustUnderstand="1"/>` }),
    'an unknown mandatory header for the ultimate receiver': s =>
      s.sign({
        headers: `<x:h xmlns:x="urn:x" soap:role="${ns.soap}/role/ultimateReceiver" soap:mustUnderstand="1"/>`,
      }),
    'a header of another version of WS-Addressing': s =>
      s.sign({
        headers: '<w:To xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" soap:mustUnderstand="1">x</w:To>',
      }),
    'a coordination context (WS-AT)': s =>
      s.sign({
        headers:
          '<c:CoordinationContext xmlns:c="http://docs.oasis-open.org/ws-tx/wscoor/2006/06" soap:mustUnderstand="1"/>',
      }),
    'a reliable-messaging sequence': s =>
      s.sign({
        headers: '<r:Sequence xmlns:r="http://docs.oasis-open.org/ws-rx/wsrm/200702" soap:mustUnderstand="1"/>',
      }),
  }),
  ...refused('signature_invalid', {
    'a Context that is not signed': s => s.sign({ headers: context(key(keyOf(s)), '') }),
    'a Context whose key was exchanged': s =>
      signedContext(s, key('sk_live_before')).replace('sk_live_before', keyOf(s)),
    'an organisation named by HTTP alone': (s): Sending => ({
      octets: s.valid,
      headers: { 'Bastion-Org-Id': s.stage.child.id },
    }),
    'an organisation named by a Context that is not signed': s =>
      s.sign({ headers: context(`<c:orgId>${s.stage.child.id}</c:orgId>`, '') }),
  }),
  ...refused('key_invalid', {
    'a key in the Context that is not the one in HTTP': s => signedContext(s, key('sk_live_another')),
    'no key at all': (s): Sending => ({ octets: s.valid, headers: keyless }),
    'a key that there is not': (s): Sending => ({
      octets: s.valid,
      headers: { Authorization: 'Bearer sk_live_another' },
    }),
    'a key that there is not, in the Context alone': (s): Sending => ({
      octets: signedContext(s, key('sk_live_another')),
      headers: keyless,
    }),
    'the key of another scheme': (s): Sending => ({ octets: s.valid, headers: { Authorization: `Basic ${keyOf(s)}` } }),
  }),
  ...refused('unsupported_media_type', {
    JSON: (s): Sending => ({ octets: s.valid, contentType: 'application/json' }),
    HTML: (s): Sending => ({ octets: s.valid, contentType: 'text/html' }),
    'a compressed message': (s): Sending => ({ octets: s.valid, headers: { 'Content-Encoding': 'gzip' } }),
    'a multipart form': (s): Sending => ({ octets: s.valid, contentType: 'multipart/form-data; boundary=b' }),
  }),
  ...harmless({
    'SOAPAction of another operation (action spoofing)': (s): Sending => ({
      octets: s.valid,
      headers: { SOAPAction: `"${areaNamespace}/SuspendOrganization"` },
    }),
    'the action parameter of another operation': (s): Sending => ({
      octets: s.valid,
      contentType: `application/soap+xml; charset=utf-8; action="${areaNamespace}/SuspendOrganization"`,
    }),
    'X-HTTP-Method-Override': (s): Sending => ({ octets: s.valid, headers: { 'X-HTTP-Method-Override': 'DELETE' } }),
    'an unknown header that is mandatory for somebody else': s =>
      s.sign({ headers: '<x:h xmlns:x="urn:x" soap:role="urn:someone" soap:mustUnderstand="1"/>' }),
    'a ReplyTo to the anonymous address': s =>
      s.sign({ headers: addressing('ReplyTo', address(`${ns.wsa}/anonymous`)) }),
  }),
];
