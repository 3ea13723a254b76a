#!/bin/sh
# docker/make-secrets.sh FOLDER [NAME...]: every file that two nodes behind HAProxy need, from two authorities made on
# the spot: to try things out, or to see what the real files must hold. NAME are names or addresses of the public listener.
set -eu
folder=$1
shift
mkdir -p "$folder"
cd "$folder"
umask 077

authority() {
  openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=$2" -keyout "$1.key" -out "$1.pem" \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

# `issue NAME AUTHORITY SUBJECT USAGE [ALTERNATIVE NAMES]`
issue() {
  openssl req -new -newkey rsa:3072 -nodes -subj "/CN=$3" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' "extendedKeyUsage=$4" \
    ${5:+"subjectAltName=$5"} >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -days 397 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

names=
for name in localhost "$@"; do
  case $name in *[!0-9.]*) names="$names,DNS:$name" ;; *) names="$names,IP:$name" ;; esac
done

authority node-ca 'Nodes'
issue node node-ca 'Bastion node' serverAuth 'DNS:node1,DNS:node2'
issue proxy node-ca 'Proxy' clientAuth
issue public node-ca 'Bastion' serverAuth "${names#,}"
issue signing node-ca 'Bastion' clientAuth
authority approved-cas 'Partners'
issue partner approved-cas 'Partner' clientAuth
issue approver approved-cas 'Approver' clientAuth

# HAProxy reads certificate and key from one file.
for name in proxy public; do
  cat "$name.key" >>"$name.pem"
  rm "$name.key"
done
# The containers run as users of their own.
chmod 0644 ./*.pem node.key signing.key
