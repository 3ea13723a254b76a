/** What bastion.hpp can do, shown on a running Bastion; test/interop/run.ts says what each case means. */
#include "bastion.hpp"
#include "secure-email.h"
#include <functional>
#include <iostream>

namespace {
/** Somebody on the line. */
struct Changed : Bastion {
  using Change = std::pair<QByteArray, QByteArray>;
  Change request, answer;

  explicit Changed(const Change &request = {}, const Change &answer = {})
      : Bastion(qgetenv("SOAP_ORIGIN"), "secure-email", qgetenv("API_KEY"), qgetenv("CA"), qgetenv("CERT"), qgetenv("KEY"),
                qgetenv("SIGNER")),
        request(request), answer(answer) {}

  QByteArray transmit(const QByteArray &type, const QByteArray &message) override {
    return changed(Bastion::transmit(type, changed(message, request)), answer);
  }

  static QByteArray changed(QByteArray octets, const Change &change) {
    return change.first.isEmpty() ? octets : octets.replace(change.first, change.second);
  }
};

bool send(Bastion &bastion, const QString &subject, const QList<T__SecureEmailAttachment> &attachments = {}) {
  T__SendSecureEmailRequest mail;
  mail.setFrom(qgetenv("MAIL_FROM"));
  mail.setTo({"jane@example.com"});
  mail.setSubject(subject);
  mail.setBodyHtml("<p>Hello</p>");
  mail.setAttachments(attachments);
  T__SendSecureEmail request;
  request.setRequest(mail);
  const auto response = bastion.call<T__SendSecureEmailResponse>(request, "SendSecureEmail");
  return response.result().status() == T__SecureEmailStatus::Queued;
}

bool sendFile() {
  Changed bastion;
  QFile file(qgetenv("ATTACHMENT"));
  file.open(QIODevice::ReadOnly);
  T__SecureEmailAttachment attachment;
  attachment.setFilename("file.bin");
  attachment.setContentType("application/octet-stream");
  attachment.setContent(bastion.attachment<C__Binary>(file.readAll()));
  return send(bastion, "attachment (SwA)", {attachment});
}

bool notFound(Bastion &bastion) {
  T__GetSecureEmailRequest asked;
  asked.setMessageId("msg_00000000000000000000000000");
  T__GetSecureEmail request;
  request.setRequest(asked);
  try {
    bastion.call<T__GetSecureEmailResponse>(request, "GetSecureEmail");
    return false;
  } catch (const BastionFault &fault) {
    return fault.what() == std::string("not_found");
  }
}

bool isUnsigned(const std::function<void()> &attempt, const std::string &holds) {
  try {
    attempt();
    return false;
  } catch (const UnsignedAnswer &answer) {
    return std::string(answer.what()).find(holds) != std::string::npos;
  }
}

const std::pair<std::string, std::function<bool()>> cases[] = {
    {"signed call", [] { Changed bastion; return send(bastion, "signed call"); }},
    {"fault", [] { Changed bastion; return notFound(bastion); }},
    {"attachment (SwA)", sendFile},
    {"tampered refused", [] {
       Changed bastion({"Hello", "Hullo"});
       return isUnsigned([&] { send(bastion, "tampered refused"); }, "FailedCheck");
     }},
    {"answer verified", [] {
       Changed bastion({}, {">not_found<", ">not_fuond<"});
       return isUnsigned([&] { notFound(bastion); }, "not_fuond");
     }},
};
}  // namespace

int main(int count, char **words) {
  QCoreApplication application(count, words);
  for (const auto &[name, holds] : cases) {
    std::string why;
    bool ok = false;
    try {
      ok = holds();
    } catch (const std::exception &error) {
      why = std::string(": ") + error.what();
    }
    std::cout << (ok ? "ok " : "not ok ") << name << why << std::endl;
  }
}
