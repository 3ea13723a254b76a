#!/usr/bin/env bash
# Production as docker-compose.yml has it, natively: HAProxy with docker/haproxy.cfg before two nodes on one database.
# Run it by `npx node test/kit/mariadb.ts bash test/interop/haproxy.sh`. Ends what it started.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
PATH=$PWD/node_modules/.bin:$PATH
pids=()
trap 'kill -KILL "${pids[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

die() {
  echo "FAILED: $*" >&2
  tail -n 20 "$folder"/*.log >&2
  exit 1
}

# `until_said LOG TEXT`
until_said() {
  for _ in $(seq 150); do
    grep -q "$2" "$folder/$1.log" 2>/dev/null && return
    sleep 0.1
  done
  die "$1 did not say: $2"
}

bastion() {
  node bin/bastion.mjs "$@"
}

# The whole of 127.0.0.0/8 is this machine: each part gets an address of its own, and the ports stay those of the files.
proxy=127.77.0.1 node1=127.77.0.2 node2=127.77.0.3 partner=127.77.0.4
sh docker/make-secrets.sh "$folder/secrets" "$proxy" 127.0.0.1
secrets=$folder/secrets

node test/interop/outside.ts "$secrets" >"$folder/outside.log" 2>&1 &
pids+=($!)
until_said outside webhook
webhook=$(sed -n 's/^webhook //p' "$folder/outside.log")

mariadb --no-defaults --host=127.0.0.1 --port="$(echo "$BASTION_TEST_DATABASE_URL" | grep -oE '[0-9]+/$' | tr -d /)" --user=root \
  -e 'CREATE DATABASE bastion_haproxy CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'

export BASTION_ENV=production
export BASTION_DATABASE_URL=${BASTION_TEST_DATABASE_URL}bastion_haproxy
BASTION_MASTER_KEYS=1:$(openssl rand -base64 32)
export BASTION_MASTER_KEYS
export BASTION_DATA_DIR=$folder/data
export BASTION_PUBLIC_URL=https://$proxy:8443 BASTION_SOAP_URL=https://$proxy:9443
export BASTION_TLS_CERTIFICATE=$secrets/node.pem BASTION_TLS_KEY=$secrets/node.key
export BASTION_SIGNING_CERTIFICATE=$secrets/signing.pem BASTION_SIGNING_KEY=$secrets/signing.key
export BASTION_APPROVED_CAS=$secrets/approved-cas.pem
BASTION_RELAY_URL=$(sed -n 's/^relay //p' "$folder/outside.log")
export BASTION_RELAY_URL BASTION_RELAY_CA=$secrets/node-ca.pem BASTION_WEBHOOK_CA=$secrets/node-ca.pem
BASTION_PROXY_THUMBPRINTS=$(openssl x509 -in "$secrets/proxy.pem" -noout -fingerprint -sha256 | cut -d= -f2)
export BASTION_PROXY_THUMBPRINTS

bastion migrate
organization=$(bastion organization create --name 'Example')
bastion certs import --organization "$organization" --file "$secrets/partner.pem" --use request
bastion certs import --organization "$organization" --file "$secrets/approver.pem" --use approval
bastion address allow --organization "$organization" --block "$partner"
bastion approval-webhook register --organization "$organization" --url "$webhook" --allow-private 127.0.0.1/32
key=$(bastion key create --organization "$organization" --name 'First key' | tail -n 1)

port=9091
for node in node1 node2; do
  BASTION_HOST=${!node} BASTION_HEALTH_PORT=$port node bin/bastion.mjs serve >"$folder/$node.log" 2>&1 &
  pids+=($!)
  port=$((port + 1))
done
until_said node1 '"msg":"ready"'
until_said node2 '"msg":"ready"'

SECRETS=$secrets REST_BIND=$proxy:8443 SOAP_BIND=$proxy:9443 NODE1=$node1 NODE2=$node2 \
  haproxy -db -f docker/haproxy.cfg >"$folder/haproxy.log" 2>&1 &
pids+=($!)

# curl takes the partner's address from its configuration.
printf 'interface = "%s"\nretry = 20\nretry-connrefused\nretry-delay = 1\n' "$partner" >"$folder/.curlrc"
export CURL_HOME=$folder BASTION_URL=https://$proxy:8443 BASTION_KEY=$key CACERT=$secrets/node-ca.pem
export CERT=$secrets/partner.pem KEY=$secrets/partner.key

# `try NAME EXPECTED ARGUMENTS...` of docs/sign-and-call.sh
try() {
  local answer
  answer=$(timeout 60 sh docs/sign-and-call.sh "${@:3}" 2>&1) || true
  [[ $answer == *"$2"* ]] || die "$1: $answer"
  echo "ok: $1"
}

try "a signed call" "\"org_id\":\"$organization\"" GET "/v3/organizations/$organization"
try "another, by the other node" "\"org_id\":\"$organization\"" GET "/v3/organizations/$organization"
try "a sensitive call waits for its approval" '"secret":' POST /v3/api-keys '{"name":"Second","scopes":["org:read"]}'
grep -q 'asked for' "$folder/outside.log" || die "the webhook was not asked"
grep -q 'rest-nodes/node1' "$folder/haproxy.log" && grep -q 'rest-nodes/node2' "$folder/haproxy.log" || die "one node got nothing"

forged=$(CURL_HOME=$folder curl -s --cacert "$CACERT" --cert "$CERT" --key "$KEY" -H 'Client-Cert: :AA==:' "$BASTION_URL/v3/scopes")
[ "$forged" = "Client-Cert is set by the proxy." ] || die "a forged Client-Cert: $forged"
echo "ok: a forged Client-Cert is refused"

export CURL_HOME=$folder/none
try "another address is refused" address_not_allowed GET "/v3/organizations/$organization"
