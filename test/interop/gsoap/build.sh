#!/bin/sh
# From secure-email.wsdl and common.xsd in this folder to the program `cases`; SOURCES is where this script lies.
set -e
share=/usr/share/gsoap
wsdl2h -O4 -P -x -t "$SOURCES/typemap.dat" -o bastion.h secure-email.wsdl
# In canonical mode gSOAP loses the reference from its built-in base64 type to an MTOM part: xop:Include as a type keeps it.
sed -i -e '1i #import "xop.h"' -e '/^class c__Binary$/,/^};/s/xsd__base64Binary *__item *;/_xop__Include *xop__Include 0;/' bastion.h
soapcpp2 -C -L -x -I$share -I$share/import bastion.h
flags="$(pkg-config --cflags gsoapssl++) -O0 -w -I. -I$share -I$share/plugin"
compile() {
  g++ $flags -c "$1" -o "$2"
}
compile soapC.cpp soapC.o &
compile soapClient.cpp soapClient.o &
compile $share/plugin/wsseapi.cpp wsseapi.o
compile $share/plugin/smdevp.c smdevp.o
compile $share/plugin/mecevp.c mecevp.o
compile $share/plugin/threads.c threads.o
compile $share/custom/struct_timeval.c struct_timeval.o
compile "$SOURCES/cases.cpp" cases.o
wait
g++ -o cases *.o -lgsoapssl++ -lssl -lcrypto -lz -lpthread
