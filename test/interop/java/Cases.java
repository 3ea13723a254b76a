import bastion.BastionFault_Exception;
import bastion.GetSecureEmailRequest;
import bastion.SecureEmail;
import bastion.SecureEmailAttachment;
import bastion.SendSecureEmailRequest;
import java.net.URL;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** `java Cases ATTACHMENT-CASE`: what a Java stack's Partner can do, shown on a running Bastion; test/interop/run.ts says what each case means. */
final class Cases {
    interface Claim {
        boolean holds() throws Exception;
    }

    private static final Map<String, String> env = System.getenv();
    private static SecureEmail bastion;

    public static void main(String[] arguments) throws Exception {
        bastion = connected("bastion.p12");
        claim("signed call", () -> sends(bastion, "signed call"));
        claim("fault", () -> missing(bastion).equals("not_found"));
        String attachment = arguments[0];
        claim(attachment, () -> attaches(attachment));
        claim("tampered refused", Cases::tampered);
        claim("answer verified", Cases::answerVerified);
        System.exit(0);
    }

    private static SecureEmail connected(String signer) throws Exception {
        URL wsdl = new URL(env.get("SOAP_ORIGIN") + "/soap/v3/secure-email?wsdl");
        return Partner.connect(wsdl, env.get("API_KEY"), keys("partner.p12"), keys(signer), env.get("PASSWORD"));
    }

    private static String keys(String file) {
        return Path.of(env.get("STORES"), file).toString();
    }

    private static boolean sends(SecureEmail port, String subject, SecureEmailAttachment... attachments)
            throws Exception {
        return port.sendSecureEmail(message(subject, attachments)).getStatus().value().equals("queued");
    }

    private static SendSecureEmailRequest message(String subject, SecureEmailAttachment... attachments) {
        SendSecureEmailRequest message = new SendSecureEmailRequest();
        message.setFrom(env.get("MAIL_FROM"));
        message.getTo().add("jane@example.com");
        message.setSubject(subject);
        message.setBodyHtml("<p>Hello</p>");
        message.getAttachments().addAll(List.of(attachments));
        return message;
    }

    private static boolean attaches(String name) throws Exception {
        SecureEmail port = connected("bastion.p12");
        SecureEmailAttachment file = Partner.attach(port, Path.of(env.get("ATTACHMENT")), "application/octet-stream");
        return sends(port, name, file);
    }

    private static String missing(SecureEmail port) {
        GetSecureEmailRequest request = new GetSecureEmailRequest();
        request.setMessageId("msg_00000000000000000000000000");
        try {
            port.getSecureEmail(request);
            return "nothing";
        } catch (BastionFault_Exception fault) {
            return fault.getFaultInfo().getError();
        }
    }

    private static boolean tampered() throws Exception {
        SecureEmail changing = connected("bastion.p12");
        Changing.requests(changing, "Hello", "Hullo");
        try {
            changing.sendSecureEmail(message("tampered refused"));
            return false;
        } catch (RuntimeException refusal) {
            return refusal.getMessage().contains("could not be authenticated");
        }
    }

    /** Neither a changed answer is taken, nor one that anybody else than Bastion signed. */
    private static boolean answerVerified() throws Exception {
        SecureEmail changing = connected("bastion.p12");
        Changing.answers(changing, "not_found", "not_fuond");
        return unbelieved(changing) && unbelieved(connected("partner-certificate.p12"));
    }

    private static boolean unbelieved(SecureEmail port) {
        try {
            missing(port);
            return false;
        } catch (RuntimeException refusal) {
            return refusal.getMessage().matches(".*(signature|certificate|security token).*");
        }
    }

    private static void claim(String name, Claim claim) {
        try {
            System.out.println(claim.holds() ? "ok " + name : "not ok " + name + ": it does not hold");
        } catch (Exception problem) {
            System.out.println("not ok " + name + ": " + problem.toString().replace('\n', ' '));
        }
    }
}
