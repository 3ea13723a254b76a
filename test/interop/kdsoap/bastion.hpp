/**
 * Bastion for Qt: KDSoap makes classes of the WSDL's types (see build.sh) and writes them, XMLSec signs and verifies.
 * KDSoap's own client cannot sign, so envelopes are made and sent here.
 *
 * Files are PEM: `ca` of the server, `cert` and `key` of yours, `signer` of Bastion.
 */
#pragma once
#include <KDSoapValue.h>
#include <QtCore>
#include <QtNetwork>
#include <libxml/parser.h>
#include <memory>
#include <stdexcept>
#include <xmlsec/crypto.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/xmltree.h>

/** A fault that Bastion signed: `not_found` and its like. */
struct BastionFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/** What Bastion says to those whose signature it could not verify; anybody else may have said it, too. */
struct UnsignedAnswer : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Bastion {
 public:
  Bastion(const QString &origin, const QString &area, const QByteArray &apiKey, const QString &ca, const QString &cert,
          const QString &key, const QString &signer)
      : url(origin + "/soap/v3/" + area), space("http://bastioncommunications.com/soap/v3/" + area), apiKey(apiKey),
        certificate(QSslCertificate::fromPath(cert).value(0)), signingKey(key), signer(signer) {
    static const int ready = xmlSecInit() | xmlSecCryptoAppInit(nullptr) | xmlSecCryptoInit();
    if (ready != 0) throw std::runtime_error("XMLSec does not start");
    tls = QSslConfiguration::defaultConfiguration();
    tls.setCaCertificates(QSslCertificate::fromPath(ca));
    tls.setLocalCertificate(certificate);
    tls.setPrivateKey(QSslKey(contentOf(key), QSsl::Rsa));
  }

  virtual ~Bastion() = default;

  /** A file for `content`. Its SHA-256 stands in the Body, so that the signature covers the part. */
  template <class Binary>
  Binary attachment(const QByteArray &octets) {
    const QString id = QUuid::createUuid().toString(QUuid::WithoutBraces);
    parts[id] = octets;
    Binary content;
    content.setContentId(id);
    content.setSha256(QString(QCryptographicHash::hash(octets, QCryptographicHash::Sha256).toHex()));
    return content;
  }

  /** `call<T__SendSecureEmailResponse>(request, "SendSecureEmail")` */
  template <class Response, class Request>
  Response call(const Request &request, const QString &operation) {
    const QByteArray content = request.serialize(operation).toXml(KDSoapValue::LiteralUse, space);
    QByteArray type = "application/soap+xml; charset=utf-8", message = sign(content.mid(content.indexOf("?>") + 2));
    if (!parts.isEmpty()) std::tie(type, message) = related(message);
    parts.clear();
    const KDSoapValue answer = verified(transmit(type, message));
    const KDSoapValue fault = answer.childValues().child("Detail").childValues().child("BastionFault");
    if (!fault.isNull()) throw BastionFault(fault.childValues().child("error").value().toString().toStdString());
    Response response;
    response.deserialize(answer);
    return response;
  }

 protected:
  virtual QByteArray transmit(const QByteArray &type, const QByteArray &message) {
    QNetworkRequest request(url);
    request.setSslConfiguration(tls);
    request.setHeader(QNetworkRequest::ContentTypeHeader, type);
    request.setRawHeader("Authorization", "Bearer " + apiKey);
    request.setTransferTimeout(90000);
    const std::unique_ptr<QNetworkReply> reply(network.post(request, message));
    QEventLoop waiting;
    QObject::connect(reply.get(), &QNetworkReply::finished, &waiting, &QEventLoop::quit);
    waiting.exec();
    const QByteArray answer = reply->readAll();
    if (answer.isEmpty()) throw std::runtime_error(reply->errorString().toStdString());
    return answer;
  }

 private:
  using Document = std::unique_ptr<xmlDoc, decltype(&xmlFreeDoc)>;
  using Context = std::unique_ptr<xmlSecDSigCtx, decltype(&xmlSecDSigCtxDestroy)>;

  const QUrl url;
  const QString space;
  const QByteArray apiKey;
  const QSslCertificate certificate;
  const QString signingKey, signer;
  QSslConfiguration tls;
  QNetworkAccessManager network;
  QMap<QString, QByteArray> parts;

  /** XMLSec fills in the digests and the value. */
  QByteArray sign(const QByteArray &content) {
    const QDateTime now = QDateTime::currentDateTimeUtc();
    QByteArray message = envelope;
    message.replace("WSS", "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss");
    message.replace("CREATED", now.toString(Qt::ISODateWithMs).toLatin1());
    message.replace("EXPIRES", now.addSecs(300).toString(Qt::ISODateWithMs).toLatin1());
    message.replace("REFERENCES", reference("body") + reference("timestamp"));
    message.replace("TOKEN", certificate.toDer().toBase64());
    message.replace("CONTENT", content);
    const Document document = parsed(message);
    const Context context = signatureContext(signingKey, xmlSecKeyDataFormatPem);
    if (xmlSecDSigCtxSign(context.get(), signatureOf(document)) < 0) throw std::runtime_error("not signed");
    xmlChar *text;
    int length;
    xmlDocDumpMemory(document.get(), &text, &length);
    message = QByteArray(reinterpret_cast<char *>(text), length);
    xmlFree(text);
    return message;
  }

