/** The tool chains that partners call from, each represented by the programs in the folder of its name. */

/** What a client's program claims, one line each; run.ts says what each claim must mean. */
export const cases = [
  'signed call',
  'fault',
  'attachment (SwA)',
  'attachment (MTOM)',
  'tampered refused',
  'answer verified',
] as const;

export type Case = (typeof cases)[number];

export interface Client {
  readonly name: string;
  readonly folder: string;
  /** Of Debian 12. */
  readonly packages: readonly string[];
  /** Fails when anything that the program needs is missing. */
  readonly version: readonly string[];
  /** Of the version's output; what a security update changes is left out. */
  readonly versionPattern: RegExp;
  /** Run where secure-email.wsdl and common.xsd lie as served; `BUILD` names that place afterwards. */
  readonly build?: readonly string[];
  readonly run: readonly string[];
  /** Why there is no program for a case. */
  readonly without?: Partial<Record<Case, string>>;
}

const folder = (name: string): string => `${import.meta.dirname}/${name}`;
const java = ['default-jdk-headless', 'maven', 'openssl'];

export const clients: readonly Client[] = [
  {
    name: 'zeep with python3-xmlsec',
    folder: 'zeep',
    packages: ['python3-zeep', 'python3-xmlsec'],
    version: ['/usr/bin/python3', '-c', 'import xmlsec, zeep; print(zeep.__version__)'],
    versionPattern: /[\d.]+/,
    run: ['/usr/bin/python3', '-B', `${folder('zeep')}/cases.py`],
    without: { 'attachment (MTOM)': 'zeep reads MTOM and does not write it' },
  },
  {
    name: 'node-soap with xml-crypto',
    folder: 'node-soap',
    packages: [],
    version: [process.execPath, '-p', "require('soap/package.json').version"],
    versionPattern: /[\d.]+/,
    run: [process.execPath, `${folder('node-soap')}/cases.mjs`],
  },
  {
    name: 'Apache CXF with WSS4J',
    folder: 'cxf',
    packages: java,
    version: ['sh', '-c', `command -v javac mvn openssl && grep '<cxf>' ${folder('cxf')}/pom.xml`],
    versionPattern: /\d+(\.\d+)+/,
    build: ['sh', `${folder('cxf')}/build.sh`, `${folder('java')}/Cases.java`],
    run: ['sh', `${folder('java')}/run.sh`, 'attachment (MTOM)'],
    without: { 'attachment (SwA)': 'CXF sends binary content as MTOM' },
  },
  {
    name: 'JAX-WS RI with WSS4J',
    folder: 'jax-ws',
    packages: [...java, 'libjaxws-java', 'libwss4j-java'],
    version: ['sh', '-c', 'command -v javac openssl && ls /usr/share/java/wss4j.jar /usr/share/java/jaxws-rt-*.jar'],
    versionPattern: /\d+(\.\d+)+/,
    build: ['sh', `${folder('jax-ws')}/build.sh`, `${folder('java')}/Cases.java`],
    run: ['sh', `${folder('java')}/run.sh`, 'attachment (SwA)'],
    without: { 'attachment (MTOM)': 'a handler that reads the message makes the RI write binary content inline' },
  },
  {
    name: '.NET’s SignedXml on Mono',
    folder: 'dotnet',
    packages: ['mono-mcs', 'mono-runtime', 'libmono-system-core4.0-cil', 'libmono-system-security4.0-cil', 'openssl'],
    version: ['sh', '-c', 'mono --version && command -v mcs openssl'],
    versionPattern: /\d+\.\d+/,
    build: [
      'mcs',
      '-out:cases.exe',
      ...['System.Core', 'System.Security', 'System.Xml'].map(assembly => `-reference:${assembly}.dll`),
      `${folder('dotnet')}/Cases.cs`,
      `${folder('dotnet')}/SignedEnvelope.cs`,
    ],
    run: ['sh', `${folder('dotnet')}/run.sh`],
    without: {
      'attachment (SwA)': 'the program sends files inline',
      'attachment (MTOM)': 'the program sends files inline',
    },
  },
  {
    name: 'PHP SoapClient with DOM and OpenSSL',
    folder: 'php',
    packages: ['php-cli', 'php-curl', 'php-soap', 'php-xml'],
    version: [
      'php',
      '-r',
      'echo class_exists("SoapClient") && class_exists("DOMDocument") && function_exists("curl_init") ? PHP_VERSION : "";',
    ],
    versionPattern: /\d+\.\d+/,
    run: ['php', `${folder('php')}/cases.php`],
    without: { 'attachment (MTOM)': 'SoapClient knows no MTOM' },
  },
  {
    name: 'gSOAP with its wsse plugin',
    folder: 'gsoap',
    packages: ['g++', 'gsoap', 'libgsoap-dev', 'libssl-dev', 'pkg-config', 'zlib1g-dev'],
    version: ['sh', '-c', 'pkg-config --modversion gsoapssl++ && command -v g++ soapcpp2 wsdl2h'],
    versionPattern: /[\d.]+/,
    build: ['sh', `${folder('gsoap')}/build.sh`],
    run: ['$BUILD/cases'],
  },
  {
    name: 'SOAP::WSDL with XML::LibXML',
    folder: 'soap-wsdl',
    packages: [
      'libcrypt-openssl-rsa-perl',
      'libcrypt-openssl-x509-perl',
      'liblwp-protocol-https-perl',
      'libsoap-wsdl-perl',
      'libxml-libxml-perl',
    ],
    version: [
      'perl',
      '-MSOAP::WSDL',
      '-MXML::LibXML',
      '-MCrypt::OpenSSL::RSA',
      '-MCrypt::OpenSSL::X509',
      '-MLWP::Protocol::https',
      '-e',
      'print $SOAP::WSDL::VERSION',
    ],
    versionPattern: /[\d.]+/,
    build: ['sh', '-c', 'wsdl2perl -b . "file://$PWD/secure-email.wsdl"'],
    run: ['perl', `${folder('soap-wsdl')}/cases.pl`],
    without: { 'attachment (MTOM)': 'SOAP::WSDL knows no MTOM' },
  },
  {
    name: 'KDSoap with XMLSec',
    folder: 'kdsoap',
    packages: [
      'g++',
      'libkdsoap-bin',
      'libkdsoap-dev',
      'libxmlsec1-dev',
      'pkg-config',
      'qtbase5-dev',
      'qtbase5-dev-tools',
    ],
    version: [
      'sh',
      '-c',
      'pkg-config --exists Qt5Network xmlsec1-openssl && kdwsdl2cpp -version && dpkg-query -W libkdsoap-dev',
    ],
    versionPattern: /\b\d+\.\d+\.\d+/,
    build: ['sh', `${folder('kdsoap')}/build.sh`],
    run: ['$BUILD/cases'],
    without: { 'attachment (MTOM)': 'KDSoap knows no MTOM' },
  },
];

if (import.meta.main) console.log([...new Set(clients.flatMap(client => client.packages))].sort().join(' '));
