"""A partner's program in Python: zeep makes a client of the served WSDL, xmlsec signs and verifies.

Environment: SOAP_ORIGIN, CA, CERT, KEY (files), SIGNER (file: Bastion's signing certificate), API_KEY, ORG_ID.
Prints one line per claim and ends with 1 if any does not hold.
"""
import os
import sys
import uuid
from datetime import datetime, timedelta, timezone

import requests
import xmlsec
import zeep
from lxml import etree
from zeep import ns
from zeep.exceptions import Fault
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature

COMMON = "http://bastioncommunications.com/soap/common"
env = os.environ


class SignedMessages(BinarySignature):
    """Signs Body and Timestamp with SHA-256; verifies answers with Bastion's certificate, not with the partner's own.

    zeep verifies before it looks for faults, so the signature of a Fault that it raises has been checked.
    """

    def __init__(self):
        super().__init__(
            env["KEY"],
            env["CERT"],
            signature_method=xmlsec.Transform.RSA_SHA256,
            digest_method=xmlsec.Transform.SHA256,
        )

    def apply(self, envelope, headers):
        security = utils.get_security_header(envelope)
        now = datetime.now(timezone.utc)
        stamp = utils.WSU("Timestamp", {f"{{{ns.WSU}}}Id": f"TS-{uuid.uuid4()}"})
        form = "%Y-%m-%dT%H:%M:%S.%fZ"
        stamp.append(utils.WSU("Created", now.strftime(form)))
        stamp.append(utils.WSU("Expires", (now + timedelta(minutes=5)).strftime(form)))
        security.append(stamp)
        return super().apply(envelope, headers)

    def verify(self, envelope):
        """Raises unless Body is covered by a signature of Bastion's."""
        signature = envelope.find(f".//{{{ns.DS}}}Signature")
        if signature is None:
            raise ValueError("the answer is not signed")
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(env["SIGNER"], xmlsec.KeyFormat.CERT_PEM)
        for element in envelope.iter(etree.Element):
            name = element.get(f"{{{ns.WSU}}}Id")
            if name is not None:
                context.register_id(element, "Id", ns.WSU)
        context.verify(signature)
        body = envelope.find(f"{{{ns.SOAP_ENV_12}}}Body").get(f"{{{ns.WSU}}}Id")
        uris = [each.get("URI") for each in signature.iter(f"{{{ns.DS}}}Reference")]
        if f"#{body}" not in uris:
            raise ValueError("the Body of the answer is not signed")
        return envelope


def client(area):
    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify
    session.verify = env["CA"]
    session.cert = (env["CERT"], env["KEY"])
    session.headers["Authorization"] = f"Bearer {env['API_KEY']}"
    transport = zeep.Transport(session=session)
    wsdl = f"{env['SOAP_ORIGIN']}/soap/v3/{area}?wsdl"
    return zeep.Client(wsdl, wsse=SignedMessages(), transport=transport)


failures = 0


def claim(words, holds):
    global failures
    failures += 0 if holds else 1
    print(f"{'ok  ' if holds else 'FAIL'} zeep: {words}")


def main():
    organizations = client("organizations").service
    access = client("access").service

    own = organizations.GetOrganization(request={"orgId": env["ORG_ID"]})
    claim("GetOrganization answers the organisation, signed", own.orgId == env["ORG_ID"])

    name = f"Made by zeep {uuid.uuid4()}"
    made = organizations.CreateOrganization(request={"parentId": env["ORG_ID"], "name": name})
    seen = organizations.GetOrganization(request={"orgId": made.orgId})
    claim("CreateOrganization makes one that can be read again", seen.name == name)

    scopes = access.ListScopes(request={})
    claim("ListScopes names the scope of an operation just used", "org:read" in repr(scopes))

    try:
        organizations.GetOrganization(request={"orgId": "org_00000000000000000000000000"})
        claim("an organisation that is not there is a fault", False)
    except Fault as fault:
        told = fault.detail.find(f"{{{COMMON}}}BastionFault")
        code = told.findtext(f"{{{COMMON}}}error")
        claim("an organisation that is not there is a signed BastionFault not_found", code == "not_found")

    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
