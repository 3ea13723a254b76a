/**
 * Bastion for C++: gSOAP makes the client from the WSDL (see build.sh), its wsse plugin signs and verifies.
 *
 * Files are PEM: `ca` of the server, `cert` and `key` of yours, `signer` of Bastion. Compile with WITH_OPENSSL and WITH_DOM.
 */
#pragma once
#include <cstdio>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdexcept>
#include <string>
#include "SecureEmailBinding.nsmap"
#include "soapH.h"
#include "wsseapi.h"

/** A fault that Bastion signed: `not_found` and its like. */
struct BastionFault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Bastion {
 public:
  /** SOAP_XML_CANONICAL: without it the plugin writes a signature that nobody else can verify. */
  soap *const context = soap_new1(SOAP_XML_CANONICAL | SOAP_C_UTFSTRING);

  Bastion(const std::string &origin, const std::string &area, const std::string &apiKey, const char *ca,
          const char *certFile, const char *keyFile, const char *signerFile)
      : endpoint(origin + "/soap/v3/" + area), authorization("Authorization: Bearer " + apiKey) {
    cert = read<X509>(certFile, PEM_read_X509);
    signer = read<X509>(signerFile, PEM_read_X509);
    key = read<EVP_PKEY>(keyFile, PEM_read_PrivateKey);
    context->send_timeout = context->recv_timeout = 90;
    soap_register_plugin(context, soap_wsse);
    require(!soap_ssl_client_context(context, SOAP_SSL_DEFAULT, nullptr, nullptr, ca, nullptr, nullptr), "the authority");
    require(SSL_CTX_use_certificate(context->ctx, cert) == 1, "the certificate");
    require(SSL_CTX_use_PrivateKey(context->ctx, key) == 1, "the private key");
  }

  ~Bastion() {
    soap_destroy(context);
    soap_end(context);
    soap_free(context);
    EVP_PKEY_free(key);
    X509_free(signer);
    X509_free(cert);
  }

  Bastion(const Bastion &) = delete;

  enum class Form { swa, mtom };

  /**
   * A binary value that travels as a part of its own; `octets` must live until it is sent. Its SHA-256 stands in the Body, so
   * that the signature covers the part.
   */
  c__Binary *binary(const std::string &octets, Form form) {
    char *const data = const_cast<char *>(octets.data());
    c__Binary *const content = soap_new_c__Binary(context);
    content->sha256 = soap_new_std__string(context);
    *content->sha256 = sha256(octets);
    if (form == Form::mtom) {
      soap_set_omode(context, SOAP_ENC_MTOM);
      content->xop__Include = soap_new__xop__Include(context);
      content->xop__Include->__ptr = reinterpret_cast<unsigned char *>(data);
      content->xop__Include->__size = octets.size();
      content->xop__Include->type = soap_strdup(context, "application/octet-stream");
    } else {
      content->contentId = soap_new_std__string(context);
      *content->contentId = soap_rand_uuid(context, "");
      const char *const id = soap_strdup(context, ("<" + *content->contentId + ">").c_str());
      soap_set_mime(context, nullptr, nullptr);
      soap_set_mime_attachment(context, data, octets.size(), SOAP_MIME_BINARY, "application/octet-stream", id, nullptr, nullptr);
    }
    return content;
  }

  /** `call(soap_call___m__SendSecureEmail, request, response)` */
  template <class Request, class Response>
  void call(int (*operation)(soap *, const char *, const char *, Request *, Response &), Request &request,
            Response &response) {
    soap_wsse_delete_Security(context);
    // The name is signed. Times have whole seconds here, so the same call again would be the same message, a replay.
    const std::string name = std::string("Time-") + soap_rand_uuid(context, "");
    soap_wsse_add_Timestamp(context, name.c_str(), 300);
    soap_wsse_add_BinarySecurityTokenX509(context, "token", cert);
    soap_wsse_add_KeyInfo_SecurityTokenReferenceX509(context, "#token");
    soap_wsse_sign_body(context, SOAP_SMD_SIGN_RSA_SHA256, key, 0);
    soap_wsse_verify_auto(context, SOAP_SMD_NONE, nullptr, 0);
    context->http_extra_header = authorization.c_str();
    const int status = operation(context, endpoint.c_str(), nullptr, &request, response);
    soap_clr_mime(context);
    soap_clr_omode(context, SOAP_ENC_MTOM);
    const auto detail = context->fault ? context->fault->SOAP_ENV__Detail : nullptr;
    const auto told = detail ? detail->c__BastionFault_ : nullptr;
    if (status != SOAP_OK && !told) throw std::runtime_error(reason());
    require(isFromBastion() && soap_wsse_verify_body(context) == SOAP_OK, "the signature of the answer");
    if (told) throw BastionFault(told->error);
  }

 private:
  const std::string endpoint, authorization;
  X509 *cert, *signer;
  EVP_PKEY *key;

  /** The plugin takes any certificate beneath the authority; the answer must be Bastion's own. */
  bool isFromBastion() {
    X509 *found = soap_wsse_get_KeyInfo_SecurityTokenReferenceX509(context);
    const bool same = found && X509_cmp(found, signer) == 0;
    X509_free(found);
    return same;
  }

  static std::string sha256(const std::string &octets) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char *>(octets.data()), octets.size(), digest);
    std::string hex(2 * sizeof digest, '0');
    for (size_t i = 0; i < hex.size(); i++) hex[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return hex;
  }

  std::string reason() {
    char text[1000] = "";
    soap_sprint_fault(context, text, sizeof text);
    return text;
  }

  static void require(bool holds, const char *what) {
    if (!holds) throw std::runtime_error(std::string(what) + " is not accepted");
  }

  template <class T>
  static T *read(const char *name, T *(*parse)(FILE *, T **, pem_password_cb *, void *)) {
    FILE *file = fopen(name, "r");
    require(file, name);
    T *found = parse(file, nullptr, nullptr, nullptr);
    fclose(file);
    require(found, name);
    return found;
  }
};
