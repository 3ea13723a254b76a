using System.Net.Security;
using System.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;

// Bastion for .NET: HttpClient over mutual TLS, messages signed by SignedEnvelope.cs.
// Environment: SOAP_ORIGIN, API_KEY, MAIL_FROM, KEYS (PKCS#12: your certificate and key) and PASSWORD, CA, SIGNER (certificates).
static string Env(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");

using var partner = X509CertificateLoader.LoadPkcs12FromFile(Env("KEYS"), Env("PASSWORD"));
using var bastion = X509CertificateLoader.LoadCertificateFromFile(Env("SIGNER"));
using var ca = X509CertificateLoader.LoadCertificateFromFile(Env("CA"));

var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
trust.CustomTrustStore.Add(ca);
using var http = new HttpClient(new SocketsHttpHandler
{
    SslOptions = new SslClientAuthenticationOptions
    {
        ClientCertificateContext = SslStreamCertificateContext.Create(partner, additionalCertificates: null, offline: true),
        CertificateChainPolicy = trust,
    },
});
http.DefaultRequestHeaders.Authorization = new("Bearer", Env("API_KEY"));

var message = $"""
    <SendSecureEmail xmlns="http://bastioncommunications.com/soap/v3/secure-email"><request>
      <from>{SecurityElement.Escape(Env("MAIL_FROM"))}</from>
      <to>jane@example.com</to>
      <subject>From .NET</subject>
      <bodyHtml>{SecurityElement.Escape("<p>Hello</p>")}</bodyHtml>
    </request></SendSecureEmail>
    """;
var envelope = SignedEnvelope.Sign(message, partner);
var content = new StringContent(envelope, Encoding.UTF8, "application/soap+xml");

// A fault comes with status 400 or 500, and is signed like every answer.
using var response = await http.PostAsync($"{Env("SOAP_ORIGIN")}/soap/v3/secure-email", content);
var answer = SignedEnvelope.Verify(await response.Content.ReadAsStringAsync(), bastion);
Console.WriteLine(answer.OuterXml);
