#!/bin/sh
# From secure-email.wsdl and common.xsd in this folder to the program `cases`; SOURCES is where this script lies.
set -e
kdwsdl2cpp -o secure-email.h secure-email.wsdl
kdwsdl2cpp -impl secure-email.h -o secure-email.cpp secure-email.wsdl
"$(pkg-config --variable=host_bins Qt5Core)/moc" secure-email.h -o moc.cpp
flags="$(pkg-config --cflags Qt5Core Qt5Network xmlsec1-openssl) -I/usr/include/KDSoapClient -fPIC -O0 -w -I."
g++ $flags -c secure-email.cpp &
g++ $flags -c moc.cpp
g++ $flags -c "$SOURCES/cases.cpp"
wait
g++ -o cases ./*.o -lkdsoap $(pkg-config --libs Qt5Core Qt5Network xmlsec1-openssl)
