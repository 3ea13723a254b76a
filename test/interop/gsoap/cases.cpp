/** What bastion.hpp can do, shown on a running Bastion; test/interop/run.ts says what each case means. */
#include "bastion.hpp"
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>

namespace {
std::string change, to, received;
decltype(soap::fsend) realSend;
decltype(soap::frecv) realReceive;

void replace(std::string &text) {
  const size_t at = change.empty() ? std::string::npos : text.find(change);
  if (at != std::string::npos) text.replace(at, change.size(), to);
}

/** Somebody on the line. */
int changedSend(soap *context, const char *octets, size_t length) {
  std::string text(octets, length);
  replace(text);
  return realSend(context, text.data(), text.size());
}

size_t changedReceive(soap *context, char *octets, size_t length) {
  received.assign(octets, realReceive(context, octets, length));
  replace(received);
  received.copy(octets, received.size());
  return received.size();
}

struct Connected : Bastion {
  Connected()
      : Bastion(getenv("SOAP_ORIGIN"), "secure-email", getenv("API_KEY"), getenv("CA"), getenv("CERT"), getenv("KEY"),
                getenv("SIGNER")) {
    change.clear();
    realSend = context->fsend;
    realReceive = context->frecv;
    context->fsend = changedSend;
    context->frecv = changedReceive;
  }
};

bool send(Bastion &bastion, const std::string &subject, m__SecureEmailAttachment *attachment = nullptr) {
  m__SendSecureEmailRequest mail;
  mail.from = getenv("MAIL_FROM");
  mail.to.push_back("jane@example.com");
  mail.subject = subject;
  mail.bodyHtml = "<p>Hello</p>";
  if (attachment) mail.attachments.push_back(attachment);
  _m__SendSecureEmail request;
  request.request = &mail;
  _m__SendSecureEmailResponse response;
  bastion.call(soap_call___m__SendSecureEmail, request, response);
  return response.result->status == m__SecureEmailStatus__queued;
}

bool notFound(Bastion &bastion) {
  m__GetSecureEmailRequest asked;
  asked.messageId = "msg_00000000000000000000000000";
  _m__GetSecureEmail request;
  request.request = &asked;
  _m__GetSecureEmailResponse response;
  try {
    bastion.call(soap_call___m__GetSecureEmail, request, response);
    return false;
  } catch (const BastionFault &fault) {
    return fault.what() == std::string("not_found");
  }
}

std::string contentOf(const char *name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool sendFile(const std::string &subject, Bastion::Form form) {
  Connected bastion;
  const std::string octets = contentOf(getenv("ATTACHMENT"));
  m__SecureEmailAttachment attachment;
  attachment.filename = "file.bin";
  attachment.contentType = "application/octet-stream";
  attachment.content = bastion.binary(octets, form);
  return send(bastion, subject, &attachment);
}

template <class Try>
bool fails(Try attempt, const std::string &saw) {
  try {
    attempt();
    return false;
  } catch (const BastionFault &) {
    return false;
  } catch (const std::runtime_error &) {
    return received.find(saw) != std::string::npos;
  }
}

const std::pair<std::string, std::function<bool()>> cases[] = {
    {"signed call", [] { Connected bastion; return send(bastion, "signed call"); }},
    {"fault", [] { Connected bastion; return notFound(bastion); }},
    {"attachment (SwA)", [] { return sendFile("attachment (SwA)", Bastion::Form::swa); }},
    {"attachment (MTOM)", [] { return sendFile("attachment (MTOM)", Bastion::Form::mtom); }},
    {"tampered refused", [] {
       Connected bastion;
       change = "Hello", to = "Hullo";
       return fails([&] { send(bastion, "tampered refused"); }, "FailedCheck");
     }},
    {"answer verified", [] {
       Connected bastion;
       change = ">not_found<", to = ">not_fuond<";
       return fails([&] { notFound(bastion); }, "not_fuond");
     }},
};
}  // namespace

int main() {
  for (const auto &[name, holds] : cases) {
    std::string why;
    bool ok = false;
    try {
      ok = holds();
    } catch (const std::exception &error) {
      why = std::string(": ") + error.what();
      for (char &letter : why) if (letter == '\n') letter = ' ';
    }
    std::cout << (ok ? "ok " : "not ok ") << name << why << std::endl;
  }
}