  static constexpr const char *envelope = R"(<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
  xmlns:wsse="WSS-wssecurity-secext-1.0.xsd" xmlns:wsu="WSS-wssecurity-utility-1.0.xsd"><s:Header><wsse:Security>
<wsse:BinarySecurityToken wsu:Id="token" ValueType="WSS-x509-token-profile-1.0#X509v3"
  EncodingType="WSS-soap-message-security-1.0#Base64Binary">TOKEN</wsse:BinarySecurityToken>
<wsu:Timestamp wsu:Id="timestamp"><wsu:Created>CREATED</wsu:Created><wsu:Expires>EXPIRES</wsu:Expires></wsu:Timestamp>
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
REFERENCES</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><wsse:SecurityTokenReference>
<wsse:Reference URI="#token" ValueType="WSS-x509-token-profile-1.0#X509v3"/>
</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security></s:Header>
<s:Body wsu:Id="body">CONTENT</s:Body></s:Envelope>)";

  static QByteArray reference(const QByteArray &id) {
    return "<ds:Reference URI=\"#" + id + R"("><ds:Transforms>
<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>)";
  }

  /** SOAP with Attachments. */
  std::pair<QByteArray, QByteArray> related(const QByteArray &message) {
    const QByteArray boundary = QUuid::createUuid().toByteArray(QUuid::Id128);
    QByteArray body = "--" + boundary + "\r\nContent-Type: application/soap+xml; charset=utf-8\r\n";
    body += "Content-ID: <envelope>\r\n\r\n" + message;
    for (auto part = parts.cbegin(); part != parts.cend(); ++part) {
      body += "\r\n--" + boundary + "\r\nContent-Type: application/octet-stream\r\n";
      body += "Content-ID: <" + part.key().toLatin1() + ">\r\n\r\n" + part.value();
    }
    const QByteArray type = R"(multipart/related; type="application/soap+xml"; start="<envelope>"; boundary=)";
    return {type + boundary, body + "\r\n--" + boundary + "--\r\n"};
  }

  /** What the Body of an answer holds, if Bastion signed that Body at its place. */
  KDSoapValue verified(const QByteArray &answer) {
    const Document document = parsed(answer);
    const xmlNodePtr signature = signatureOf(document);
    const Context context = signatureContext(signer, xmlSecKeyDataFormatCertPem);
    context->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
    const bool valid = signature && xmlSecDSigCtxVerify(context.get(), signature) == 0 &&
                       context->status == xmlSecDSigStatusSucceeded;
    const xmlNodePtr body = xmlSecFindChild(xmlDocGetRootElement(document.get()), BAD_CAST "Body", soap);
    if (!valid || !body || !covers(context, document, body)) throw UnsignedAnswer(answer.toStdString());
    return valueOf(xmlSecGetNextElementNode(body->children));
  }

  /** An identifier that leads to the Body itself: another element that bears it would have been what was signed. */
  static bool covers(const Context &context, const Document &document, xmlNodePtr body) {
    for (xmlSecSize i = 0; i < xmlSecPtrListGetSize(&context->signedInfoReferences); i++) {
      const auto reference = xmlSecPtrListGetItem(&context->signedInfoReferences, i);
      const xmlAttrPtr id = xmlGetID(document.get(), static_cast<xmlSecDSigReferenceCtxPtr>(reference)->uri + 1);
      if (id && id->parent == body) return true;
    }
    return false;
  }

  static inline const xmlChar *const soap = BAD_CAST "http://www.w3.org/2003/05/soap-envelope";

  static xmlNodePtr signatureOf(const Document &document) {
    const xmlNodePtr header = xmlSecFindChild(xmlDocGetRootElement(document.get()), BAD_CAST "Header", soap);
    return header ? xmlSecFindNode(header, xmlSecNodeSignature, xmlSecDSigNs) : nullptr;
  }

  /** For RSA with SHA-256 over exclusive canonicalization, and nothing else. */
  static Context signatureContext(const QString &file, xmlSecKeyDataFormat format) {
    Context context(xmlSecDSigCtxCreate(nullptr), xmlSecDSigCtxDestroy);
    context->signKey = xmlSecCryptoAppKeyLoad(file.toLocal8Bit().constData(), format, nullptr, nullptr, nullptr);
    if (!context->signKey) throw std::runtime_error("the key is not accepted");
    xmlSecDSigCtxEnableSignatureTransform(context.get(), xmlSecTransformExclC14NId);
    xmlSecDSigCtxEnableSignatureTransform(context.get(), xmlSecTransformRsaSha256Id);
    xmlSecDSigCtxEnableReferenceTransform(context.get(), xmlSecTransformExclC14NId);
    xmlSecDSigCtxEnableReferenceTransform(context.get(), xmlSecTransformSha256Id);
    return context;
  }

  static Document parsed(const QByteArray &text) {
    Document document(xmlReadMemory(text.constData(), text.size(), nullptr, nullptr, XML_PARSE_NONET), xmlFreeDoc);
    if (!document) throw std::runtime_error("this is no XML");
    const xmlChar *ids[] = {BAD_CAST "Id", nullptr};
    xmlSecAddIDs(document.get(), xmlDocGetRootElement(document.get()), ids);
    return document;
  }

  static KDSoapValue valueOf(xmlNodePtr element) {
    const QString name = reinterpret_cast<const char *>(element->name);
    const xmlNodePtr first = xmlSecGetNextElementNode(element->children);
    const std::unique_ptr<xmlChar, decltype(xmlFree)> text(xmlNodeGetContent(element), xmlFree);
    const QString content = QString::fromUtf8(reinterpret_cast<char *>(text.get()));
    KDSoapValue value(name, first ? QVariant() : QVariant(content));
    for (xmlNodePtr child = first; child; child = xmlSecGetNextElementNode(child->next))
      value.childValues().append(valueOf(child));
    return value;
  }

  static QByteArray contentOf(const QString &name) {
    QFile file(name);
    if (!file.open(QIODevice::ReadOnly)) throw std::runtime_error(name.toStdString());
    return file.readAll();
  }
};
