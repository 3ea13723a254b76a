# CXF from Maven Central (Debian has none), its client from the WSDL, and the programs.
set -eu
mvn --batch-mode --quiet --strict-checksums -f "$SOURCES/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/lib" >&2
(cd lib && sha256sum --quiet --check "$SOURCES/jars.sha256")
java -cp 'lib/*' org.apache.cxf.tools.wsdlto.WSDLToJava -d generated -p bastion secure-email.wsdl
javac -encoding UTF-8 -cp 'lib/*' -d classes generated/bastion/*.java "$SOURCES"/*.java "$@"
echo 'classes:lib/*' >classpath
