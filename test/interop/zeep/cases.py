"""What the program beside this one can do, shown on a running Bastion; test/interop/run.ts says what each case means."""
import os

import xmlsec
from partner import Bastion, UnsignedAnswer
from zeep.exceptions import Fault

env = os.environ
COMMON = "http://bastioncommunications.com/soap/common"
bastion = Bastion(
    env["SOAP_ORIGIN"], "secure-email", env["API_KEY"], env["CA"], env["CERT"], env["KEY"], env["SIGNER"]
)
post = bastion.transport.post


def send(subject, attachments=()):
    mail = {"from": env["MAIL_FROM"], "to": ["jane@example.com"], "subject": subject, "bodyHtml": "<p>Hello</p>"}
    return bastion.service.SendSecureEmail(request={**mail, "attachments": list(attachments)})


def signed_call():
    return send("signed call").status == "queued"


def fault():
    try:
        bastion.service.GetSecureEmail(request={"messageId": "msg_00000000000000000000000000"})
    except Fault as told:
        return told.detail.findtext(f"{{{COMMON}}}BastionFault/{{{COMMON}}}error") == "not_found"


def attachment():
    with open(env["ATTACHMENT"], "rb") as file:
        sent = send("attachment (SwA)", [bastion.attachment("file.bin", file.read())])
    return sent.status == "queued"


def tampered():
    bastion.transport.post = lambda address, message, headers: post(
        address, message.replace(b"Hello", b"Hullo"), headers
    )
    try:
        send("tampered refused")
    except UnsignedAnswer as refusal:
        return "FailedCheck" in refusal.text
    finally:
        bastion.transport.post = post


def answer_verified():
    def changed(*message):
        answer = post(*message)
        answer._content = answer.content.replace(b">not_found<", b">not_fuond<")
        return answer

    bastion.transport.post = changed
    try:
        return fault() and False
    except xmlsec.Error:
        return True
    finally:
        bastion.transport.post = post


cases = {
    "signed call": signed_call,
    "fault": fault,
    "attachment (SwA)": attachment,
    "tampered refused": tampered,
    "answer verified": answer_verified,
}
for name, holds in cases.items():
    try:
        print(f"ok {name}" if holds() else f"not ok {name}", flush=True)
    except Exception as error:
        print(f"not ok {name}: {error!r}", flush=True)
