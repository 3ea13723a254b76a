import type { Area, Operation } from '../../core/operation.ts';
import { escapeAttribute, escapeText } from './canonical.ts';
import { buildModel, commonNamespace, type SoapArea, type SoapModel, type SoapOperation, xmlSchema } from './model.ts';
import { areaSchema, commonSchema } from './xsd.ts';

/** Stands for the configured address in the files of `wsdl/`. */
export const placeholderUrl = 'https://bastion.example';

/** The files for a list of areas; see `wsdlFiles`. */
export function generate(areas: readonly Area[], baseUrl: string): Map<string, string> {
  return wsdlFiles(buildModel(areas), baseUrl);
}

/**
 * WSDL 1.1 with the SOAP 1.2 binding, document/literal wrapped: one file per area, and the schema they share.
 *
 * @param baseUrl `https://host[:port]` of the SOAP door
 * @returns texts by file name; the same model and address always give the same texts
 */
export function wsdlFiles(model: SoapModel, baseUrl: string): Map<string, string> {
  const files = model.areas.map((area): [string, string] => [`${area.name}.wsdl`, wsdl(area, baseUrl)]);
  return new Map([...files, ['common.xsd', commonSchema(model.types)]]);
}

function wsdl(area: SoapArea, baseUrl: string): string {
  const name = area.name.replace(/(^|-)([a-z])/g, (_, _dash, letter: string) => letter.toUpperCase());
  const operations = [...area.operations.values()];
  return `<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions name="${name}" targetNamespace="${area.namespace}"
    xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
    xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"
    xmlns:xs="${xmlSchema.types}"
    xmlns:wsp="http://www.w3.org/ns/ws-policy"
    xmlns:sp="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"
    xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    xmlns:c="${commonNamespace}"
    xmlns:t="${area.namespace}">
  <wsdl:documentation>${escapeText(area.product)}</wsdl:documentation>
${policy}
  <wsdl:types>
${areaSchema(area)}
  </wsdl:types>
${operations.map(messages).join('\n')}
  <wsdl:message name="BastionFault">
    <wsdl:part name="fault" element="c:BastionFault"/>
  </wsdl:message>
  <wsdl:portType name="${name}">
${operations.map(portOperation).join('\n')}
  </wsdl:portType>
  <wsdl:binding name="${name}Binding" type="t:${name}">
    <wsp:PolicyReference URI="#SignedMessage"/>
    <soap12:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
${operations.map(bindingOperation).join('\n')}
  </wsdl:binding>
  <wsdl:service name="${name}Service">
    <wsdl:port name="${name}Port" binding="t:${name}Binding">
      <soap12:address location="${escapeAttribute(baseUrl + area.path)}"/>
    </wsdl:port>
  </wsdl:service>
</wsdl:definitions>
`;
}

function messages({ name }: SoapOperation): string {
  return [name, `${name}Response`]
    .map(
      message => `  <wsdl:message name="${message}">
    <wsdl:part name="parameters" element="t:${message}"/>
  </wsdl:message>`,
    )
    .join('\n');
}

function portOperation({ name, operation }: SoapOperation): string {
  return `    <wsdl:operation name="${name}">
      <wsdl:documentation>${escapeText(documentation(operation))}</wsdl:documentation>
      <wsdl:input message="t:${name}"/>
      <wsdl:output message="t:${name}Response"/>
      <wsdl:fault name="BastionFault" message="t:BastionFault"/>
    </wsdl:operation>`;
}

function documentation({ summary, description, scope, sensitive }: Operation): string {
  const approval = sensitive === true ? 'Needs approval.' : sensitive && `May need approval. ${sensitive.because}`;
  return [summary, description, `Scope: ${scope}.`, approval].filter(Boolean).join(' ');
}

function bindingOperation({ name, action }: SoapOperation): string {
  return `    <wsdl:operation name="${name}">
      <soap12:operation soapAction="${action}" style="document"/>
      <wsdl:input><soap12:body use="literal"/></wsdl:input>
      <wsdl:output><soap12:body use="literal"/></wsdl:output>
      <wsdl:fault name="BastionFault"><soap12:fault name="BastionFault" use="literal"/></wsdl:fault>
    </wsdl:operation>`;
}

/**
 * WS-SecurityPolicy 1.2. Without ProtectTokens: common stacks cannot sign the token itself, and a certificate that was
 * swapped makes the signature fail anyway.
 */
const policy = `  <wsp:Policy wsu:Id="SignedMessage">
    <wsp:ExactlyOne>
      <wsp:All>
        <sp:AsymmetricBinding>
          <wsp:Policy>
            <sp:InitiatorToken>
              <wsp:Policy>
                <sp:X509Token sp:IncludeToken="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702/IncludeToken/AlwaysToRecipient">
                  <wsp:Policy><sp:WssX509V3Token10/></wsp:Policy>
                </sp:X509Token>
              </wsp:Policy>
            </sp:InitiatorToken>
            <sp:RecipientToken>
              <wsp:Policy>
                <sp:X509Token sp:IncludeToken="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702/IncludeToken/AlwaysToInitiator">
                  <wsp:Policy><sp:WssX509V3Token10/></wsp:Policy>
                </sp:X509Token>
              </wsp:Policy>
            </sp:RecipientToken>
            <sp:AlgorithmSuite>
              <wsp:Policy><sp:Basic256Sha256/></wsp:Policy>
            </sp:AlgorithmSuite>
            <sp:Layout>
              <wsp:Policy><sp:Lax/></wsp:Policy>
            </sp:Layout>
            <sp:IncludeTimestamp/>
            <sp:OnlySignEntireHeadersAndBody/>
          </wsp:Policy>
        </sp:AsymmetricBinding>
        <sp:SignedParts>
          <sp:Body/>
        </sp:SignedParts>
      </wsp:All>
    </wsp:ExactlyOne>
  </wsp:Policy>`;
