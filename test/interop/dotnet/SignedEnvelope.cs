using System;
using System.Linq;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using System.Xml;

/// <summary>Envelopes that SignedXml signs and verifies as WS-Security wants it. SignedXml takes RSA keys.</summary>
public sealed class SignedEnvelope : SignedXml
{
    const string Soap = "http://www.w3.org/2003/05/soap-envelope";
    const string Oasis = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
    const string Wsse = Oasis + "wssecurity-secext-1.0.xsd";
    const string Wsu = Oasis + "wssecurity-utility-1.0.xsd";
    const string X509 = Oasis + "x509-token-profile-1.0#X509v3";

    readonly XmlDocument envelope;

    SignedEnvelope(string xml) : this(Parse(xml)) { }

    SignedEnvelope(XmlDocument document) : base(document) => envelope = document;

    /// <param name="body">what stands in Body</param>
    /// <param name="partner">your certificate with its private key</param>
    public static string Sign(string body, X509Certificate2 partner)
    {
        var now = DateTime.UtcNow;
        // A new name each time: two messages of one millisecond would otherwise be one message, sent twice.
        var timestamp = "timestamp-" + Guid.NewGuid();
        var signed = new SignedEnvelope(
            $@"<soap:Envelope xmlns:soap=""{Soap}""><soap:Header>" +
            $@"<wsse:Security xmlns:wsse=""{Wsse}"" xmlns:wsu=""{Wsu}"" soap:mustUnderstand=""true"">" +
            $@"<wsse:BinarySecurityToken wsu:Id=""token"" ValueType=""{X509}"" " +
            $@"EncodingType=""{Oasis}soap-message-security-1.0#Base64Binary"">" +
            $"{Convert.ToBase64String(partner.RawData)}</wsse:BinarySecurityToken>" +
            $@"<wsu:Timestamp wsu:Id=""{timestamp}""><wsu:Created>{Utc(now)}</wsu:Created>" +
            $"<wsu:Expires>{Utc(now.AddMinutes(5))}</wsu:Expires></wsu:Timestamp></wsse:Security></soap:Header>" +
            $@"<soap:Body xmlns:wsu=""{Wsu}"" wsu:Id=""body"">{body}</soap:Body></soap:Envelope>");
        signed.SigningKey = partner.GetRSAPrivateKey();
        signed.SignedInfo.CanonicalizationMethod = XmlDsigExcC14NTransformUrl;
        signed.SignedInfo.SignatureMethod = XmlDsigRSASHA256Url;
        foreach (var id in new[] { timestamp, "body" })
        {
            var reference = new Reference("#" + id) { DigestMethod = XmlDsigSHA256Url };
            reference.AddTransform(new XmlDsigExcC14NTransform());
            signed.AddReference(reference);
        }
        signed.KeyInfo = new KeyInfo();
        signed.KeyInfo.AddClause(new KeyInfoNode(Parse(
            $@"<wsse:SecurityTokenReference xmlns:wsse=""{Wsse}"">" +
            $@"<wsse:Reference URI=""#token"" ValueType=""{X509}""/></wsse:SecurityTokenReference>").DocumentElement));
        signed.ComputeSignature();
        signed.Find("/soap:Envelope/soap:Header/wsse:Security").AppendChild(signed.GetXml());
        return signed.envelope.OuterXml;
    }

    /// <param name="bastion">Bastion's signing certificate, as you were given it; the one in the answer proves nothing</param>
    /// <returns>what stands in Body, a fault included: an element that Bastion signed</returns>
    /// <exception cref="CryptographicException">when anything else stands there</exception>
    public static XmlElement Verify(string answer, X509Certificate2 bastion)
    {
        var signed = new SignedEnvelope(answer);
        var body = signed.Find("/soap:Envelope/soap:Body");
        var signature = signed.Find("/soap:Envelope/soap:Header/wsse:Security/ds:Signature");
        if (signature != null) signed.LoadXml(signature);
        if (signature == null || !signed.CheckSignature(bastion.GetRSAPublicKey()) || !signed.Covers(body))
            throw new CryptographicException("not signed by Bastion: " + answer);
        return (XmlElement)body.FirstChild;
    }

    bool Covers(XmlElement element) =>
        SignedInfo.References.Cast<Reference>().Any(each => GetIdElement(envelope, each.Uri.TrimStart('#')) == element);

    /// <summary>SignedXml itself knows attributes called Id only. An id that stands twice names nothing.</summary>
    public override XmlElement GetIdElement(XmlDocument document, string idValue)
    {
        var named = document.GetElementsByTagName("*").OfType<XmlElement>().Where(each => each.GetAttribute("Id", Wsu) == idValue);
        return named.Take(2).Count() == 1 ? named.First() : null;
    }

    XmlElement Find(string path)
    {
        var names = new XmlNamespaceManager(envelope.NameTable);
        names.AddNamespace("soap", Soap);
        names.AddNamespace("wsse", Wsse);
        names.AddNamespace("ds", XmlDsigNamespaceUrl);
        return (XmlElement)envelope.SelectSingleNode(path, names);
    }

    static XmlDocument Parse(string xml)
    {
        var document = new XmlDocument { PreserveWhitespace = true };
        document.LoadXml(xml);
        return document;
    }

    static string Utc(DateTime time) => XmlConvert.ToString(time, XmlDateTimeSerializationMode.Utc);
}
