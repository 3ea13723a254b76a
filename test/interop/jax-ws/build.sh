# The reference implementation's client from the WSDL, and the programs.
set -eu
jars=$(printf "/usr/share/java/%s.jar:" jaxws-rt jaxws-tools jaxws-api jws-api jaxb-api jaxb-runtime jaxb-xjc saaj-impl \
  javax.activation wss4j xmlsec commons-logging slf4j-api slf4j-nop)
mkdir generated
java -Djavax.xml.accessExternalSchema=all -cp "$jars" com.sun.tools.ws.WsImport \
  -extension -quiet -Xnocompile -encoding UTF-8 -s generated -p bastion secure-email.wsdl
javac -encoding UTF-8 -cp "$jars" -d classes generated/bastion/*.java "$SOURCES"/*.java "$@"
echo "classes:$jars" >classpath
