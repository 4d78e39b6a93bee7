import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.SignerInfoGenerator;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.*;

/** BouncyCastle as authority and as judge: reply QUERY CERTIFICATE KEY ALGORITHM OUT | verify TOKEN CERTIFICATE VALUE. */
public final class TimeStamps {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] given = Files.readAllBytes(Path.of(args[1]));
        X509Certificate certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(Files.newInputStream(Path.of(args[2])));
        if (args[0].equals("reply")) {
            byte[] key = Files.readAllBytes(Path.of(args[3]));
            Files.write(Path.of(args[5]), reply(given, certificate, key, args[4]));
        } else {
            verify(given, certificate, Files.readAllBytes(Path.of(args[3])));
        }
    }

    private static byte[] reply(byte[] query, X509Certificate certificate, byte[] raw, String algorithm) throws Exception {
        TimeStampRequest request = new TimeStampRequest(query);
        String kind = algorithm.endsWith("ECDSA") ? "EC" : "RSA";
        PrivateKey key = KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(raw));
        SignerInfoGenerator signer = new JcaSimpleSignerInfoGeneratorBuilder().build(algorithm, key, certificate);
        TimeStampTokenGenerator tokens = new TimeStampTokenGenerator(
            signer,
            new JcaDigestCalculatorProviderBuilder().build().get(new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256)),
            new ASN1ObjectIdentifier("1.2.3.4.1"));
        tokens.addCertificates(new JcaCertStore(List.of(certificate)));
        tokens.setAccuracyMillis(500);
        TimeStampResponseGenerator replies = new TimeStampResponseGenerator(tokens, TSPAlgorithms.ALLOWED);
        return replies.generate(request, BigInteger.ONE, new Date()).getEncoded("DER");
    }

    private static void verify(byte[] raw, X509Certificate certificate, byte[] value) throws Exception {
        TimeStampToken token = new TimeStampToken(new org.bouncycastle.cms.CMSSignedData(raw));
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate));
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(value);
        if (!Arrays.equals(digest, token.getTimeStampInfo().getMessageImprintDigest())) {
            throw new TSPException("another imprint");
        }
    }
}
