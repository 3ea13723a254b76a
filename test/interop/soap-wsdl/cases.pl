# What Bastion.pm can do, shown on a running Bastion; test/interop/run.ts says what each case means.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin, $ENV{BUILD};
use Bastion;
use MyElements::GetSecureEmail;
use MyElements::SendSecureEmail;

# Somebody on the line.
package Changed {
    use parent -norequire, 'Bastion';

    sub transmit {
        my ($self, $type, $octets) = @_;
        $octets =~ s/\Q$self->{request}[0]\E/$self->{request}[1]/ if $self->{request};
        my $answer = $self->SUPER::transmit($type, $octets);
        $answer =~ s/\Q$self->{answer}[0]\E/$self->{answer}[1]/ if $self->{answer};
        return $answer;
    }
}

sub connected {
    my %environment = map { (lc $_ => $ENV{$_}) } qw(API_KEY CA CERT KEY SIGNER);
    return Changed->new(%environment, origin => $ENV{SOAP_ORIGIN}, area => 'secure-email', @_);
}

sub sent {
    my ($bastion, $subject, @files) = @_;
    my @attachments = map { { filename => 'file.bin', contentType => 'application/octet-stream', content => { value => '' } } } @files;
    my %mail = (from => $ENV{MAIL_FROM}, to => ['jane@example.com'], subject => $subject, bodyHtml => '<p>Hello</p>');
    my $request = MyElements::SendSecureEmail->new({ request => { %mail, @files ? (attachments => \@attachments) : () } });
    return $bastion->call($request, @files)->findvalue('*[local-name() = "status"]') eq 'queued';
}

sub refusal {
    my ($bastion) = @_;
    eval { $bastion->call(MyElements::GetSecureEmail->new({ request => { messageId => 'msg_00000000000000000000000000' } })) };
    return ref $@ ? $@ : die $@ || 'it was answered';
}

my @cases = (
    'signed call' => sub { sent(connected(), 'signed call') },
    'fault' => sub { (refusal(connected())->{error} // '') eq 'not_found' },
    'attachment (SwA)' => sub { sent(connected(), 'attachment (SwA)', Bastion::content_of($ENV{ATTACHMENT})) },
    'tampered refused' => sub {
        eval { sent(connected(request => ['Hello', 'Hullo']), 'tampered refused') };
        return ref $@ && ($@->{unsigned} // '') =~ /FailedCheck/;
    },
    'answer verified' => sub { (refusal(connected(answer => ['>not_found<', '>not_fuond<']))->{unsigned} // '') =~ /not_fuond/ },
);
$| = 1;
while (my ($name, $holds) = splice @cases, 0, 2) {
    my $ok = eval { $holds->() };
    (my $why = ref $@ ? join ' ', %{$@} : $@) =~ s/\s+/ /g;
    print $ok ? "ok $name\n" : "not ok $name: $why\n";
}
