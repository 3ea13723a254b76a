import bastion.Binary;
import bastion.SecureEmail;
import bastion.SecureEmailAttachment;
import bastion.SecureEmailService;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import javax.activation.DataHandler;
import javax.activation.FileDataSource;
import javax.xml.namespace.QName;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMResult;
import javax.xml.transform.dom.DOMSource;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.ProtocolException;
import javax.xml.ws.handler.MessageContext;
import javax.xml.ws.handler.soap.SOAPHandler;
import javax.xml.ws.handler.soap.SOAPMessageContext;
import org.apache.ws.security.WSConstants;
import org.apache.ws.security.WSDataRef;
import org.apache.ws.security.WSEncryptionPart;
import org.apache.ws.security.WSSecurityEngine;
import org.apache.ws.security.WSSecurityEngineResult;
import org.apache.ws.security.components.crypto.Crypto;
import org.apache.ws.security.components.crypto.CryptoFactory;
import org.apache.ws.security.message.WSSecHeader;
import org.apache.ws.security.message.WSSecSignature;
import org.apache.ws.security.message.WSSecTimestamp;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/**
 * Bastion for Java with the JAX-WS reference implementation: a handler that signs and verifies with WSS4J. Needs the package
 * that wsimport -extension -p bastion makes of the WSDL. TLS is as the JVM is told: javax.net.ssl.keyStore holds your key,
 * javax.net.ssl.trustStore the server's CA.
 */
final class Partner implements SOAPHandler<SOAPMessageContext> {
    private final Crypto own;
    private final Crypto bastion;
    private final String password;

    /**
     * @param keys PKCS#12 file with your key under the alias partner
     * @param signer PKCS#12 file with Bastion's signing certificate and no other: who is in there is believed
     */
    static SecureEmail connect(URL wsdl, String apiKey, String keys, String signer, String password) throws Exception {
        SecureEmail port = new SecureEmailService(wsdl).getSecureEmailPort();
        BindingProvider provider = (BindingProvider) port;
        Map<String, List<String>> headers = Map.of("Authorization", List.of("Bearer " + apiKey));
        provider.getRequestContext().put(MessageContext.HTTP_REQUEST_HEADERS, headers);
        provider.getBinding().setHandlerChain(List.of(new Partner(keys, signer, password)));
        return port;
    }

    /** A file that travels beside the messages of the port (SOAP with Attachments). */
    static SecureEmailAttachment attach(SecureEmail port, Path file, String contentType) throws Exception {
        byte[] sha256 = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        Binary content = new Binary();
        content.setContentId(UUID.randomUUID().toString());
        content.setSha256(String.format("%064x", new java.math.BigInteger(1, sha256)));
        SecureEmailAttachment attachment = new SecureEmailAttachment();
        attachment.setFilename(file.getFileName().toString());
        attachment.setContentType(contentType);
        attachment.setContent(content);
        Map<String, DataHandler> parts = Map.of(content.getContentId(), new DataHandler(new FileDataSource(file.toFile())));
        ((BindingProvider) port).getRequestContext().put(MessageContext.OUTBOUND_MESSAGE_ATTACHMENTS, parts);
        return attachment;
    }

    private Partner(String keys, String signer, String password) throws Exception {
        this.own = store(keys, password);
        this.bastion = store(signer, password);
        this.password = password;
    }

    private static Crypto store(String file, String password) throws Exception {
        Properties store = new Properties();
        store.put("org.apache.ws.security.crypto.provider", "org.apache.ws.security.components.crypto.Merlin");
        store.put("org.apache.ws.security.crypto.merlin.keystore.type", "pkcs12");
        store.put("org.apache.ws.security.crypto.merlin.keystore.file", file);
        store.put("org.apache.ws.security.crypto.merlin.keystore.password", password);
        return CryptoFactory.getInstance(store);
    }

    /** WSS4J works on a plain copy, for it cannot on SAAJ's own documents; what it saw is what goes on. */
    @Override
    public boolean handleMessage(SOAPMessageContext context) {
        try {
            DOMResult copy = new DOMResult();
            DOMSource original = new DOMSource(context.getMessage().getSOAPPart().getDocumentElement());
            TransformerFactory.newInstance().newTransformer().transform(original, copy);
            Document envelope = (Document) copy.getNode();
            if ((Boolean) context.get(MessageContext.MESSAGE_OUTBOUND_PROPERTY)) sign(envelope);
            else verify(envelope);
            context.getMessage().getSOAPPart().setContent(new DOMSource(envelope));
            return true;
        } catch (Exception problem) {
            throw new ProtocolException(problem.getMessage(), problem);
        }
    }

    @Override
    public boolean handleFault(SOAPMessageContext context) {
        return handleMessage(context);
    }

    private void sign(Document envelope) throws Exception {
        WSSecHeader header = new WSSecHeader();
        header.insertSecurityHeader(envelope);
        new WSSecTimestamp().build(envelope, header);
        WSSecSignature signature = new WSSecSignature();
        signature.setUserInfo("partner", password);
        signature.setKeyIdentifierType(WSConstants.BST_DIRECT_REFERENCE);
        signature.setSignatureAlgorithm("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
        signature.setDigestAlgo(WSConstants.SHA256);
        signature.setParts(List.of(
                new WSEncryptionPart("Timestamp", WSConstants.WSU_NS, "Element"),
                new WSEncryptionPart("Body", WSConstants.URI_SOAP12_ENV, "Element")));
        signature.build(envelope, own, header);
    }

    /** Nothing but a signature of Bastion's over this Body will do. */
    private void verify(Document envelope) throws Exception {
        Element body = (Element) envelope.getElementsByTagNameNS(WSConstants.URI_SOAP12_ENV, "Body").item(0);
        List<WSSecurityEngineResult> results =
                new WSSecurityEngine().processSecurityHeader(envelope, null, null, bastion);
        for (WSSecurityEngineResult result : results == null ? List.<WSSecurityEngineResult>of() : results) {
            List<?> signed = (List<?>) result.getOrDefault(WSSecurityEngineResult.TAG_DATA_REF_URIS, List.of());
            if (signed.stream().anyMatch(each -> ((WSDataRef) each).getProtectedElement() == body)) return;
        }
        throw new SecurityException("not signed by Bastion: " + body.getTextContent());
    }

    /** The answer's Security header must be understood; it is. */
    @Override
    public Set<QName> getHeaders() {
        return Set.of(new QName(WSConstants.WSSE_NS, "Security"));
    }

    @Override
    public void close(MessageContext context) {}
}
