<?php
/**
 * Bastion for PHP: ext-soap makes the client from the WSDL, DOM canonicalizes, OpenSSL signs and verifies, cURL sends.
 *
 * Files are PEM: `ca` of the server, `cert` and `key` of yours, `signer` of Bastion.
 */
class Bastion extends SoapClient
{
    private const WSSE = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';
    private const WSU = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd';
    private const DS = 'http://www.w3.org/2000/09/xmldsig#';
    private const C14N = 'http://www.w3.org/2001/10/xml-exc-c14n#';
    private const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';
    private const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
    private const X509 = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3';
    private const BASE64 = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary';
    private const CONTENT = 'http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform';

    /** Content-ID to octets: what travels beside the next message. */
    private array $parts = [];

    public function __construct(
        string $origin,
        string $area,
        private string $apiKey,
        private string $ca,
        private string $cert,
        private string $key,
        private string $signer,
    ) {
        $tls = ['cafile' => $ca, 'local_cert' => $cert, 'local_pk' => $key];
        parent::__construct("$origin/soap/v3/$area?wsdl", [
            'soap_version' => SOAP_1_2,
            'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
            'cache_wsdl' => WSDL_CACHE_NONE,
            'stream_context' => stream_context_create(['ssl' => $tls]),
        ]);
    }

    /** A file for SendSecureEmail; the signature covers it by a reference to its Content-ID. */
    public function attachment(string $filename, string $octets): array
    {
        $id = bin2hex(random_bytes(16)) . '@partner';
        $this->parts[$id] = $octets;
        $content = ['_' => '', 'contentId' => $id];
        return ['filename' => $filename, 'contentType' => 'application/octet-stream', 'content' => $content];
    }

    public function __doRequest(string $request, string $location, string $action, int $version, bool $oneWay = false): ?string
    {
        $message = $this->sign($request);
        $type = 'application/soap+xml; charset=utf-8';
        if ($this->parts !== []) [$type, $message] = $this->related($message);
        $this->parts = [];
        $answer = $this->transmit($location, $type, $message);
        $this->verify($answer);
        return $answer;
    }

    protected function transmit(string $location, string $type, string $message): string
    {
        $curl = curl_init($location);
        curl_setopt_array($curl, [
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_POSTFIELDS => $message,
            CURLOPT_HTTPHEADER => ["Content-Type: $type", "Authorization: Bearer $this->apiKey", 'Expect:'],
            CURLOPT_CAINFO => $this->ca,
            CURLOPT_SSLCERT => $this->cert,
            CURLOPT_SSLKEY => $this->key,
            CURLOPT_TIMEOUT => 90,
        ]);
        $answer = curl_exec($curl);
        if ($answer === false) throw new RuntimeException(curl_error($curl));
        return $answer;
    }

    /** Body, Timestamp and every part, in a Security header. */
    private function sign(string $envelope): string
    {
        $document = new DOMDocument();
        $document->loadXML($envelope);
        $root = $document->documentElement;
        $soap = $root->namespaceURI;
        $body = $root->getElementsByTagNameNS($soap, 'Body')->item(0);
        $body->setAttributeNS(self::WSU, 'wsu:Id', 'body');
        $header = $root->insertBefore($document->createElementNS($soap, $root->prefix . ':Header'), $body);
        $token = chunk_split(preg_replace('/-----[^-]+-----|\s/', '', file_get_contents($this->cert)), 64, "\n");
        $created = DateTimeImmutable::createFromFormat('U.u', sprintf('%.6F', microtime(true)));
        $security = self::append($header, '<wsse:Security xmlns:wsse="' . self::WSSE . '" xmlns:wsu="' . self::WSU . '">'
            . '<wsse:BinarySecurityToken wsu:Id="token" ValueType="' . self::X509 . '" EncodingType="' . self::BASE64 . '">'
            . $token . '</wsse:BinarySecurityToken></wsse:Security>');
        $timestamp = self::append($security, '<wsu:Timestamp xmlns:wsu="' . self::WSU . '" wsu:Id="timestamp">'
            . '<wsu:Created>' . $created->format('Y-m-d\TH:i:s.u\Z') . '</wsu:Created>'
            . '<wsu:Expires>' . $created->modify('+5 minutes')->format('Y-m-d\TH:i:s.u\Z') . '</wsu:Expires></wsu:Timestamp>');
        $references = self::reference('#body', self::C14N, $body->C14N(true))
            . self::reference('#timestamp', self::C14N, $timestamp->C14N(true));
        foreach ($this->parts as $id => $octets) $references .= self::reference("cid:$id", self::CONTENT, $octets);
        $signature = self::append($security, '<ds:Signature xmlns:ds="' . self::DS . '"><ds:SignedInfo>'
            . '<ds:CanonicalizationMethod Algorithm="' . self::C14N . '"/>'
            . '<ds:SignatureMethod Algorithm="' . self::RSA_SHA256 . '"/>' . $references . '</ds:SignedInfo></ds:Signature>');
        openssl_sign($signature->firstChild->C14N(true), $value, "file://$this->key", OPENSSL_ALGO_SHA256);
        self::append($signature, '<ds:SignatureValue xmlns:ds="' . self::DS . '">' . base64_encode($value) . '</ds:SignatureValue>');
        self::append($signature, '<ds:KeyInfo xmlns:ds="' . self::DS . '"><wsse:SecurityTokenReference xmlns:wsse="' . self::WSSE . '">'
            . '<wsse:Reference URI="#token" ValueType="' . self::X509 . '"/></wsse:SecurityTokenReference></ds:KeyInfo>');
        return $document->saveXML($root);
    }

