import static java.nio.charset.StandardCharsets.UTF_8;

import bastion.SecureEmail;
import jakarta.xml.soap.SOAPMessage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import org.apache.cxf.binding.soap.SoapMessage;
import org.apache.cxf.frontend.ClientProxy;
import org.apache.cxf.interceptor.Fault;
import org.apache.cxf.phase.AbstractPhaseInterceptor;
import org.apache.cxf.phase.Phase;
import org.w3c.dom.Element;

/** Somebody between CXF and Bastion. */
final class Changing {
    /** Between signing and writing. */
    static void requests(SecureEmail port, String from, String to) {
        ClientProxy.getClient(port).getOutInterceptors().add(new Interceptor(Phase.PRE_PROTOCOL_ENDING) {
            @Override
            public void handleMessage(SoapMessage message) {
                Element envelope = message.getContent(SOAPMessage.class).getSOAPPart().getDocumentElement();
                var html = envelope.getElementsByTagNameNS("*", "bodyHtml").item(0);
                html.setTextContent(html.getTextContent().replace(from, to));
            }
        });
    }

    static void answers(SecureEmail port, String from, String to) {
        ClientProxy.getClient(port).getInInterceptors().add(new Interceptor(Phase.RECEIVE) {
            @Override
            public void handleMessage(SoapMessage message) {
                try {
                    String text = new String(message.getContent(InputStream.class).readAllBytes(), UTF_8);
                    message.setContent(InputStream.class, new ByteArrayInputStream(text.replace(from, to).getBytes(UTF_8)));
                } catch (IOException problem) {
                    throw new Fault(problem);
                }
            }
        });
    }

    private abstract static class Interceptor extends AbstractPhaseInterceptor<SoapMessage> {
        Interceptor(String phase) {
            super(phase);
            addBefore("org.apache.cxf.binding.soap.saaj.SAAJOutInterceptor$SAAJOutEndingInterceptor");
        }
    }
}
