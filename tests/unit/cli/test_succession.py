"""Keys that end: `keys revoke` and `keys rotate`, on both sides (KEY-11, KEY-12, KEY-13, TRU-10)."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicompack.cli.configuration import pinned_contacts
from dicompack.cli.contacts import pin, recipient_contact, rewrite, trust_store
from dicompack.cli.options import TrustOptions
from dicompack.cli.pinned import Pinned, read_pinned
from dicompack.cli.terminal import Terminal
from dicompack.container import key_statement
from dicompack.container.key_statement import Acceptance, Revocation, Succession
from dicompack.crypto import signed
from dicompack.crypto.certificates import spki_sha256
from dicompack.crypto.contacts import Contact
from dicompack.crypto.keys import SigningKey, load_decryption_key, load_signing_key
from dicompack.errors import BadSignatureError, DicomPackError, FormatError, NoMatchError, UntrustedError
from dicompack.stages import key_statements
from tests.packages import study
from tests.unit.crypto import pki

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
LIFE = {"start": NOW - DAY, "end": NOW + 9 * DAY}


def pinned() -> dict[str, Pinned]:
    return {name: read_pinned(name, path) for name, path in pinned_contacts().items()}


class Later(datetime):
    """A clock that is ten years ahead."""

    @classmethod
    def now(cls, tz=None) -> datetime:
        return datetime.now(tz) + 3653 * DAY


def rule_of(ended) -> tuple[int, str]:
    return ended.code, ended.json["error"]["rule"]


def signing_of(identity):
    return load_signing_key(identity.signing_p12, bytes)


@pytest.fixture
def successor(call, me, small_keys, tmp_path) -> Path:
    """The folder of the identity that follows `me`, its receiver having pinned `me` as "Sender"."""
    assert call("keys", "rotate", me, tmp_path / "new").code == 0
    pin("Sender", Pinned((me / "contact.pem").read_bytes()))
    return tmp_path / "new"


# ----------------------------------------------------------------------------------------------- rotate


def test_a_successor_takes_the_place_of_whom_it_follows(call, me, clinic, successor):
    """What the old keys have signed still counts; nobody encrypts to them any more."""
    new = Contact.parse((successor / "contact.pem").read_bytes())
    assert new.name == "Clinic A" and new.fingerprint != clinic.contact.fingerprint
    ended = call("keys", "trust", successor / "successor.pem", "--fingerprint", new.fingerprint, "--json")
    assert ended.code == 0
    retired = f"Sender ({clinic.contact.fingerprint[:4]})"
    assert (ended.json["pinned_as"], ended.json["follows"]) == ("Sender", retired)
    assert "Sender, whom you have pinned" in ended.err
    assert pinned() == {
        "Sender": Pinned(new.marshal()),
        retired: Pinned(clinic.contact_pem, ("signer",), successor=new.fingerprint),
    }
    assert recipient_contact("Sender").fingerprint == new.fingerprint
    with pytest.raises(UntrustedError):
        recipient_contact(retired)
    store = trust_store(TrustOptions())
    assert store.judge(new.signing, (), datetime.now(UTC)).name == "Sender"
    assert store.judge(clinic.contact.signing, (), datetime.now(UTC)).name == retired
    again = call("keys", "trust", successor / "successor.pem", "--json")
    assert (again.code, set(pinned())) == (0, {"Sender", retired}), "a second time changes nothing"
    states = {one["pinned_as"]: one["why"] for one in call("keys", "list", "--json").json["contacts"]}
    assert states[retired] == f"pinned, followed by {new.fingerprint}"


def test_no_other_contact_loses_its_name(call, clinic, locked, successor):
    """Whoever has the name that the old contact would get keeps it."""
    first, second = clinic.contact.fingerprint.split()[:2]
    taken = Pinned(locked.contact_pem)
    pin(f"Sender ({first})", taken)
    new = Contact.parse((successor / "contact.pem").read_bytes())
    assert call("keys", "trust", successor / "successor.pem", "--fingerprint", new.fingerprint).code == 0
    assert set(pinned()) == {"Sender", f"Sender ({first})", f"Sender ({first} {second})"}
    assert pinned()[f"Sender ({first})"] == taken


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 50)])
def test_a_person_sees_it_first(call, successor, monkeypatch, answer, code):
    """CLI-8."""
    before = pinned()
    assert call("keys", "trust", successor / "successor.pem").code == 2, "no terminal, no fingerprint"
    monkeypatch.setattr(Terminal, "can_ask", lambda self: True)
    monkeypatch.setattr(Terminal, "confirm", lambda self, question: answer)
    ended = call("keys", "trust", successor / "successor.pem", "--quiet")
    assert ended.code == code
    assert Contact.parse((successor / "contact.pem").read_bytes()).fingerprint in ended.err
    assert (pinned() != before) == answer


def test_a_key_that_is_pinned_twice_names_one_successor(call, me, clinic, locked, successor, tmp_path):
    """KEY-12: under whichever name, and the same one for both."""
    pin("Sender, too", Pinned(clinic.contact_pem))
    new = Contact.parse((successor / "contact.pem").read_bytes())
    call_of = ("keys", "trust", successor / "successor.pem", "--fingerprint", new.fingerprint)
    assert call(*call_of).code == 0
    other = key_statements.name_successor(
        load_signing_key(locked.signing_p12, lambda: b"open sesame"), locked.contact, signing_of(clinic), NOW
    )
    (tmp_path / "other.pem").write_bytes(other)
    ended = call(
        "keys", "trust", tmp_path / "other.pem", "--fingerprint", locked.contact.fingerprint, "--json"
    )
    assert rule_of(ended) == (50, "KEY-12")
    assert call(*call_of).code == 0
    assert pinned()["Sender, too"] == pinned()["Sender"] == Pinned(new.marshal())


def test_roles_go_over(call, me, clinic, successor):
    rewrite("Sender", Pinned(clinic.contact_pem, ("signer", "custodian")))
    new = Contact.parse((successor / "contact.pem").read_bytes())
    assert call("keys", "trust", successor / "successor.pem", "--fingerprint", new.fingerprint).code == 0
    assert pinned()["Sender"].roles == ("signer", "custodian")
    for more in (["--role", "signer"], ["--name", "x"]):
        assert call("keys", "trust", successor / "successor.pem", *more).code == 2


def statement(successor: SigningKey, decryption, signer, at=NOW) -> bytes:
    contact = Contact("x", successor.certificate, decryption)
    return key_statements.name_successor(successor, contact, signer, at)


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("stranger", "KEY-12"),
        ("only recipient", "TRU-5"),
        ("revoked", "TRU-10"),
        ("revoked under another name", "TRU-10"),
        ("revoked successor", "TRU-10"),
        ("another before", "KEY-12"),
        ("old decryption key", "KEY-12"),
        ("no decryption key", "KEY-12"),
        ("only certified", "KEY-12"),
        ("expired", "TRU-3"),
    ],
)
def test_who_may_not_name_a_successor(call, me, clinic, locked, tmp_path, case, rule):
    """KEY-12: and nothing is changed."""
    new = SigningKey(pki.certificate("new", pki.SIGNS, **LIFE), pki.key("new"))
    signer, decryption = signing_of(clinic), locked.contact.decryption
    entry = Pinned(clinic.contact_pem)
    match case:
        case "stranger":
            signer = pki.signer()
        case "only recipient":
            entry = Pinned(clinic.contact_pem, ("recipient",))
        case "revoked":
            entry = Pinned(clinic.contact_pem, revoked=NOW - DAY)
        case "revoked under another name":
            rewrite("X", Pinned(clinic.contact_pem, revoked=NOW - DAY))
        case "revoked successor":
            rewrite("gone", Pinned(pki.pem(new.certificate), revoked=NOW - DAY))
        case "another before":
            entry = Pinned(clinic.contact_pem, ("signer",), successor="AAAA")
        case "old decryption key":
            decryption = clinic.contact.decryption
        case "no decryption key":
            decryption = None
        case "only certified":
            life = {"start": NOW - DAY, "end": NOW + DAY}
            ca = pki.certificate("CA", pki.CERTIFIES, ca=True, **life), pki.key("CA")
            leaf = pki.certificate("leaf", pki.SIGNS, issuer=ca, **life)
            signer = type(signer)(leaf, pki.key("leaf"))
            rewrite("CA", Pinned(pki.pem(ca[0])))
        case "expired":
            old = pki.certificate("old", pki.SIGNS, start=NOW - 2 * DAY, end=NOW - DAY)
            signer, entry = type(signer)(old, pki.key("old")), Pinned(pki.pem(old), ("signer",))
    rewrite("Sender", entry)
    before = pinned()
    (tmp_path / "s.pem").write_bytes(statement(new, decryption, signer))
    right = Contact("x", new.certificate, decryption).fingerprint
    ended = call("keys", "trust", tmp_path / "s.pem", "--fingerprint", right, "--json")
    assert rule_of(ended) == (50, rule)
    assert pinned() == before


def test_an_identity_that_is_there_is_named(call, me, them, clinic, locked, tmp_path):
    """Such as one with certificates of an authority, or with keys on a token; its keys stay."""
    (tmp_path / "p").write_text("open sesame\n", encoding="ascii")
    before = {path.name: path.read_bytes() for path in them.iterdir()}
    call_of = ("keys", "rotate", me, them, "--passphrase-file", tmp_path / "p")
    assert call(*call_of, "--name", "x").code == 2
    assert call(*call_of).code == 0
    assert {path.name: path.read_bytes() for path in them.iterdir() if path.name in before} == before
    assert call(*call_of).code == 11
    pin("Sender", Pinned(clinic.contact_pem))
    fingerprint = locked.contact.fingerprint
    assert call("keys", "trust", them / "successor.pem", "--fingerprint", fingerprint).code == 0
    assert pinned()["Sender"] == Pinned(locked.contact_pem)


def test_nobody_follows_himself(call, me):
    """KEY-12: no receiver would take it."""
    assert rule_of(call("keys", "rotate", me, me, "--json")) == (2, "KEY-12")
    assert not (me / "successor.pem").exists()


def test_rotate_keeps_kinds_and_passphrase(call, tmp_path, small_keys, monkeypatch):
    monkeypatch.setattr("dicompack.crypto.identities.KDF_ROUNDS", 1000)
    (tmp_path / "p").write_text("open sesame\n", encoding="ascii")
    passphrase = ("--passphrase-file", tmp_path / "p")
    kinds = ("--algorithm", "ml-kem-768", "--signing-algorithm", "p-384")
    assert call("keys", "new", tmp_path / "old", "--name", "Clinic", *kinds, *passphrase).code == 0
    call_of = ("keys", "rotate", tmp_path / "old", tmp_path / "new", "--name", "Clinic 2")
    assert call(*call_of).code == 2
    assert call(*call_of, *passphrase).code == 0
    shown = call("keys", "show", tmp_path / "new" / "contact.pem", "--json").json
    assert [one["algorithm"] for one in shown["certificates"]] == ["ML-KEM-768", "P-384"]
    assert shown["name"] == "Clinic 2"
    secret = (tmp_path / "new" / "decryption.pem").read_bytes()
    load_decryption_key(secret, lambda: b"open sesame")
    with pytest.raises(NoMatchError):
        load_decryption_key(secret, bytes)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o600}
    assert call(*call_of[:4], *passphrase).code == 11, "it is there, and named already"


def test_one_old_key_that_is_protected_protects_both_new_ones(
    call, me, locked, tmp_path, small_keys, monkeypatch
):
    monkeypatch.setattr("dicompack.crypto.identities.KDF_ROUNDS", 1000)
    (me / "decryption.p12").write_bytes(locked.decryption)
    (tmp_path / "p").write_text("open sesame\n", encoding="ascii")
    assert call("keys", "rotate", me, tmp_path / "new", "--passphrase-file", tmp_path / "p").code == 0
    for name, load in (("signing.p12", load_signing_key), ("decryption.p12", load_decryption_key)):
        with pytest.raises(NoMatchError):
            load((tmp_path / "new" / name).read_bytes(), bytes)


def test_revoked_keys_name_no_successor_and_are_not_certified(call, me, clinic, tmp_path):
    assert call("keys", "revoke", me).code == 0
    ended = call("keys", "rotate", me, tmp_path / "new", "--json")
    assert rule_of(ended) == (50, "TRU-10")
    assert not (tmp_path / "new").exists()
    (tmp_path / "c.pem").write_bytes(clinic.contact_pem)
    ended = call("keys", "install", tmp_path / "c.pem", "--identity", me, "--json")
    assert rule_of(ended) == (50, "TRU-10")


def test_expired_keys_name_no_successor(call, me, clinic, tmp_path, monkeypatch):
    """Nobody would believe them."""
    monkeypatch.setattr("dicompack.cli.keys.succession.datetime", Later)
    ended = call("keys", "rotate", me, tmp_path / "new", "--json")
    assert rule_of(ended) == (50, "TRU-3")
    assert not (tmp_path / "new").exists()


# ----------------------------------------------------------------------------------------------- revoke


def test_a_contact_is_revoked_by_name_or_file(call, me, them, clinic, locked):
    """TRU-10: what is not pinned is remembered, too, and several names of one key are all marked."""
    pin("Clinic A", Pinned(clinic.contact_pem))
    pin("The same", Pinned(clinic.contact_pem, ("signer",)))
    ended = call("keys", "revoke", "Clinic A", "--reason", "Notebook gestohlen, Süd", "--json")
    assert (ended.code, ended.json["state"]) == (0, "revoked")
    assert {name: one.reason for name, one in pinned().items()} == dict.fromkeys(
        ("Clinic A", "The same"), "Notebook gestohlen, Süd"
    )
    with pytest.raises(UntrustedError) as caught:
        trust_store(TrustOptions((str(me / "contact.pem"),))).judge(clinic.contact.signing, (), NOW + DAY)
    assert caught.value.rule == "TRU-10"
    assert call("keys", "revoke", them / "contact.pem", "--since", "2026-01-31").code == 0
    assert pinned()["Clinic B"].revoked == datetime(2026, 1, 31, tzinfo=UTC)
    assert len(pinned()) == 3
    assert rule_of(call("pack", "S", "-o", "x.dcmpack", "--signer", me, "--json")) == (50, "TRU-10")


def test_the_earlier_time_stays(call, clinic):
    pin("Clinic A", Pinned(clinic.contact_pem))
    for since, told in (("2026-02-01", 2), ("2026-03-01", 2), ("2026-01-01", 1)):
        assert call("keys", "revoke", "Clinic A", "--since", since).code == 0
        assert pinned()["Clinic A"].revoked == datetime(2026, told, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "more",
    [["--since", "2999-01-01"], ["--since", "yesterday"], ["--reason", "a\nb"], ["--reason", "x" * 201]],
)
def test_what_makes_no_sense(call, clinic, more):
    pin("Clinic A", Pinned(clinic.contact_pem))
    assert call("keys", "revoke", "Clinic A", *more).code == 2
    assert pinned()["Clinic A"].revoked is None


def test_the_owner_revokes_and_others_believe_him(call, me, clinic, tmp_path, monkeypatch):
    """KEY-13: his own statement, and only about his own keys."""
    assert call("keys", "revoke", me, "--reason", "stolen").code == 0
    for arguments in (("pack", "S", "-o", "x.dcmpack"), ("rewrap", "p", "-o", "x.dcmpack", "--identity", me)):
        assert rule_of(call(*arguments, "--signer", me, "--json")) == (50, "TRU-10")
    assert call("keys", "revoke", me).code == 11, "the statement is there"
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "receiver"))
    assert rule_of(call("keys", "revoke", me / "revocation.pem", "--json")) == (50, "KEY-13")
    assert pinned() == {}
    pin("Sender", Pinned(clinic.contact_pem))
    assert call("keys", "trust", me / "revocation.pem", "--fingerprint", "x").code == 2
    assert call("keys", "revoke", me / "revocation.pem", "--reason", "mine").code == 2
    assert call("keys", "revoke", me / "revocation.pem").code == 0
    entry = pinned()["Sender"]
    assert entry.reason == "stolen" and entry.revoked is not None and entry.revoked <= datetime.now(UTC)
    with pytest.raises(UntrustedError):
        recipient_contact("Sender")


def test_a_revocation_for_later_counts_from_now_on(call, clinic, tmp_path):
    pin("Sender", Pinned(clinic.contact_pem))
    later = key_statements.revoke(signing_of(clinic), NOW + 9 * DAY, "", NOW)
    (tmp_path / "revocation.pem").write_bytes(later)
    assert call("keys", "revoke", tmp_path / "revocation.pem").code == 0
    entry = pinned()["Sender"]
    assert entry.revoked is not None and NOW <= entry.revoked <= datetime.now(UTC)
    with pytest.raises(UntrustedError):
        recipient_contact("Sender")


def test_an_authority_is_revoked(call, tmp_path):
    life = {"start": NOW - DAY, "end": NOW + DAY}
    ca = pki.certificate("CA", pki.CERTIFIES, ca=True, **life)
    leaf = pki.certificate("leaf", pki.SIGNS, issuer=(ca, pki.key("CA")), **life)
    pin("CA", Pinned(pki.pem(ca)))
    trust_store(TrustOptions()).judge(leaf, (), datetime.now(UTC))
    ended = call("keys", "revoke", "CA", "--json").json
    assert (ended["kind"], ended["state"]) == ("authority", "revoked")
    with pytest.raises(UntrustedError) as caught:
        trust_store(TrustOptions()).judge(leaf, (), NOW + timedelta(hours=1))
    assert caught.value.rule == "TRU-10"


# -------------------------------------------------------------------------------------------- statements


def test_statements_and_back(clinic, locked):
    signer = signing_of(clinic)
    new = pki.signer("new")
    data = statement(new, locked.contact.decryption, signer)
    read = key_statements.read(b"Dear colleague,\n" + data)
    assert read.successor is not None
    assert read.successor.certificates == (locked.contact.decryption, new.certificate)
    assert (read.certificate, read.at, read.revocation) == (signer.certificate, NOW, None)
    told = key_statements.read(key_statements.revoke(signer, NOW - DAY, "Süd", NOW))
    assert (told.revocation, told.successor) == (Revocation(NOW - DAY, "Süd"), None)


def test_every_flipped_bit_of_a_statement_is_found(clinic):
    """Bit by bit, of the signed bytes."""
    signer = signing_of(clinic)
    data = signed.sign(key_statement.marshal(Revocation(NOW, "x")), signer, NOW)
    key_statements.read(key_statements._armoured(data))
    for at in range(0, len(data), 3):
        wrong = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        with pytest.raises(DicomPackError):
            key_statements.read(key_statements._armoured(wrong))


@pytest.mark.parametrize(
    "content",
    [
        {"format": 1, "statement": "revocation", "since": "2026-01-01T00:00:00Z"},
        {"format": 2, "statement": "revocation", "since": "2026-01-01T00:00:00Z", "reason": ""},
        {"format": 1, "statement": "revocation", "since": "2026-01-01", "reason": ""},
        {"format": 1, "statement": "revocation", "since": "2026-01-01T00:00:00Z", "reason": "a\nb"},
        {"format": 1, "statement": "revocation", "since": "2026-01-01T00:00:00Z", "reason": "", "more": 1},
        {"format": 1, "statement": "successor", "acceptance": "", "decryption": None, "kem": None},
        {"format": 1, "statement": "successor", "acceptance": "AAAA", "decryption": 1, "kem": None},
        {"format": 1, "statement": "successor", "acceptance": "AAAA", "decryption": None, "kem": 1},
        {"format": 1, "statement": "successor", "acceptance": "AAAA", "decryption": None},
        {"format": 1, "statement": "acceptance", "follows": "00" * 32},
        {"format": 1, "statement": ["successor"]},
        {"format": 1},
        [],
        "successor",
    ],
)
def test_statements_of_another_shape(clinic, content):
    """KEY-11, even where the signature fits."""
    raw = json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")
    with pytest.raises(FormatError) as caught:
        key_statements.read(key_statements._armoured(signed.sign(raw, signing_of(clinic), NOW)))
    assert caught.value.rule == "KEY-11"


def test_nobody_is_made_a_successor_who_does_not_say_so(clinic):
    """KEY-12: another's certificate, and another's acceptance, are not taken."""
    signer, victim = signing_of(clinic), pki.signer("victim")
    key = spki_sha256(signer.certificate).hex()
    for said, by in (
        (Acceptance(spki_sha256(pki.signer("third").certificate).hex()), victim),
        (Revocation(NOW, ""), victim),
        (Succession(b"0", None), victim),
    ):
        inner = signed.sign(key_statement.marshal(said), by, NOW)
        raw = key_statement.marshal(Succession(inner, None))
        with pytest.raises(BadSignatureError) as caught:
            key_statements.read(key_statements._armoured(signed.sign(raw, signer, NOW)))
        assert caught.value.rule == "KEY-12"
    inner = signed.sign(key_statement.marshal(Acceptance(key)), victim, NOW)
    other = signed.sign(key_statement.marshal(Acceptance(key)), pki.signer("other"), NOW)
    assert inner != other
    raw = key_statement.marshal(Succession(inner, None))
    read = key_statements.read(key_statements._armoured(signed.sign(raw, signer, NOW)))
    assert read.successor is not None and read.successor.signing == victim.certificate


def test_what_is_no_statement(clinic, tmp_path, call):
    for data in (b"", b"-----BEGIN CMS-----\n!\n-----END CMS-----", b"-----BEGIN CMS-----"):
        with pytest.raises(DicomPackError):
            key_statements.read(data)
    with pytest.raises(DicomPackError):
        key_statement.parse(b"{}")
    raw = key_statement.marshal(Succession(b"0", None))
    with pytest.raises(DicomPackError):
        key_statements.read(key_statements._armoured(signed.sign(raw, signing_of(clinic), NOW)))
    whole = signed.sign(key_statement.marshal(Revocation(NOW, "")), signing_of(clinic), NOW)
    with pytest.raises(BadSignatureError):
        key_statements.read(key_statements._armoured(whole[:-1] + bytes([whole[-1] ^ 1])))


def test_openssl_reads_a_statement(clinic, program, tmp_path):
    (tmp_path / "s.pem").write_bytes(statement(pki.signer(), None, signing_of(clinic)))
    (tmp_path / "contact.pem").write_bytes(clinic.contact_pem)
    ran = subprocess.run(
        [program("openssl"), "cms", "-verify", "-cades", "-binary", "-inform", "PEM", "-purpose", "any",
         "-in", tmp_path / "s.pem", "-CAfile", tmp_path / "contact.pem"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["statement"] == "successor"


# ---------------------------------------------------------------------------------------- end to end


def test_packages_before_and_after(call, me, small_keys, clinic, tmp_path, monkeypatch):
    """A rotation with a package on its way; then the old key is revoked; then the new one by its owner."""
    monkeypatch.chdir(tmp_path)
    study(tmp_path / "source", ("CT_small.dcm",))

    def sealed(name: str, identity: Path) -> str:
        assert call("pack", "source", "-o", f"{name}.dcmpack", "--signer", identity).code == 0
        return f"{name}.dcmpack"

    def judged(package: str, rule: str | None = None) -> None:
        monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "receiver"))
        ended = call("test", package, "--json")
        assert (ended.code, ended.json.get("error", {}).get("rule")) == (50 if rule else 0, rule)

    early = sealed("early", me)
    assert call("keys", "rotate", me, "new").code == 0
    late = sealed("late", Path("new"))
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "receiver"))
    pin("Sender", Pinned(clinic.contact_pem))
    judged(late, "TRU-1")
    fingerprint = call("keys", "show", "new/contact.pem", "--json").json["fingerprint"]
    assert call("keys", "trust", "new/successor.pem", "--fingerprint", fingerprint).code == 0
    judged(early)
    judged(late)
    assert call("keys", "revoke", f"Sender ({clinic.contact.fingerprint[:4]})").code == 0
    judged(early, "TRU-10")
    judged(late)
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    assert call("keys", "revoke", "new").code == 0
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "receiver"))
    assert call("keys", "revoke", "new/revocation.pem").code == 0
    judged(late, "TRU-10")


def test_a_reason_is_another_person_s_text(call, me, clinic, tmp_path, monkeypatch):
    """Whatever it is, what is pinned stays readable."""
    assert call("keys", "revoke", me, "--reason", "-----BEGIN CERTIFICATE-----").code == 0
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "receiver"))
    pin("Sender", Pinned(clinic.contact_pem))
    assert call("keys", "revoke", me / "revocation.pem").code == 0
    assert call("keys", "list", "--json").json["contacts"][0]["state"] == "revoked"


@pytest.mark.parametrize(
    ("name", "pinned_as"),
    [
        ("Radiologie: Haus 3 / CT", "Radiologie- Haus 3 - CT"),
        (" .-x. ", "x"),
        ("con", "a contact"),
        ("-", "a contact"),
    ],
)
def test_whoever_it_is_can_be_revoked(call, tmp_path, name, pinned_as):
    """CLI-7: where nobody can choose another name, the nearest is taken."""
    file = tmp_path / "stolen.pem"
    file.write_bytes(pki.pem(pki.certificate(name, pki.SIGNS, of=pki.key("stolen"), **LIFE)))
    assert call("keys", "revoke", file).code == 0
    assert set(pinned()) == {pinned_as}


def test_a_successor_that_a_thief_may_have_named_is_told(call, me, successor):
    """Whoever revokes keys that were followed learns that those who follow still count."""
    new = Contact.parse((successor / "contact.pem").read_bytes())
    assert call("keys", "trust", successor / "successor.pem", "--fingerprint", new.fingerprint).code == 0
    retired = next(name for name in pinned() if name != "Sender")
    ended = call("keys", "revoke", retired)
    assert ended.code == 0
    assert f"Sender still counts, as the successor that {retired} named" in ended.err
    assert call("keys", "revoke", "Sender").code == 0
    assert "still counts" not in call("keys", "revoke", retired).err
