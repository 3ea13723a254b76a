/** The namespace names and role names of SOAP 1.2, WS-Security 1.1, XML Signature and WS-Addressing 1.0. */
export const ns = {
  soap: 'http://www.w3.org/2003/05/soap-envelope',
  soap11: 'http://schemas.xmlsoap.org/soap/envelope/',
  wsse: 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd',
  wsse11: 'http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd',
  wsu: 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd',
  ds: 'http://www.w3.org/2000/09/xmldsig#',
  xsi: 'http://www.w3.org/2001/XMLSchema-instance',
  wsa: 'http://www.w3.org/2005/08/addressing',
  xml: 'http://www.w3.org/XML/1998/namespace',
  xmlns: 'http://www.w3.org/2000/xmlns/',
} as const;

export const roles = {
  next: `${ns.soap}/role/next`,
  ultimateReceiver: `${ns.soap}/role/ultimateReceiver`,
} as const;

/** The only address of ReplyTo and FaultTo that we serve: the HTTP answer itself. */
export const wsaAnonymous = `${ns.wsa}/anonymous`;

const x509Profile = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0';
const soapMessageSecurity11 = 'http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1';

/** ValueType and EncodingType names of the X.509 token profile 1.1. */
export const tokenType = {
  certificate: `${x509Profile}#X509v3`,
  path: `${x509Profile}#X509PKIPathv1`,
  subjectKeyIdentifier: `${x509Profile}#X509SubjectKeyIdentifier`,
  thumbprintSha1: `${soapMessageSecurity11}#ThumbprintSHA1`,
  thumbprintSha256: `${soapMessageSecurity11}#ThumbprintSHA256`,
  base64: 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary',
} as const;
