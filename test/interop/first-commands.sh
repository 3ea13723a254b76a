#!/usr/bin/env bash
# What a new user does: starts the server, tries what it prints, stops it, starts it again. Ends what it started.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
export BASTION_DATA_DIR=$folder/data BASTION_REST_PORT=0 BASTION_SOAP_PORT=0 BASTION_HEALTH_PORT=0
server=

die() {
  echo "FAILED: $*" >&2
  cat "$folder"/*.log >&2
  exit 1
}

finish() {
  [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

# `start LOG`: npm does not hand signals on, so the server is ended by the process id in its own log.
start() {
  log=$folder/$1.log
  npm start >"$log" 2>&1 </dev/null &
  for _ in $(seq 150); do
    grep -q '^https.*/docs$' "$log" && break
    sleep 0.1
  done
  grep -q 'Bastion is ready' "$log" || die "not ready within 15 s"
  server=$(grep -oE '"pid":[0-9]+' "$log" | head -n 1 | cut -d: -f2)
}

stop() {
  kill -TERM "$server"
  for _ in $(seq 50); do
    kill -0 "$server" 2>/dev/null || { server= && return; }
    sleep 0.1
  done
  die "still running 5 s after SIGTERM"
}

# `printed FIRST LAST`: the lines of a command as they stand in what the server printed.
printed() {
  sed -n "/^$1/,/$2/p" "$log"
}

line() {
  sed -n "s/^  $1  *//p" "$log"
}

# `try NAME EXPECTED COMMAND`: runs it as a user would who pastes it.
try() {
  local answer
  answer=$(timeout 20 env -u BASTION_DATA_DIR bash -c "$3" 2>&1) || die "$1: $answer"
  [[ $answer == *"$2"* ]] || die "$1: $answer"
  echo "ok: $1"
}

fetch() {
  try "$2" "$3" "curl -sS --fail-with-body --cacert '$BASTION_DATA_DIR/development/ca.pem' $1"
}

start first
organization=$(line Organisation)
grep -q 'sk_live_' "$log" || die "no key was printed"
try "the printed REST command" "\"org_id\":\"$organization\"" "$(printed 'BASTION_URL=' '^sh ')"
try "the printed SOAP command" "the signature holds" "$(printed 'BASTION_SOAP_URL=' 'call-soap')"
reference=$(grep -E '^https.*/docs$' "$log")
fetch "$reference" "the reference page" "swagger-ui-bundle.js"
fetch "${reference%/docs}/openapi.json" "the OpenAPI document" '"openapi":"3.1'
health=$(line Health | sed 's|/healthz.*||')
fetch "$health/healthz" "health" '"ok"'
fetch "$health/readyz" "readiness" '"ready"'
fetch "$health/metrics" "metrics" 'operation="GetOrganization"'
stop

start second
[ "$(line Organisation)" = "$organization" ] || die "the second start made another organisation"
! grep -q 'sk_live_' "$log" || die "the second start made another key"
try "the printed REST command, after a restart" "\"org_id\":\"$organization\"" "$(printed 'BASTION_URL=' '^sh ')"
stop
