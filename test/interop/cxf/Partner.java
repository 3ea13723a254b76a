import bastion.Binary;
import bastion.SecureEmail;
import bastion.SecureEmailAttachment;
import bastion.SecureEmailService;
import jakarta.xml.ws.BindingProvider;
import jakarta.xml.ws.handler.MessageContext;
import jakarta.xml.ws.soap.MTOMFeature;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.cxf.transport.http.HTTPConduit;
import org.apache.cxf.ws.security.SecurityConstants;

/**
 * Bastion for Java with Apache CXF, which signs and verifies by the policy in the WSDL. Needs the three cxf-rt-* of pom.xml
 * and the package that wsdl2java -p bastion makes of the WSDL. TLS is as the JVM is told: javax.net.ssl.keyStore holds
 * your key, javax.net.ssl.trustStore the server's CA.
 */
final class Partner {
    /**
     * @param keys PKCS#12 file with your key under the alias partner
     * @param signer PKCS#12 file with Bastion's signing certificate and no other: who is in there is believed
     */
    static SecureEmail connect(URL wsdl, String apiKey, String keys, String signer, String password) {
        SecureEmail port = new SecureEmailService(wsdl).getSecureEmailPort(new MTOMFeature());
        Map<String, Object> context = ((BindingProvider) port).getRequestContext();
        Map<String, List<String>> headers = new HashMap<>();
        headers.put("Authorization", List.of("Bearer " + apiKey));
        context.put(MessageContext.HTTP_REQUEST_HEADERS, headers);
        context.put(HTTPConduit.PROCESS_FAULT_ON_HTTP_400, true);
        context.put(SecurityConstants.SIGNATURE_PROPERTIES, store(keys, password));
        context.put(SecurityConstants.SIGNATURE_USERNAME, "partner");
        context.put(SecurityConstants.SIGNATURE_PASSWORD, password);
        context.put(SecurityConstants.ENCRYPT_PROPERTIES, store(signer, password));
        context.put(SecurityConstants.STORE_BYTES_IN_ATTACHMENT, false);
        // The policy's Basic256Sha256 means SHA-256 for digests and still SHA-1 for signatures.
        context.put(SecurityConstants.ASYMMETRIC_SIGNATURE_ALGORITHM, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
        return port;
    }

    /** A file that travels as a part of the message (MTOM). */
    static SecureEmailAttachment attach(SecureEmail port, Path file, String contentType) throws IOException {
        Binary content = new Binary();
        content.setValue(Files.readAllBytes(file));
        SecureEmailAttachment attachment = new SecureEmailAttachment();
        attachment.setFilename(file.getFileName().toString());
        attachment.setContentType(contentType);
        attachment.setContent(content);
        return attachment;
    }

    private static Properties store(String file, String password) {
        Properties store = new Properties();
        store.put("org.apache.wss4j.crypto.provider", "org.apache.wss4j.common.crypto.Merlin");
        store.put("org.apache.wss4j.crypto.merlin.keystore.type", "pkcs12");
        store.put("org.apache.wss4j.crypto.merlin.keystore.file", file);
        store.put("org.apache.wss4j.crypto.merlin.keystore.password", password);
        return store;
    }
}
