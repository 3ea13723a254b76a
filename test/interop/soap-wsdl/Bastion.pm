package Bastion;

# Bastion for Perl: SOAP::WSDL makes classes of the WSDL's elements (wsdl2perl), LWP sends, XML::LibXML canonicalizes,
# Crypt::OpenSSL::RSA signs and verifies. SOAP::WSDL itself speaks SOAP 1.1 only, so envelopes are made here.
#
# Files are PEM: ca of the server, cert and key of yours, signer of Bastion.

use strict;
use warnings;
use Crypt::OpenSSL::RSA;
use Crypt::OpenSSL::X509;
use Digest::SHA qw(sha256);
use LWP::UserAgent;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX qw(strftime);
use Time::HiRes qw(gettimeofday);
use XML::LibXML;

my $soap = 'http://www.w3.org/2003/05/soap-envelope';
my $wss = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss';
my $swa = 'http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1';
my $c14n = 'http://www.w3.org/2001/10/xml-exc-c14n#';
my $rsa = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
my $sha = 'http://www.w3.org/2001/04/xmlenc#sha256';
my %namespaces = (
    s => $soap, wsse => "$wss-wssecurity-secext-1.0.xsd", wsu => "$wss-wssecurity-utility-1.0.xsd",
    ds => 'http://www.w3.org/2000/09/xmldsig#', ec => $c14n, c => 'http://bastioncommunications.com/soap/common',
);

# new Bastion(origin => ..., area => 'secure-email', api_key => ..., ca => ..., cert => ..., key => ..., signer => ...)
sub new {
    my ($class, %self) = @_;
    $self{private} = Crypt::OpenSSL::RSA->new_private_key(content_of($self{key}));
    $self{public} = Crypt::OpenSSL::RSA->new_public_key(Crypt::OpenSSL::X509->new_from_file($self{signer})->pubkey);
    $_->use_sha256_hash, $_->use_pkcs1_padding for $self{private}, $self{public};
    my %tls = (SSL_ca_file => $self{ca}, SSL_cert_file => $self{cert}, SSL_key_file => $self{key});
    $self{agent} = LWP::UserAgent->new(timeout => 90, ssl_opts => {%tls, verify_hostname => 1});
    return bless \%self, $class;
}

# The answer's result element for an element such as MyElements::SendSecureEmail. `files` are octets, one for each empty
# content element in its order. Dies with { error => 'not_found' } and its like, or with { unsigned => ... }.
sub call {
    my ($self, $element, @files) = @_;
    my @parts = map { { id => "part$_-$$\@partner", octets => $files[$_] } } 0 .. $#files;
    my $message = $self->sign($element->serialize_qualified, @parts);
    my $answer = XML::LibXML->load_xml(string => $self->transmit(related($message, @parts)));
    my $body = $self->verified($answer);
    my $fault = path_of($body)->findvalue('s:Fault/s:Detail/c:BastionFault/c:error');
    die { error => $fault } if $fault ne '';
    return $body->findnodes('*/*')->get_node(1);
}

sub transmit {
    my ($self, $type, $octets) = @_;
    my @headers = (Authorization => "Bearer $self->{api_key}", 'Content-Type' => $type, Content => $octets);
    return $self->{agent}->post("$self->{origin}/soap/v3/$self->{area}", @headers)->decoded_content(charset => 'none');
}

# SOAP with Attachments.
sub related {
    my ($message, @parts) = @_;
    return ('application/soap+xml; charset=utf-8', $message) unless @parts;
    my $boundary = join '', map { chr(97 + rand 26) } 1 .. 40;
    my $body = "--$boundary\r\nContent-Type: application/soap+xml; charset=utf-8\r\nContent-ID: <envelope>\r\n\r\n$message\r\n";
    $body .= "--$boundary\r\nContent-Type: application/octet-stream\r\nContent-ID: <$_->{id}>\r\n\r\n$_->{octets}\r\n" for @parts;
    return (qq{multipart/related; type="application/soap+xml"; start="<envelope>"; boundary="$boundary"}, "$body--$boundary--\r\n");
}

