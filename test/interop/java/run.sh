# Key stores as Java wants them, then the cases with what was built.
set -eu
export PASSWORD=changeit
STORES=$(mktemp -d)
export STORES
trap 'rm -rf "$STORES"' EXIT
store() { keytool -importcert -noprompt -alias "$1" -file "$2" -keystore "$STORES/$1.p12" -storetype PKCS12 -storepass $PASSWORD 2>/dev/null; }
openssl pkcs12 -export -in "$CERT" -inkey "$KEY" -name partner -passout env:PASSWORD -out "$STORES/partner.p12"
store ca "$CA"
store bastion "$SIGNER"
store partner-certificate "$CERT"
cd "$BUILD"
java -Djavax.net.ssl.keyStore="$STORES/partner.p12" -Djavax.net.ssl.keyStorePassword=$PASSWORD \
  -Djavax.net.ssl.trustStore="$STORES/ca.p12" -Djavax.net.ssl.trustStorePassword=$PASSWORD \
  -Djava.util.logging.config.file=/dev/null -cp "$(cat classpath)" Cases "$@"
