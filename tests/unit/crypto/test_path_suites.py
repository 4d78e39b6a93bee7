"""Certification paths of other people's making: NIST PKITS, x509-limbo. What is invalid is never accepted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from cryptography import x509

from dicompack.crypto import certificates, revocation
from dicompack.crypto.revocation import Revocations
from dicompack.crypto.trust import AuthorityAnchor, Role, TrustStore
from dicompack.errors import DicomPackError, NoMatchError, UntrustedError
from tests.conftest import DATA, IN_CI

if IN_CI:
    import cryptography_vectors as vectors
else:
    vectors = pytest.importorskip("cryptography_vectors")

PKITS = Path(vectors.__file__).parent / "x509" / "PKITS_data"
LIMBO = DATA.parent / "corpus" / "x509-limbo"
AT = datetime(2026, 1, 1, tzinfo=UTC)

# What PKITS calls valid and is refused. Each refusal errs to the safe side.
REFUSED = {
    "no DSA": "ValidDSASignaturesTest4 ValidDSAParameterInheritanceTest5",
    "names are compared byte by byte": "ValidNameChainingCapitalizationTest5 "
    "ValidNameChainingWhitespaceTest3 ValidNameChainingWhitespaceTest4 "
    "ValidRolloverfromPrintableStringtoUTF8StringTest10 "
    "ValidUTF8StringCaseInsensitiveMatchTest11",
    "a GeneralizedTime before 2050": "ValidGeneralizedTimenotBeforeDateTest4",
    "constraints on directory names and URIs": "ValidDNandRFC822nameConstraintsTest27 "
    "ValidDNnameConstraintsTest1 ValidDNnameConstraintsTest4 ValidDNnameConstraintsTest5 "
    "ValidDNnameConstraintsTest6 ValidDNnameConstraintsTest11 ValidDNnameConstraintsTest14 "
    "ValidDNnameConstraintsTest18 ValidDNnameConstraintsTest19 ValidURInameConstraintsTest34 "
    "ValidURInameConstraintsTest36",
    "policy constraints and mappings": "ValidPolicyMappingTest1 ValidPolicyMappingTest3 "
    "ValidPolicyMappingTest5 ValidPolicyMappingTest6 ValidPolicyMappingTest9 ValidPolicyMappingTest11 "
    "ValidPolicyMappingTest12 ValidPolicyMappingTest13 ValidPolicyMappingTest14 "
    "ValidSelfIssuedinhibitAnyPolicyTest7 ValidSelfIssuedinhibitAnyPolicyTest9 "
    "ValidSelfIssuedinhibitPolicyMappingTest7 ValidSelfIssuedrequireExplicitPolicyTest6 "
    "ValidinhibitAnyPolicyTest2 ValidinhibitPolicyMappingTest2 ValidinhibitPolicyMappingTest4 "
    "ValidrequireExplicitPolicyTest1 ValidrequireExplicitPolicyTest2 ValidrequireExplicitPolicyTest4",
    "self-issued certificates count for the path length": "ValidSelfIssuedpathLenConstraintTest15 "
    "ValidSelfIssuedpathLenConstraintTest17",
    "basicConstraints of an authority are critical": "ValidbasicConstraintsNotCriticalTest4",
    "the end of the path is an authority's certificate": "ValidonlyContainsCACertsTest13 "
    "ValidpathLenConstraintTest14 ValidpathLenConstraintTest8",
    "lists are signed by the certificate's issuer, with its key": "ValidBasicSelfIssuedCRLSigningKeyTest6 "
    "ValidBasicSelfIssuedNewWithOldTest3 ValidBasicSelfIssuedNewWithOldTest4 "
    "ValidBasicSelfIssuedOldWithNewTest1 ValidSeparateCertificateandCRLKeysTest19",
    "lists of a part, and indirect ones, cover nothing": "ValidIDPwithindirectCRLTest22 "
    "ValidIDPwithindirectCRLTest24 ValidIDPwithindirectCRLTest25 ValidcRLIssuerTest28 ValidcRLIssuerTest29 "
    "ValidcRLIssuerTest30 ValidcRLIssuerTest33 ValiddistributionPointTest1 ValiddistributionPointTest4 "
    "ValiddistributionPointTest5 ValiddistributionPointTest7 ValidonlySomeReasonsTest18 "
    "ValidonlySomeReasonsTest19",
    "a delta list takes nothing back from a whole one": "ValiddeltaCRLTest5",
}

# What x509-limbo calls invalid and has a path by our rules; a signer it is not. Broken are the rules for
# names and purposes of servers, forms that an issuer owes, a setting that we do not have, or KEY-2 and KEY-3.
WEB_ONLY = frozenset(
    (
        "pathlen::max-chain-depth-0-exhausted",
        "pathological::nc-dos-3",
        "rfc5280::aki::leaf-missing-aki",
        "rfc5280::ee-critical-aia-invalid",
        "rfc5280::eku::ee-wrong-eku",
        "rfc5280::nc::not-allowed-in-ee-critical",
        "rfc5280::nc::not-allowed-in-ee-noncritical",
        "rfc5280::nc::permitted-dns-match-noncritical",
        "rfc5280::san::underscore-dns",
        "webpki::aki::root-with-aki-ski-mismatch",
        "webpki::ca-as-leaf",
        "webpki::cn::case-mismatch",
        "webpki::cn::punycode-not-in-san",
        "webpki::cn::utf8-vs-punycode-mismatch",
        "webpki::ee-basicconstraints-ca",
        "webpki::eku::ee-anyeku",
        "webpki::forbidden-dsa-leaf",
        "webpki::forbidden-rsa-not-divisible-by-8-in-root",
        "webpki::san::no-san",
        "webpki::san::public-suffix-multi-label-wildcard-san",
        "webpki::san::public-suffix-private-namespace-wildcard-san",
        "webpki::san::san-critical-with-nonempty-subject",
        "webpki::san::san-wildcard-only",
        "webpki::san::san-wildcard-only-tld",
        "webpki::san::wildcard-embedded-ulabel-san",
        "webpki::san::wildcard-not-in-leftmost-san",
    )
)


@cache
def pkits() -> tuple[dict[str, x509.Certificate | None], TrustStore]:
    """The certificates by name, None where one cannot be read; and a store with the root and all lists."""
    found: dict[str, x509.Certificate | None] = {}
    for path in sorted((PKITS / "certs").glob("*.crt")):
        try:
            found[path.stem] = certificates.parse_der(path.read_bytes(), NoMatchError)
        except NoMatchError:
            found[path.stem] = None
    lists = [one for path in (PKITS / "crls").glob("*.crl") for one in revocation.parse(path.read_bytes())]
    root = found["TrustAnchorRootCertificate"]
    assert root is not None
    return found, TrustStore((AuthorityAnchor("root", root),), Revocations(tuple(lists), demanded=True))


def accepted(name: str) -> bool:
    found, store = pkits()
    certificate = found[name]
    if certificate is None:
        return False
    chain, queue = [], [certificate]
    while queue:
        issuer = queue.pop(0).issuer
        for one in found.values():
            if one is not None and one.subject == issuer and one not in chain:
                chain.append(one)
                queue.append(one)
    assert len(chain) <= certificates.MAX_CHAIN + 1
    chain = [one for one in chain if one != found["TrustAnchorRootCertificate"]]
    try:
        store.judge(certificate, chain, AT)
    except UntrustedError:
        return False
    return True


def test_pkits_invalid_is_never_accepted():
    names = [name for name in pkits()[0] if name.startswith("Invalid")]
    assert len(names) > 90
    assert [name for name in names if accepted(name)] == []


def test_pkits_valid_is_accepted_or_listed_with_its_reason():
    names = [name for name in pkits()[0] if name.startswith("Valid")]
    listed = {name + "EE" for group in REFUSED.values() for name in group.split()}
    assert {name for name in names if not accepted(name)} == listed
    assert len(names) > len(listed)


BY_PATH = "path"


def limbo() -> list[tuple[str, bool, set[str]]]:
    """Each case: its name, whether it is valid, and the roles in which ours accepts it, or its path alone."""
    if not LIMBO.is_dir():
        pytest.skip("no development data")
    cases = []
    for path in sorted(LIMBO.glob("*.json")):
        case = json.loads(path.read_bytes())
        roles = {str(role) for role in (Role.SIGNER, Role.TIMESTAMP) if _judged(case, role)}
        with mock.patch("dicompack.crypto.trust._check_usage"):
            roles |= {BY_PATH} if _judged(case, Role.SIGNER) else set()
        cases.append((case["id"], case["expected_result"] == "SUCCESS", roles))
    return cases


def _judged(case: dict, role: Role) -> bool:
    def parse(text: str) -> x509.Certificate:
        return certificates.parse_any(text.encode(), UntrustedError)[0]

    at = datetime.fromisoformat(case["validation_time"]) if case["validation_time"] else AT
    try:
        anchors = [AuthorityAnchor("root", parse(text), frozenset((role,))) for text in case["trusted_certs"]]
        lists = [one for text in case.get("crls", ()) for one in revocation.parse(text.encode())]
        chain = [parse(text) for text in case["untrusted_intermediates"]]
        TrustStore(tuple(anchors), Revocations(tuple(lists))).judge(
            parse(case["peer_certificate"]), chain, at, role
        )
    except DicomPackError:
        return False
    return True


@pytest.mark.shared_data
def test_limbo_invalid_is_never_accepted():
    """TLS certificates are no signers, and make no time-stamps; without such rules the path alone counts."""
    cases = limbo()
    # The one certificate without purposes; as a valid one it may sign.
    assert {name for name, _, roles in cases if Role.SIGNER in roles} == {"rfc5280::eku::ee-without-eku"}
    assert ("rfc5280::eku::ee-without-eku", True, {Role.SIGNER, BY_PATH}) in cases
    assert not any(Role.TIMESTAMP in roles for _, _, roles in cases)
    by_path = {name for name, valid, roles in cases if not valid and BY_PATH in roles}
    assert by_path == WEB_ONLY
    refused = {name for name, valid, roles in cases if valid and BY_PATH not in roles}
    assert refused == {"pathlen::self-issued-certs-pathlen", "rfc5280::nc::permitted-dn-match"}