# An envelope with Body, Timestamp and every part signed.
sub sign {
    my ($self, $content, @parts) = @_;
    (my $token = content_of($self->{cert})) =~ s/-----[^-]+-----|\s//g;
    my ($seconds, $micros) = gettimeofday;
    my ($created, $expires) = map { strftime('%Y-%m-%dT%H:%M:%S', gmtime $_) . sprintf('.%06dZ', $micros) } $seconds, $seconds + 300;
    my $type = "$wss-x509-token-profile-1.0#X509v3";
    my $document = XML::LibXML->load_xml(string => <<"END" =~ s/>\n\s*/>/gr);
<s:Envelope xmlns:s="$soap" xmlns:wsse="$namespaces{wsse}" xmlns:wsu="$namespaces{wsu}" xmlns:ds="$namespaces{ds}">
  <s:Header>
    <wsse:Security>
      <wsse:BinarySecurityToken wsu:Id="token" ValueType="$type"
        EncodingType="$wss-soap-message-security-1.0#Base64Binary">$token</wsse:BinarySecurityToken>
      <wsu:Timestamp wsu:Id="timestamp"><wsu:Created>$created</wsu:Created><wsu:Expires>$expires</wsu:Expires></wsu:Timestamp>
      <ds:Signature>
        <ds:SignedInfo>
          <ds:CanonicalizationMethod Algorithm="$c14n"/>
          <ds:SignatureMethod Algorithm="$rsa"/>
        </ds:SignedInfo>
        <ds:SignatureValue/>
        <ds:KeyInfo>
          <wsse:SecurityTokenReference><wsse:Reference URI="#token" ValueType="$type"/></wsse:SecurityTokenReference>
        </ds:KeyInfo>
      </ds:Signature>
    </wsse:Security>
  </s:Header>
  <s:Body wsu:Id="body">$content</s:Body>
</s:Envelope>
END
    my $path = path_of($document);
    # SOAP::WSDL writes no attributes on elements with simple content.
    my @contents = $path->findnodes('//*[local-name() = "content" and not(node())]');
    $contents[$_]->setAttribute(contentId => $parts[$_]{id}) for 0 .. $#parts;
    my ($info) = $path->findnodes('//ds:SignedInfo');
    my $body = $path->findnodes('/s:Envelope/s:Body')->get_node(1);
    my $timestamp = $path->findnodes('//wsu:Timestamp')->get_node(1);
    $info->appendWellBalancedChunk(reference('#body', $c14n, $body->toStringEC14N)
        . reference('#timestamp', $c14n, $timestamp->toStringEC14N)
        . join '', map { reference("cid:$_->{id}", "$swa#Attachment-Content-Signature-Transform", $_->{octets}) } @parts);
    my ($value) = $path->findnodes('//ds:SignatureValue');
    $value->appendText(encode_base64($self->{private}->sign($info->toStringEC14N), ''));
    return $document->documentElement->toString;
}

sub reference {
    my ($uri, $transform, $octets) = @_;
    my $digest = digest($octets);
    return qq{<ds:Reference xmlns:ds="$namespaces{ds}" URI="$uri"><ds:Transforms><ds:Transform Algorithm="$transform"/></ds:Transforms>}
        . qq{<ds:DigestMethod Algorithm="$sha"/><ds:DigestValue>$digest</ds:DigestValue></ds:Reference>};
}

# The Body of an answer, if it is signed by Bastion at its place.
sub verified {
    my ($self, $answer) = @_;
    my $path = path_of($answer);
    my $only = sub {
        my @found = $path->findnodes(@_);
        die { unsigned => $answer->toString } if @found != 1;
        return $found[0];
    };
    my $info = $only->('/s:Envelope/s:Header/wsse:Security/ds:Signature/ds:SignedInfo');
    $only->("ds:CanonicalizationMethod[\@Algorithm='$c14n']", $info);
    $only->("ds:SignatureMethod[\@Algorithm='$rsa']", $info);
    my $value = decode_base64($only->('../ds:SignatureValue', $info)->textContent);
    die { unsigned => $answer->toString } unless $self->{public}->verify($info->toStringEC14N, $value);
    my $body = $only->('/s:Envelope/s:Body');
    my $covered = 0;
    for my $reference ($path->findnodes('ds:Reference', $info)) {
        my $element = $only->('//*[@wsu:Id="' . substr($reference->getAttribute('URI'), 1) . '"]');
        my @prefixes = split ' ', $path->find('.//ec:InclusiveNamespaces/@PrefixList', $reference)->string_value;
        my $digest = digest($element->toStringEC14N(0, undef, $path, @prefixes ? \@prefixes : undef));
        die { unsigned => $answer->toString } if $digest ne $only->('ds:DigestValue', $reference)->textContent;
        $covered ||= $element->isSameNode($body);
    }
    die { unsigned => $answer->toString } unless $covered;
    return $body;
}

sub digest { encode_base64(sha256($_[0]), '') }

sub path_of {
    my $path = XML::LibXML::XPathContext->new($_[0]);
    $path->registerNs($_, $namespaces{$_}) for keys %namespaces;
    return $path;
}

sub content_of {
    open my $file, '<:raw', $_[0] or die "$_[0]: $!";
    local $/;
    return scalar <$file>;
}

1;
