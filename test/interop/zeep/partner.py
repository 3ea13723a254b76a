"""Bastion for Python: zeep makes the client from the WSDL, xmlsec signs and verifies.

Needs zeep, xmlsec and requests. Files are PEM: `ca` of the server, `cert` and `key` of yours, `signer` of Bastion.
"""
import hashlib
import uuid
from datetime import datetime, timedelta, timezone
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.policy import HTTP

import requests
import xmlsec
import zeep
from lxml import etree
from zeep import ns
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature


class UnsignedAnswer(Exception):
    """What Bastion says to those whose signature it could not verify; anybody else may have said it, too."""

    def __init__(self, envelope):
        self.text = etree.tostring(envelope, encoding="unicode")
        super().__init__("the answer is not signed by Bastion")


class SignedMessages(BinarySignature):
    """Signs Body and Timestamp with SHA-256 (zeep's default is SHA-1); verifies with Bastion's certificate (zeep: with its own)."""

    def __init__(self, cert, key, signer):
        super().__init__(key, cert, signature_method=xmlsec.Transform.RSA_SHA256, digest_method=xmlsec.Transform.SHA256)
        self.signer = signer

    def apply(self, envelope, headers):
        now = datetime.now(timezone.utc)
        stamp = utils.WSU("Timestamp", {f"{{{ns.WSU}}}Id": f"TS-{uuid.uuid4()}"})
        stamp.append(utils.WSU("Created", f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"))
        stamp.append(utils.WSU("Expires", f"{now + timedelta(minutes=5):%Y-%m-%dT%H:%M:%S.%fZ}"))
        utils.get_security_header(envelope).append(stamp)
        return super().apply(envelope, headers)

    def verify(self, envelope):
        """Before zeep looks at the answer, so that the signature of a Fault that it raises has been verified."""
        signature = envelope.find(f"{{*}}Header/{{{ns.WSSE}}}Security/{{{ns.DS}}}Signature")
        if signature is None:
            raise UnsignedAnswer(envelope)
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(self.signer, xmlsec.KeyFormat.CERT_PEM)
        for element in envelope.iterfind(f".//*[@{{{ns.WSU}}}Id]"):
            context.register_id(element, "Id", ns.WSU)
        context.verify(signature)
        body = envelope.find("{*}Body").get(f"{{{ns.WSU}}}Id")
        if f"#{body}" not in [each.get("URI") for each in signature.iterfind(f".//{{{ns.DS}}}Reference")]:
            raise UnsignedAnswer(envelope)
        return envelope


class Attaching(zeep.Transport):
    """SOAP with Attachments: the files of `parts` (Content-ID to octets) travel beside the next message."""

    parts = {}

    def post_xml(self, address, envelope, headers):
        if not self.parts:
            return super().post_xml(address, envelope, headers)
        related = MIMEMultipart("related", type="application/soap+xml")
        related.attach(part(etree.tostring(envelope, encoding="utf-8"), "soap+xml", "envelope"))
        for content_id, octets in self.parts.items():
            related.attach(part(octets, "octet-stream", content_id))
        self.parts = {}
        body = related.as_bytes(policy=HTTP).split(b"\r\n\r\n", 1)[1]
        return self.post(address, body, {**headers, "Content-Type": str(related["Content-Type"])})


def part(octets, subtype, content_id):
    made = MIMEApplication(octets, subtype)
    made["Content-ID"] = f"<{content_id}>"
    return made


class Bastion:
    """`service` has the operations of one area: `Bastion(...).service.GetSecureEmail(request={"messageId": "..."})`."""

    def __init__(self, origin, area, api_key, ca, cert, key, signer):
        session = requests.Session()
        session.trust_env = False  # the variable REQUESTS_CA_BUNDLE would win over verify
        session.verify, session.cert = ca, (cert, key)
        session.headers["Authorization"] = f"Bearer {api_key}"
        self.transport = Attaching(session=session)
        signed = SignedMessages(cert, key, signer)
        self.service = zeep.Client(f"{origin}/soap/v3/{area}?wsdl", wsse=signed, transport=self.transport).service

    def attachment(self, filename, octets):
        """A file for SendSecureEmail. Its SHA-256 stands in the Body, so that the signature covers it."""
        content_id = f"{uuid.uuid4()}@partner"
        self.transport.parts = {**self.transport.parts, content_id: octets}
        content = {"_value_1": b"", "contentId": content_id, "sha256": hashlib.sha256(octets).hexdigest()}
        return {"filename": filename, "contentType": "application/octet-stream", "content": content}
