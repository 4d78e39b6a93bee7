import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.MGF1ParameterSpec;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.GeneralSecurityException;
import java.security.Key;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.cms.GCMParameters;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.jcajce.io.CipherInputStream;
import org.bouncycastle.operator.InputAEADDecryptor;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/** Opens and makes AuthEnvelopedData with BouncyCastle: open|seal rsa|ec|password KEY-OR-CERTIFICATE IN OUT. */
public final class Envelopes {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] given = Files.readAllBytes(Path.of(args[2]));
        byte[] in = Files.readAllBytes(Path.of(args[3]));
        byte[] out = args[0].equals("open") ? open(args[1], given, in) : seal(args[1], given, in);
        Files.write(Path.of(args[4]), out);
    }

    private static byte[] open(String kind, byte[] given, byte[] in) throws Exception {
        CMSAuthEnvelopedData envelope = new CMSAuthEnvelopedData(in);
        CMSException last = null;
        for (RecipientInformation one : envelope.getRecipientInfos().getRecipients()) {
            try {
                if (kind.equals("rsa") && one instanceof KeyTransRecipientInformation) {
                    return one.getContent(new JceKeyTransAuthEnvelopedRecipient(key("RSA", given)).setProvider("BC"));
                }
                if (kind.equals("ec") && one instanceof KeyAgreeRecipientInformation) {
                    return one.getContent(new Agreeing(key("EC", given)).setProvider("BC"));
                }
                if (kind.equals("password") && one instanceof PasswordRecipientInformation) {
                    Recipient recipient = new Knowing(new String(given, "US-ASCII").toCharArray())
                        .setProvider("BC").setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8);
                    return one.getContent(recipient);
                }
            } catch (CMSException error) {
                last = error;
            }
        }
        throw new IllegalStateException("nobody could open it", last);
    }

    private static byte[] seal(String kind, byte[] given, byte[] in) throws Exception {
        CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
        if (kind.equals("password")) {
            JcePasswordRecipientInfoGenerator password = new JcePasswordRecipientInfoGenerator(
                CMSAlgorithm.AES256_CBC, new String(given, "US-ASCII").toCharArray());
            password.setProvider("BC").setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8);
            password.setPRF(PasswordRecipient.PRF.HMacSHA256);
            password.setSaltAndIterationCount("sixteen bytes ok".getBytes("US-ASCII"), 100000);
            generator.addRecipientInfoGenerator(password);
        } else {
            X509Certificate certificate = (X509Certificate) CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(given));
            byte[] identifier = SubjectKeyIdentifier.getInstance(new JcaX509CertificateHolder(certificate)
                .getExtension(Extension.subjectKeyIdentifier).getParsedValue()).getKeyIdentifier();
            if (kind.equals("rsa")) {
                AlgorithmIdentifier oaep = new JcaAlgorithmParametersConverter().getAlgorithmIdentifier(
                    new ASN1ObjectIdentifier("1.2.840.113549.1.1.7"),
                    new OAEPParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, PSource.PSpecified.DEFAULT));
                generator.addRecipientInfoGenerator(
                    new JceKeyTransRecipientInfoGenerator(identifier, oaep, certificate.getPublicKey()).setProvider("BC"));
            } else {
                ECPublicKey target = (ECPublicKey) certificate.getPublicKey();
                KeyPairGenerator keys = KeyPairGenerator.getInstance("EC", "BC");
                boolean small = target.getParams().getCurve().getField().getFieldSize() == 256;
                keys.initialize(new ECGenParameterSpec(small ? "P-256" : "P-384"));
                KeyPair pair = keys.generateKeyPair();
                JceKeyAgreeRecipientInfoGenerator agreement = new JceKeyAgreeRecipientInfoGenerator(
                    small ? CMSAlgorithm.ECDH_SHA256KDF : CMSAlgorithm.ECDH_SHA384KDF,
                    pair.getPrivate(), pair.getPublic(), CMSAlgorithm.AES256_WRAP);
                agreement.setProvider("BC");
                agreement.addRecipient(identifier, target);
                generator.addRecipientInfoGenerator(agreement);
            }
        }
        OutputAEADEncryptor encryptor = (OutputAEADEncryptor)
            new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_GCM).setProvider("BC").build();
        return generator.generate(new CMSProcessableByteArray(in), encryptor).toASN1Structure().getEncoded("DER");
    }

    private static PrivateKey key(String algorithm, byte[] pkcs8) throws Exception {
        return KeyFactory.getInstance(algorithm, "BC").generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
    }

    /** What BouncyCastle 1.72 has for RSA only: the other kinds of recipients of an AuthEnvelopedData. */
    private static final class Agreeing extends JceKeyAgreeRecipient {
        Agreeing(PrivateKey key) {
            super(key);
        }

        @Override
        public RecipientOperator getRecipientOperator(AlgorithmIdentifier wrap, AlgorithmIdentifier content,
                SubjectPublicKeyInfo sender, ASN1OctetString material, byte[] wrapped) throws CMSException {
            return new RecipientOperator(new Decryptor(extractSecretKey(wrap, content, sender, material, wrapped), content));
        }
    }

    private static final class Knowing extends JcePasswordEnvelopedRecipient {
        Knowing(char[] password) {
            super(password);
        }

        @Override
        public RecipientOperator getRecipientOperator(AlgorithmIdentifier wrap, AlgorithmIdentifier content,
                byte[] derived, byte[] wrapped) throws CMSException {
            return new RecipientOperator(new Decryptor(extractSecretKey(wrap, content, derived, wrapped), content));
        }
    }

    private static final class Decryptor implements InputAEADDecryptor {
        private final AlgorithmIdentifier algorithm;
        private final Cipher cipher;

        Decryptor(Key key, AlgorithmIdentifier algorithm) throws CMSException {
            this.algorithm = algorithm;
            try {
                GCMParameters parameters = GCMParameters.getInstance(algorithm.getParameters());
                cipher = Cipher.getInstance("AES/GCM/NoPadding", "BC");
                cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key.getEncoded(), "AES"),
                    new GCMParameterSpec(8 * parameters.getIcvLen(), parameters.getNonce()));
            } catch (GeneralSecurityException error) {
                throw new CMSException("no such key", error);
            }
        }

        @Override
        public AlgorithmIdentifier getAlgorithmIdentifier() {
            return algorithm;
        }

        @Override
        public InputStream getInputStream(InputStream in) {
            return new CipherInputStream(in, cipher);
        }

        @Override
        public OutputStream getAADStream() {
            return OutputStream.nullOutputStream();
        }

        @Override
        public byte[] getMAC() {
            return new byte[0];
        }
    }
}
