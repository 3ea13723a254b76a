<?php
/** What Bastion.php can do, shown on a running Bastion; test/interop/run.ts says what each case means. */
require __DIR__ . '/Bastion.php';

/** Somebody on the line. */
class Changed extends Bastion
{
    public array $request = ['', ''];
    public array $answer = ['', ''];

    protected function transmit(string $location, string $type, string $message): string
    {
        $message = str_replace($this->request[0], $this->request[1], $message);
        return str_replace($this->answer[0], $this->answer[1], parent::transmit($location, $type, $message));
    }
}

function connect(): Changed
{
    return new Changed(getenv('SOAP_ORIGIN'), 'secure-email', ...array_map(getenv(...), ['API_KEY', 'CA', 'CERT', 'KEY', 'SIGNER']));
}

function send(Bastion $bastion, string $subject, array $attachments = []): bool
{
    $mail = ['from' => getenv('MAIL_FROM'), 'to' => ['jane@example.com'], 'subject' => $subject, 'bodyHtml' => '<p>Hello</p>'];
    return $bastion->SendSecureEmail(['request' => [...$mail, 'attachments' => $attachments]])->result->status === 'queued';
}

function notFound(Bastion $bastion): bool
{
    try {
        $bastion->GetSecureEmail(['request' => ['messageId' => 'msg_00000000000000000000000000']]);
        return false;
    } catch (SoapFault $fault) {
        return $fault->detail->BastionFault->error === 'not_found';
    }
}

$cases = [
    'signed call' => fn () => send(connect(), 'signed call'),
    'fault' => fn () => notFound(connect()),
    'attachment (SwA)' => function () {
        $bastion = connect();
        $file = $bastion->attachment('file.bin', file_get_contents(getenv('ATTACHMENT')));
        return send($bastion, 'attachment (SwA)', [$file]);
    },
    'tampered refused' => function () {
        $bastion = connect();
        $bastion->request = ['Hello', 'Hullo'];
        try {
            return send($bastion, 'tampered refused') && false;
        } catch (UnsignedAnswer $refusal) {
            return str_contains($refusal->answer, 'FailedCheck');
        }
    },
    'answer verified' => function () {
        $bastion = connect();
        $bastion->answer = ['>not_found<', '>not_fuond<'];
        try {
            return notFound($bastion) && false;
        } catch (UnsignedAnswer $refusal) {
            return str_contains($refusal->answer, 'not_fuond');
        }
    },
];
foreach ($cases as $name => $holds) {
    try {
        echo $holds() ? "ok $name\n" : "not ok $name\n";
    } catch (Throwable $error) {
        echo "not ok $name: {$error->getMessage()}\n";
    }
}
