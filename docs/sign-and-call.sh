#!/bin/sh
# BASTION_URL=https://host:8443 BASTION_KEY=sk_... CERT=client.pem KEY=client.key [CACERT=ca.pem] sign-and-call.sh METHOD TARGET [JSON]
set -eu
method=$1 target=$2 body=${3-} timestamp=$(date +%s) nonce=$(openssl rand -hex 16)
hash=$(printf %s "$body" | openssl dgst -sha256 -r | cut -d' ' -f1)
thumbprint=$(openssl x509 -in "$CERT" -noout -fingerprint -sha256 | cut -d= -f2)
signature=$(printf '%s\n%s\n%s\n%s\n%s' "$method" "$target" "$timestamp" "$nonce" "$hash" |
  openssl dgst -sha256 -sign "$KEY" | openssl base64 -A)
# The key goes in through standard input: arguments can be read by every user of the machine.
printf 'Authorization: Bearer %s\n' "$BASTION_KEY" | curl -sS -w '\n' --fail-with-body --path-as-is --globoff \
  ${CACERT:+--cacert "$CACERT"} --cert "$CERT" --key "$KEY" -X "$method" ${body:+--data-raw "$body"} -H @- \
  ${body:+-H 'Content-Type: application/json'} ${BASTION_ORG:+-H "Bastion-Org-Id: $BASTION_ORG"} \
  -H "Bastion-Cert-Thumbprint: $thumbprint" -H "Bastion-Timestamp: $timestamp" -H "Bastion-Nonce: $nonce" \
  -H "Bastion-Signature: $signature" "$BASTION_URL$target"
