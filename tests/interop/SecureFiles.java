import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.SignedData;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/** Opens and makes Secure DICOM Files: open|seal rsa|password GIVEN SIGNER-CERTIFICATE SIGNER-KEY IN OUT. */
public final class SecureFiles {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] given = Files.readAllBytes(Path.of(args[2]));
        X509Certificate signer = certificate(Files.readAllBytes(Path.of(args[3])));
        byte[] in = Files.readAllBytes(Path.of(args[5]));
        byte[] out = args[0].equals("open")
            ? open(args[1], given, signer, in)
            : seal(args[1], given, signer, key(Files.readAllBytes(Path.of(args[4]))), in);
        Files.write(Path.of(args[6]), out);
    }

    private static byte[] open(String kind, byte[] given, X509Certificate signer, byte[] in) throws Exception {
        CMSEnvelopedData envelope = new CMSEnvelopedData(in);
        if (!envelope.toASN1Structure().getContentType().equals(CMSObjectIdentifiers.envelopedData)) {
            throw new IllegalStateException("another content type");
        }
        for (RecipientInformation one : envelope.getRecipientInfos().getRecipients()) {
            byte[] inner = null;
            if (kind.equals("rsa") && one instanceof KeyTransRecipientInformation) {
                inner = one.getContent(new JceKeyTransEnvelopedRecipient(key(given)).setProvider("BC"));
            } else if (kind.equals("password") && one instanceof PasswordRecipientInformation) {
                inner = one.getContent(new JcePasswordEnvelopedRecipient(new String(given, "US-ASCII").toCharArray())
                    .setProvider("BC").setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8));
            }
            if (inner != null) {
                return verified(inner, signer);
            }
        }
        throw new IllegalStateException("nobody could open it");
    }

    /** What the outer content type says: a bare SignedData. */
    private static byte[] verified(byte[] inner, X509Certificate signer) throws Exception {
        CMSSignedData signed = new CMSSignedData(
            new ContentInfo(CMSObjectIdentifiers.signedData, SignedData.getInstance(inner)));
        for (SignerInformation one : signed.getSignerInfos().getSigners()) {
            if (!one.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(signer.getPublicKey()))) {
                throw new IllegalStateException("the signature does not fit");
            }
        }
        return (byte[]) signed.getSignedContent().getContent();
    }

    private static byte[] seal(String kind, byte[] given, X509Certificate signer, PrivateKey key, byte[] in)
            throws Exception {
        CMSSignedDataGenerator signing = new CMSSignedDataGenerator();
        signing.addSignerInfoGenerator(new JcaSignerInfoGeneratorBuilder(
            new JcaDigestCalculatorProviderBuilder().setProvider("BC").build())
            .build(new JcaContentSignerBuilder("SHA512withRSA").setProvider("BC").build(key), signer));
        signing.addCertificates(new JcaCertStore(List.of(signer)));
        byte[] inner = SignedData.getInstance(
            signing.generate(new CMSProcessableByteArray(in), true).toASN1Structure().getContent()).getEncoded("DER");
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        if (kind.equals("password")) {
            JcePasswordRecipientInfoGenerator password = new JcePasswordRecipientInfoGenerator(
                CMSAlgorithm.AES256_CBC, new String(given, "US-ASCII").toCharArray());
            password.setProvider("BC").setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8);
            password.setPRF(PasswordRecipient.PRF.HMacSHA256);
            password.setSaltAndIterationCount("sixteen bytes ok".getBytes("US-ASCII"), 100000);
            generator.addRecipientInfoGenerator(password);
        } else {
            generator.addRecipientInfoGenerator(
                new JceKeyTransRecipientInfoGenerator(certificate(given)).setProvider("BC"));
        }
        return generator.generate(new CMSProcessableByteArray(CMSObjectIdentifiers.signedData, inner),
            new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC).setProvider("BC").build())
            .toASN1Structure().getEncoded("DER");
    }

    private static PrivateKey key(byte[] pkcs8) throws Exception {
        return KeyFactory.getInstance("RSA", "BC").generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
    }

    private static X509Certificate certificate(byte[] der) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(der));
    }
}
