using System;
using System.IO;
using System.Net;
using System.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

/// <summary>What SignedEnvelope can do, shown on a running Bastion; test/interop/run.ts says what each case means.</summary>
static class Cases
{
    const string Area = "http://bastioncommunications.com/soap/v3/secure-email";
    static readonly X509Certificate2 partner = new X509Certificate2(Env("KEYS"), Env("PASSWORD"));
    static readonly X509Certificate2 bastion = new X509Certificate2(Env("SIGNER"));

    static void Main()
    {
        Claim("signed call", () => Verified(Post(Signed(Mail("signed call")))).Contains("<status>queued<"));
        Claim("fault", () => Verified(Post(Signed(Missing))).Contains("<error>not_found<"));
        Claim("tampered refused", () => Post(Signed(Mail("tampered refused")).Replace("Hello", "Hullo")).Contains("wsse:FailedCheck"));
        Claim("answer verified", () => Refused(Post(Signed(Missing)).Replace("not_found", "not_fuond"), bastion)
            && Refused(Post(Signed(Missing)), partner));
    }

    static string Mail(string subject) =>
        $@"<SendSecureEmail xmlns=""{Area}""><request><from>{SecurityElement.Escape(Env("MAIL_FROM"))}</from>" +
        $"<to>jane@example.com</to><subject>{subject}</subject><bodyHtml>&lt;p>Hello&lt;/p></bodyHtml></request></SendSecureEmail>";

    static readonly string Missing =
        $@"<GetSecureEmail xmlns=""{Area}""><request><messageId>msg_00000000000000000000000000</messageId></request></GetSecureEmail>";

    static string Signed(string body) => SignedEnvelope.Sign(body, partner);

    static string Verified(string answer) => SignedEnvelope.Verify(answer, bastion).OuterXml;

    static bool Refused(string answer, X509Certificate2 signer)
    {
        try
        {
            SignedEnvelope.Verify(answer, signer);
            return false;
        }
        catch (CryptographicException)
        {
            return true;
        }
    }

    /// <summary>By the client that Mono has; Program.cs shows today's.</summary>
    static string Post(string envelope)
    {
        var request = WebRequest.CreateHttp(Env("SOAP_ORIGIN") + "/soap/v3/secure-email");
        request.Method = "POST";
        request.ContentType = "application/soap+xml; charset=utf-8";
        request.Headers["Authorization"] = "Bearer " + Env("API_KEY");
        request.ClientCertificates.Add(partner);
        using (var stream = request.GetRequestStream())
        {
            var octets = Encoding.UTF8.GetBytes(envelope);
            stream.Write(octets, 0, octets.Length);
        }
        using (var reader = new StreamReader(Answer(request).GetResponseStream())) return reader.ReadToEnd();
    }

    static WebResponse Answer(HttpWebRequest request)
    {
        try
        {
            return request.GetResponse();
        }
        catch (WebException fault) when (fault.Response != null)
        {
            return fault.Response;
        }
    }

    static void Claim(string name, Func<bool> holds)
    {
        try
        {
            Console.WriteLine(holds() ? "ok " + name : $"not ok {name}: it does not hold");
        }
        catch (Exception problem)
        {
            Console.WriteLine($"not ok {name}: {problem.GetType().Name} {problem.Message.Replace('\n', ' ')}");
        }
    }

    static string Env(string name) => Environment.GetEnvironmentVariable(name);
}
