"""All knowledge of keys, X.509 and CMS: bytes in, bytes out.

Nothing here has heard of DICOM, opens a file, or asks a clock (but `new_identity`, when given no time).

    der, algorithms       strict DER; the closed list of algorithms
    certificates          what a certificate must be; names and fingerprints
    contacts, identities  the public half of an identity; making a new one
    keys                  private keys from PKCS #12 and PEM
    derivation            the project key and what is derived from it
    signatures            raw RSA signatures
    passwords             passwords, and keys that come of them
    signed, enveloped     CMS SignedData and AuthEnvelopedData
    recipients            for whom an envelope is, one module for each kind of key
    trust                 whom to believe
"""