    private static function append(DOMElement $parent, string $xml): DOMElement
    {
        $fragment = $parent->ownerDocument->createDocumentFragment();
        $fragment->appendXML($xml);
        return $parent->appendChild($fragment);
    }

    private static function reference(string $uri, string $transform, string $octets): string
    {
        return "<ds:Reference URI=\"$uri\"><ds:Transforms><ds:Transform Algorithm=\"$transform\"/></ds:Transforms>"
            . '<ds:DigestMethod Algorithm="' . self::SHA256 . '"/><ds:DigestValue>'
            . base64_encode(hash('sha256', $octets, true)) . '</ds:DigestValue></ds:Reference>';
    }

    /** SOAP with Attachments. */
    private function related(string $envelope): array
    {
        $boundary = bin2hex(random_bytes(18));
        $body = "--$boundary\r\nContent-Type: application/soap+xml; charset=utf-8\r\nContent-ID: <envelope>\r\n\r\n$envelope\r\n";
        foreach ($this->parts as $id => $octets) {
            $body .= "--$boundary\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
                . "Content-ID: <$id>\r\n\r\n$octets\r\n";
        }
        $type = "multipart/related; type=\"application/soap+xml\"; start=\"<envelope>\"; boundary=\"$boundary\"";
        return [$type, "$body--$boundary--\r\n"];
    }

    /** Throws unless the Body, at its place in the answer, is signed by Bastion. */
    private function verify(string $answer): void
    {
        $document = new DOMDocument();
        if (!$document->loadXML($answer)) throw new UnexpectedValueException('the answer is no XML');
        $xpath = new DOMXPath($document);
        $namespaces = ['s' => 'http://www.w3.org/2003/05/soap-envelope', 'wsse' => self::WSSE, 'wsu' => self::WSU];
        foreach ([...$namespaces, 'ds' => self::DS, 'ec' => self::C14N] as $prefix => $uri) $xpath->registerNamespace($prefix, $uri);
        $only = function (string $path, ?DOMNode $from = null) use ($xpath, $answer): DOMElement {
            $found = $xpath->query($path, $from);
            if ($found->length !== 1) throw new UnsignedAnswer($answer);
            return $found->item(0);
        };
        $signedInfo = $only('/s:Envelope/s:Header/wsse:Security/ds:Signature/ds:SignedInfo');
        $only('ds:CanonicalizationMethod[@Algorithm="' . self::C14N . '"]', $signedInfo);
        $only('ds:SignatureMethod[@Algorithm="' . self::RSA_SHA256 . '"]', $signedInfo);
        $value = base64_decode($only('ds:SignatureValue', $signedInfo->parentNode)->textContent);
        $key = openssl_pkey_get_public(file_get_contents($this->signer));
        if (openssl_verify($signedInfo->C14N(true), $value, $key, OPENSSL_ALGO_SHA256) !== 1) throw new UnsignedAnswer($answer);
        $signed = [];
        foreach ($xpath->query('ds:Reference', $signedInfo) as $reference) {
            $element = $only('//*[@wsu:Id="' . substr($reference->getAttribute('URI'), 1) . '"]');
            $inclusive = $xpath->query('.//ec:InclusiveNamespaces/@PrefixList', $reference)->item(0);
            $canonical = $element->C14N(true, false, null, $inclusive ? explode(' ', $inclusive->value) : null);
            $digest = base64_encode(hash('sha256', $canonical, true));
            if ($only('ds:DigestValue', $reference)->textContent !== $digest) throw new UnsignedAnswer($answer);
            $signed[] = $element->getNodePath();
        }
        if (!in_array($only('/s:Envelope/s:Body')->getNodePath(), $signed)) throw new UnsignedAnswer($answer);
    }
}

/** What Bastion says to those whose signature it could not verify; anybody else may have said it, too. */
class UnsignedAnswer extends Exception
{
    public function __construct(public readonly string $answer)
    {
        parent::__construct('the answer is not signed by Bastion');
    }
}
