import bastion.SecureEmail;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import javax.xml.namespace.QName;
import javax.xml.soap.SOAPException;
import javax.xml.ws.Binding;
import javax.xml.ws.BindingProvider;
import javax.xml.ws.handler.Handler;
import javax.xml.ws.handler.MessageContext;
import javax.xml.ws.handler.soap.SOAPHandler;
import javax.xml.ws.handler.soap.SOAPMessageContext;
import org.w3c.dom.Node;

/** Somebody between the handler that signs and Bastion: the last to see a request, the first to see an answer. */
final class Changing implements SOAPHandler<SOAPMessageContext> {
    private final boolean outbound;
    private final String from;
    private final String to;

    static void requests(SecureEmail port, String from, String to) {
        add(port, new Changing(true, from, to));
    }

    static void answers(SecureEmail port, String from, String to) {
        add(port, new Changing(false, from, to));
    }

    @SuppressWarnings("rawtypes")
    private static void add(SecureEmail port, Changing changing) {
        Binding binding = ((BindingProvider) port).getBinding();
        List<Handler> chain = new ArrayList<>(binding.getHandlerChain());
        chain.add(changing);
        binding.setHandlerChain(chain);
    }

    private Changing(boolean outbound, String from, String to) {
        this.outbound = outbound;
        this.from = from;
        this.to = to;
    }

    @Override
    public boolean handleMessage(SOAPMessageContext context) {
        try {
            if (outbound == (Boolean) context.get(MessageContext.MESSAGE_OUTBOUND_PROPERTY)) {
                change(context.getMessage().getSOAPBody());
            }
            return true;
        } catch (SOAPException problem) {
            throw new IllegalStateException(problem);
        }
    }

    private void change(Node node) {
        if (node.getNodeType() == Node.TEXT_NODE) node.setNodeValue(node.getNodeValue().replace(from, to));
        for (Node child = node.getFirstChild(); child != null; child = child.getNextSibling()) change(child);
    }

    @Override
    public boolean handleFault(SOAPMessageContext context) {
        return handleMessage(context);
    }

    @Override
    public Set<QName> getHeaders() {
        return Set.of();
    }

    @Override
    public void close(MessageContext context) {}
}
