# What Mono finds in files of its own: the authority that it trusts, and PKCS#12 of the old kind.
set -eu
XDG_CONFIG_HOME=$(mktemp -d)
export XDG_CONFIG_HOME PASSWORD=changeit KEYS="$XDG_CONFIG_HOME/partner.p12"
trap 'rm -rf "$XDG_CONFIG_HOME"' EXIT
trusted="$XDG_CONFIG_HOME/.mono/new-certs/Trust"
mkdir -p "$trusted"
cp "$CA" "$trusted/$(openssl x509 -hash -noout -in "$CA").0"
openssl pkcs12 -export -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -in "$CERT" -inkey "$KEY" \
  -passout env:PASSWORD -out "$KEYS"
mono "$BUILD/cases.exe"
