import { escapeAttribute, escapeText } from './canonical.ts';
import {
  commonNamespace,
  type Field,
  type NamedType,
  type SoapArea,
  type SoapType,
  type Structure,
  xmlSchema,
} from './model.ts';

/** XML Schema 1.0 from the model: named types, sequences in the order of the members, repeated elements for lists. */

/** What every fault's Detail holds. */
export const faultType: Structure = structure('BastionFault', [
  member('error', 'string', 'Stable code; the same as over REST.'),
  member('message', 'string', 'What to change, in words.'),
  member('request_id', 'string', 'Name it when you ask for help.'),
  {
    ...member('errors', 'string', 'Every field that breaks a rule.'),
    type: structure('FieldError', [
      member('field', 'string', 'Dotted path of element names beneath the request; list items are counted from 0.'),
      member('code', 'string', undefined),
      member('message', 'string', undefined),
    ]),
    repeated: true,
    required: false,
  },
  optional(member('authorization_request_id', 'string', 'The approval that the request waits for, or waited for.')),
  optional(member('retry_after', 'int', 'Seconds after which the same request may be tried again.')),
]);

/** The SOAP header block that may stand for, and must agree with, the HTTP headers of the same meaning. */
export const contextType: Structure = structure('Context', [
  optional(member('api_key', 'string', 'Stands for the API key header.')),
  optional(member('org_id', 'string', 'Stands for Bastion-Org-Id; needed to act on a descendant organisation.')),
]);

function structure(name: string, fields: Field[]): Structure {
  return { kind: 'structure', name, namespace: commonNamespace, fields };
}

function member(json: string, type: 'string' | 'int', documentation: string | undefined): Field {
  const xml = json.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const scalar = { kind: 'scalar', name: type } as const;
  return {
    json,
    xml,
    type: scalar,
    documentation,
    required: true,
    repeated: false,
    nullWhenAbsent: false,
    nillable: false,
  };
}

function optional(field: Field): Field {
  return { ...field, required: false };
}

/** common.xsd: what several areas use, and the forms that have no other home. */
export function commonSchema(types: readonly NamedType[]): string {
  const own = [...types, faultType, fieldErrorType(), contextType].map(type => namedType(type, commonNamespace, 2));
  return `<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="${xmlSchema.types}" xmlns:c="${commonNamespace}" targetNamespace="${commonNamespace}" elementFormDefault="qualified">
  <xs:element name="BastionFault" type="c:BastionFault"/>
  <xs:element name="Context" type="c:Context"/>
${builtinTypes}
${own.join('\n')}
</xs:schema>
`;
}

const fieldErrorType = (): Structure => faultType.fields[3]!.type as Structure;

const builtinTypes = `  <xs:simpleType name="Sha256">
    <xs:restriction base="xs:string">
      <xs:pattern value="[0-9a-fA-F]{64}"/>
    </xs:restriction>
  </xs:simpleType>
  <xs:complexType name="Binary">
    <xs:annotation><xs:documentation>Octets as base64. Or empty: contentId then names an attached part (its Content-ID without angle brackets), and sha256 is the SHA-256 of the part's decoded octets in hex, which binds the part to the signed Body.</xs:documentation></xs:annotation>
    <xs:simpleContent>
      <xs:extension base="xs:base64Binary">
        <xs:attribute name="contentId" type="xs:string"/>
        <xs:attribute name="sha256" type="c:Sha256"/>
      </xs:extension>
    </xs:simpleContent>
  </xs:complexType>
  <xs:complexType name="StringMap">
    <xs:sequence>
      <xs:element name="entry" type="c:StringMapEntry" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
  </xs:complexType>
  <xs:complexType name="StringMapEntry">
    <xs:sequence>
      <xs:element name="name" type="xs:string"/>
      <xs:element name="value" type="xs:string"/>
    </xs:sequence>
  </xs:complexType>
  <xs:complexType name="Settings">
    <xs:sequence>
      <xs:element name="setting" type="c:Setting" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence>
  </xs:complexType>
  <xs:complexType name="Setting">
    <xs:sequence>
      <xs:element name="name" type="xs:string"/>
      <xs:choice>
        <xs:element name="stringValue" type="xs:string"/>
        <xs:element name="booleanValue" type="xs:boolean"/>
        <xs:element name="integerValue" type="xs:long"/>
        <xs:element name="decimalValue" type="xs:decimal"/>
      </xs:choice>
    </xs:sequence>
  </xs:complexType>`;

/** The schema inside an area's WSDL, indented to stand there. */
export function areaSchema(area: SoapArea): string {
  const wrappers = [...area.operations.values()].flatMap(({ name, request, result }) => [
    wrapper(name, 'request', request, area.namespace),
    wrapper(`${name}Response`, 'result', result, area.namespace),
  ]);
  return `    <xs:schema targetNamespace="${area.namespace}" elementFormDefault="qualified">
      <xs:import namespace="${commonNamespace}" schemaLocation="common.xsd"/>
${[...wrappers, ...area.types.map(type => namedType(type, area.namespace, 6))].join('\n')}
    </xs:schema>`;
}

function wrapper(name: string, child: string, type: Structure, namespace: string): string {
  return `      <xs:element name="${name}">
        <xs:complexType>
          <xs:sequence>
            <xs:element name="${child}" type="${typeName(type, namespace)}"/>
          </xs:sequence>
        </xs:complexType>
      </xs:element>`;
}

function namedType(type: NamedType, namespace: string, indent: number): string {
  const lines = type.kind === 'enumeration' ? enumeration(type.name, type.values) : complexType(type, namespace);
  return lines.map(line => ' '.repeat(indent) + line).join('\n');
}

function enumeration(name: string, values: readonly string[]): string[] {
  return [
    `<xs:simpleType name="${name}">`,
    '  <xs:restriction base="xs:string">',
    ...values.map(value => `    <xs:enumeration value="${escapeAttribute(value)}"/>`),
    '  </xs:restriction>',
    '</xs:simpleType>',
  ];
}

function complexType(type: Structure, namespace: string): string[] {
  return [
    `<xs:complexType name="${type.name}">`,
    '  <xs:sequence>',
    ...type.fields.flatMap(field => element(field, namespace).map(line => `    ${line}`)),
    '  </xs:sequence>',
    '</xs:complexType>',
  ];
}

function element(field: Field, namespace: string): string[] {
  const occurs = `${field.required ? '' : ' minOccurs="0"'}${field.repeated ? ' maxOccurs="unbounded"' : ''}`;
  const nillable = field.nillable ? ' nillable="true"' : '';
  const start = `<xs:element name="${field.xml}" type="${typeName(field.type, namespace)}"${occurs}${nillable}`;
  if (field.documentation === undefined) return [`${start}/>`];
  return [
    `${start}>`,
    `  <xs:annotation><xs:documentation>${escapeText(field.documentation)}</xs:documentation></xs:annotation>`,
    '</xs:element>',
  ];
}

const builtinNames = { binary: 'c:Binary', stringMap: 'c:StringMap', settings: 'c:Settings' } as const;

/** Prefixes: xs XML Schema, c common, t the area's own. */
function typeName(type: SoapType, namespace: string): string {
  if (type.kind === 'scalar') return `xs:${type.name}`;
  if (!('name' in type)) return builtinNames[type.kind];
  return `${type.namespace === namespace && namespace !== commonNamespace ? 't' : 'c'}:${type.name}`;
}
