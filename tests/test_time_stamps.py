"""Time-stamps of packages, from `pack --timestamp` to the verdict years later, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import dicompack
from dicompack import Originator, Recipient, SigningKey, TrustStore
from dicompack.cli.contacts import pin
from dicompack.cli.pinned import Pinned
from dicompack.cli.program import run
from dicompack.crypto import signed
from dicompack.crypto.time_stamp_messages import Query
from dicompack.crypto.trust import AuthorityAnchor, PinnedContact
from dicompack.errors import BadSignatureError, FormatError, InputError, UntrustedError, UsageError
from dicompack.exchange import time_stamp_authority
from dicompack.pipeline import unpacking
from tests.conftest import Party, trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed, tree
from tests.time_stamps import Authority, serving
from tests.unit.crypto import pki

HOUR = timedelta(hours=1)


def with_tsa(store: TrustStore, *authorities: Authority) -> TrustStore:
    return replace(store, anchors=(*store.anchors, *(one.anchor for one in authorities)))


@dataclass
class Clock:
    """What time it is for who reads."""

    now: datetime

    def __call__(self, moment: datetime) -> None:
        self.now = moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(datetime.now(UTC))

    class Told(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[override]
            return made.now

    monkeypatch.setattr(unpacking, "datetime", Told)
    return made


@dataclass(frozen=True)
class Dated:
    """A package by somebody whose certificate ends in an hour."""

    path: Path
    ends: datetime
    reader: Recipient
    authority: Authority

    def stamped(self, at: datetime, by: Authority | None = None) -> Path:
        """The package with a token of this time in its SEAL."""
        forgery = Forgery(self.path)
        value = signed.verify(forgery.objects["SEAL0001"]).signature
        forgery.objects["SEAL0001"] = signed.with_token(
            forgery.objects["SEAL0001"], (by or self.authority).stamped(value, at)
        )
        return forgery.write(self.path.with_name("stamped.dcmpack"))

    def verdict(self, path: Path) -> dicompack.SignatureVerdict:
        report = dicompack.verify(path, recipient=self.reader, jobs=1)
        assert dicompack.test(path, trust=self.reader.trust).signatures == report.signatures
        return report.signatures[0]


@pytest.fixture
def dated(tmp_path: Path, receiver: Party) -> Dated:
    now = datetime.now(UTC).replace(microsecond=0)
    authority = pki.certificate(
        "Authority", pki.CERTIFIES, ca=True, start=now - timedelta(days=9), end=now + timedelta(days=9)
    )
    leaf = pki.certificate(
        "Clinic", pki.SIGNS, issuer=(authority, pki.key("Authority")), start=now - HOUR, end=now + HOUR
    )
    package, _ = packed(tmp_path, Originator(SigningKey(leaf, pki.key("Clinic")), (receiver.contact,)))
    tsa = Authority()
    store = with_tsa(TrustStore((AuthorityAnchor("CA", authority),)), tsa)
    return Dated(package, leaf.not_valid_after_utc, Recipient((receiver.decryption,), store), tsa)


def refused(rule: str, kind: type[dicompack.errors.DicomPackError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.rule == rule
    return caught.value.message


def test_a_signer_who_expired_after_the_token_is_trusted_tsp_8(dated, clock):
    """MANIFEST and SEAL are judged at the token's time; without one, now."""
    early = dated.ends - HOUR / 2
    path = dated.stamped(early)
    clock(dated.ends + HOUR)
    refused("TRU-3", UntrustedError, lambda: dicompack.verify(dated.path, recipient=dated.reader))
    verdict = dated.verdict(path)
    assert verdict.trusted and (verdict.existed_by, verdict.time_stamped_by) == (
        f"{early:%Y-%m-%dT%H:%M:%SZ}",
        "Time",
    )
    target = path.with_name("out")
    assert dicompack.unpack(path, target, recipient=dated.reader, jobs=1).instances_out == 2
    report = dicompack.inspect(path, recipient=dated.reader)
    assert report.signatures == (verdict,)
    kinds = {one.kind for one in report.findings}
    assert kinds == {"revocation-unknown", "duplicate"}  # of the package without the token, beside it


def test_a_signer_who_expired_before_the_token_is_refused_tsp_8(dated, clock):
    path = dated.stamped(dated.ends + HOUR / 2)
    clock(dated.ends + HOUR)
    for call in (
        lambda: dicompack.verify(path, recipient=dated.reader),
        lambda: dicompack.test(path, trust=dated.reader.trust),
        lambda: dicompack.unpack(path, path.with_name("out"), recipient=dated.reader),
    ):
        refused("TRU-3", UntrustedError, call)
    assert not path.with_name("out").exists()


def test_a_token_from_before_the_signer_was_valid_is_refused_tsp_8(dated):
    path = dated.stamped(dated.ends - 3 * HOUR)
    refused("TRU-2", UntrustedError, lambda: dicompack.test(path, trust=dated.reader.trust))


def test_claimed_times_are_only_claims_tsp_8(tmp_path, receiver, dated, clock):
    """With a signer's key anybody can write an early time, and it does not help."""
    forgery = Forgery(dated.path)
    content = signed.verify(forgery.objects["SEAL0001"]).content
    key = SigningKey(signed.verify(forgery.objects["SEAL0001"]).certificate, pki.key("Clinic"))
    early = signed.sign(content, key, dated.ends - HOUR)
    late = dated.authority.stamped(signed.verify(early).signature, dated.ends + HOUR)
    clock(dated.ends + HOUR)
    for made in (early, signed.with_token(early, late)):
        forgery.objects["SEAL0001"] = made
        path = forgery.write(tmp_path / "claimed.dcmpack")
        refused("TRU-3", UntrustedError, lambda path=path: dicompack.test(path, trust=dated.reader.trust))


@pytest.mark.parametrize("how", ["unknown", "authority of signers", "ended", "not yet", "in the future"])
def test_a_token_that_does_not_count_is_told_and_proves_nothing_tsp_6(dated, clock, how):
    other, at, store = Authority("Other"), dated.ends - HOUR / 2, dated.reader.trust
    if how == "authority of signers":
        store = replace(store, anchors=(*store.anchors, AuthorityAnchor("signers", other.root)))
    if how == "ended":
        other = Authority("Other", end=dated.ends)
        store = with_tsa(store, other)
    if how == "not yet":
        other = Authority("Other", start=dated.ends - HOUR / 4)
        store = with_tsa(store, other)
    if how == "in the future":
        store = with_tsa(store, other)
        at = datetime.now(UTC) + timedelta(minutes=30)
    path = dated.stamped(at, other)
    moment = dated.ends - HOUR / 8 if how == "not yet" else datetime.now(UTC)
    clock(dated.ends + HOUR if how == "ended" else moment)
    if how == "ended":
        refused("TRU-3", UntrustedError, lambda: dicompack.test(path, trust=store))
        return
    report = dicompack.test(path, trust=store)
    assert "time-stamp-untrusted" in [one.kind for one in report.findings]
    told = next(one for one in report.findings if one.kind == "time-stamp-untrusted")
    assert (told.where, told.rule) == ("SEAL0001", "TSP-6")
    assert report.signatures[0].existed_by == ""
    clock(dated.ends + HOUR)
    if how != "in the future":
        refused("TRU-3", UntrustedError, lambda: dicompack.test(path, trust=store))


def test_clocks_may_differ_by_some_minutes_tsp_6(dated):
    ahead = datetime.now(UTC) + timedelta(minutes=8)
    report = dicompack.test(dated.stamped(ahead), trust=dated.reader.trust)
    assert report.signatures[0].existed_by


def test_the_token_of_another_seal_tsp_3(dated, tmp_path):
    forgery = Forgery(dated.path)
    token = dated.authority.stamped(b"the signature of another SEAL", dated.ends - HOUR)
    forgery.objects["SEAL0001"] = signed.with_token(forgery.objects["SEAL0001"], token)
    path = forgery.write(tmp_path / "other.dcmpack")
    for call in (
        lambda: dicompack.test(path, trust=dated.reader.trust),
        lambda: dicompack.test(path, trust=None),
        lambda: dicompack.unpack(path, tmp_path / "out", recipient=dated.reader),
    ):
        refused("TSP-3", BadSignatureError, call)
    assert not (tmp_path / "out").exists()


def test_a_token_of_no_authority_for_time_tsp_5(dated):
    for wrong in (Authority("A", critical=()), Authority("B", critical=(), extra=Authority().critical)):
        store = with_tsa(dated.reader.trust, wrong)
        path = dated.stamped(dated.ends - HOUR, wrong)
        refused("TSP-5", BadSignatureError, lambda path=path, store=store: dicompack.test(path, trust=store))


def test_a_manifest_and_a_receipt_have_no_token_cms_4(dated, receiver):
    forgery = Forgery(dated.path)
    content = forgery.open("MANIFEST", receiver.decryption)
    token = dated.authority.stamped(signed.verify(content).signature)
    forgery.reseal("MANIFEST", signed.with_token(content, token), [receiver.decryption.certificate])
    forgery.refresh_digests()
    key = SigningKey(signed.verify(content).certificate, pki.key("Clinic"))
    forgery.change_seal(key)
    path = forgery.write(dated.path.with_name("manifest.dcmpack"))
    refused("CMS-4", BadSignatureError, lambda: dicompack.verify(path, recipient=dated.reader))


def test_who_passes_on_adds_a_token_that_covers_what_came_before(dated, clock, stranger, receiver, tmp_path):
    """SEA-1: `previous` names the SEAL without its token, so that tokens come and go and the chain holds."""
    with serving(dated.authority.reply) as (url, _):
        on = tmp_path / "on.dcmpack"
        report = dicompack.rewrap(
            dated.path,
            on,
            recipient=dated.reader,
            signer=receiver.signing,
            recipients=[stranger.contact],
            timestamp=url,
            jobs=1,
        )
    assert report.instances_out == 2
    store = replace(
        dated.reader.trust,
        anchors=(*dated.reader.trust.anchors, PinnedContact("B", receiver.contact)),
    )
    reader = Recipient((stranger.decryption,), store)
    clock(dated.ends + HOUR)
    first, second = dicompack.verify(on, recipient=reader, jobs=1).signatures
    assert first.existed_by and first.existed_by == second.existed_by
    # An earlier token in the first SEAL counts for that one alone.
    forgery = Forgery(on)
    value = signed.verify(forgery.objects["SEAL0001"]).signature
    early = dated.ends - 2 * HOUR + timedelta(minutes=1)
    forgery.objects["SEAL0001"] = signed.with_token(
        forgery.objects["SEAL0001"], dated.authority.stamped(value, early)
    )
    both = forgery.write(tmp_path / "both.dcmpack")
    first, second = dicompack.verify(both, recipient=reader, jobs=1).signatures
    assert first.existed_by == f"{early:%Y-%m-%dT%H:%M:%SZ}" < second.existed_by
    # Somebody takes the second one's away: the first is still good, the second is judged now.
    forgery.objects["SEAL0002"] = signed.verify(forgery.objects["SEAL0002"], may_be_stamped=True).statement
    without = forgery.write(tmp_path / "without.dcmpack")
    first, second = dicompack.verify(without, recipient=reader, jobs=1).signatures
    assert first.existed_by and not second.existed_by


def seals_of(path: Path) -> list[bytes]:
    return [data for name, data in Forgery(path).objects.items() if name.startswith("SEAL")]


@pytest.mark.parametrize("settings", [{}, {"hide_signer": True}, {"volume_size": 20_000, "recovery": 1}])
def test_pack_asks_an_authority(tmp_path, originator, recipient, settings):
    own = Authority()
    with serving(own.reply) as (url, seen):
        packed(tmp_path, originator, timestamp=url, **settings)
    assert [kind for kind, _ in seen] == ["application/timestamp-query"] * len(seen)
    assert len(seen) <= 2
    folder = tmp_path / "volumes"
    folder.mkdir()
    for one in tmp_path.glob("study.dcmpack*"):
        one.rename(folder / one.name)
    believing = Recipient(recipient.keys, with_tsa(recipient.trust, own))
    report = dicompack.verify(folder, recipient=believing, jobs=1)
    assert report.signatures[0].time_stamped_by == "Time"
    asked = Query.parse(seen[-1][1])
    if not settings:
        value = signed.verify(seals_of(folder)[0], may_be_stamped=True).signature
        assert asked.imprint == hashlib.sha256(value).digest()
    with pytest.raises(UntrustedError) if settings.get("hide_signer") else nullcontext():
        dicompack.test(folder, trust=believing.trust)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ({"status": 500}, "TSP-9"),
        ({"status": 302, "headers": [("Location", "http://127.0.0.1:9/")]}, "TSP-9"),
        ({"kind": "text/html"}, "TSP-9"),
        ({"answer": lambda query: bytes(80_000)}, "TSP-9"),
        ({"answer": lambda query: b"no reply"}, "DER-3"),
        ({"answer": lambda query: Authority().reply(query, status=2)}, "TSP-7"),
        ({"answer": lambda query: Authority().reply(query, other_nonce=3)}, "TSP-7"),
        ({"answer": lambda query: Authority().reply(Query.of(b"other").marshal())}, "TSP-3"),
        ({"answer": lambda query: Authority("C", critical=()).reply(query)}, "TSP-5"),
    ],
)
def test_an_authority_that_gives_no_time_stamp_leaves_nothing(tmp_path, originator, answer, rule):
    given = {"answer": Authority().reply, **answer}
    with serving(given.pop("answer"), **given) as (url, _):
        refused(rule, InputError, lambda: packed(tmp_path, originator, timestamp=url))
    assert not list(tmp_path.glob("study*"))


def test_what_is_sealed_outlasts_an_authority_that_does_not_answer(tmp_path, sender, recipient):
    """Hours of work are not lost to somebody else's server: the same call with --resume asks again."""
    originator, own = Originator(sender.signing, (sender.contact,)), Authority()
    with serving(own.reply, status=503) as (url, _), pytest.raises(InputError) as caught:
        packed(tmp_path, originator, own=sender.decryption, timestamp=url)
    assert "--resume asks again" in str(caught.value.hint)
    assert not list(tmp_path.glob("study*")) and list(tmp_path.glob(".study*"))
    with serving(own.reply) as (url, _):
        package, report = packed(tmp_path, originator, own=sender.decryption, resume=True, timestamp=url)
    assert [one.kind for one in report.findings if one.kind == "resumed"] == ["resumed"]
    assert dicompack.test(package, trust=with_tsa(recipient.trust, own)).signatures[0].existed_by
    assert not list(tmp_path.glob(".study*"))
    # Without a key of one's own there is no journal, and nothing stays.
    package.unlink()
    with serving(own.reply, status=503) as (url, _), pytest.raises(InputError) as caught:
        packed(tmp_path, originator, timestamp=url)
    assert "--resume" not in str(caught.value.hint) and not list(tmp_path.glob(".study*"))


def test_nobody_there_and_nobody_answers_tsp_9(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        refused("TSP-9", InputError, lambda: time_stamp_authority.ask(url, b"", 10, 1))
        closed.listen()
        message = refused("TSP-9", InputError, lambda: time_stamp_authority.ask(url, b"", 10, 0.2))
    assert message.endswith("timed out")


def test_somebody_who_sends_byte_by_byte_is_not_waited_for_tsp_9(monkeypatch):
    from itertools import count

    ticks = count()
    monkeypatch.setattr(time_stamp_authority.time, "monotonic", lambda: 100.0 * next(ticks))
    with serving(lambda _query: bytes(10)) as (url, _):
        assert "too long" in refused("TSP-9", InputError, lambda: time_stamp_authority.ask(url, b"", 99, 5))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "file:///etc/passwd",
        "host",
        "http://",
        "http://a:b@host/",
        "http://h ost/",
        "http://h:99999/",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_done_tsp_9(tmp_path, originator, url):
    refused("TSP-9", UsageError, lambda: packed(tmp_path, originator, timestamp=url))
    assert not list(tmp_path.glob("study*"))


def test_a_query_and_a_reply_in_files(tmp_path, originator, receiver, sender, capfd, monkeypatch):
    """From files to exit codes: query, reply, and who believes it."""
    monkeypatch.setenv("DICOMPACK_CONFIG_DIR", str(tmp_path / "configuration"))
    package, before = packed(tmp_path, originator)
    own = Authority()
    (tmp_path / "sender.pem").write_bytes(sender.files.contact_pem)
    (tmp_path / "tsa.pem").write_bytes(pki.pem(own.root))
    query, reply = tmp_path / "study.tsq", tmp_path / "study.tsr"
    assert run(["timestamp", str(package), "--query", str(query), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["set_id"] == before.set_id
    assert run(["timestamp", str(package), "--query", str(query)]) == 11
    reply.write_bytes(own.reply(query.read_bytes()))
    (tmp_path / "new").mkdir()
    stamped = tmp_path / "new" / "stamped.dcmpack"
    call = ["timestamp", str(package), "--query", str(query), "--reply", str(reply), "-o", str(stamped)]
    assert run(call) == 0
    assert run(call) == 11
    assert run([*call, "--force"]) == 0
    capfd.readouterr()
    believed = ["--trust", str(tmp_path / "sender.pem"), "--tsa", str(tmp_path / "tsa.pem")]
    assert run(["test", str(stamped), *believed, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["signatures"][0]["time_stamped_by"] == "tsa.pem" and not told["findings"]
    assert told["signatures"][0]["existed_by"].endswith("Z")
    assert run(["test", str(stamped), *believed]) == 0
    assert "existed by 20" in capfd.readouterr().err
    assert run(["test", str(stamped), *believed[:2], "--json"]) == 0
    assert [one["kind"] for one in json.loads(capfd.readouterr().out)["findings"]] == ["time-stamp-untrusted"]
    assert run(["test", str(stamped), *believed[:2], "--tsa", str(tmp_path / "sender.pem")]) == 40
    # Pinned in this role it counts without being named, and vouches for no signer.
    pin("Clocks", Pinned(pki.pem(own.root), ("time-stamp-authority",)))
    capfd.readouterr()
    assert run(["test", str(stamped), "--json"]) == 50
    assert json.loads(capfd.readouterr().out)["error"]["rule"] in ("TRU-1", "TRU-5")
    pin("Sender", Pinned(sender.files.contact_pem))
    assert run(["test", str(stamped), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["signatures"][0]["time_stamped_by"] == "Clocks" and not told["findings"]
    pin("Clocks", Pinned(pki.pem(own.root), ("signer",)))
    assert run(["test", str(stamped), "--json"]) == 0
    assert [one["kind"] for one in json.loads(capfd.readouterr().out)["findings"]] == ["time-stamp-untrusted"]
    # Everything but the SEAL is what it was, and the second query is for the same signature.
    plain, new = Forgery(package), Forgery(stamped)
    assert {k: v for k, v in new.objects.items() if k != "SEAL0001"} == {
        k: v for k, v in plain.objects.items() if k != "SEAL0001"
    }
    assert new.ids == plain.ids
    again = tmp_path / "again.tsq"
    dicompack.timestamp_query(stamped, again)
    first, second = Query.parse(query.read_bytes()), Query.parse(again.read_bytes())
    assert first.imprint == second.imprint and first.nonce != second.nonce
    # In its own place.
    assert run(["timestamp", str(package), "--reply", str(reply), "-o", str(package)]) == 11
    assert run(["timestamp", str(package), "--reply", str(reply), "-o", str(package), "--force"]) == 0
    assert package.read_bytes() == stamped.read_bytes()
    # The wrong query, the wrong reply, and calls that make no sense.
    capfd.readouterr()
    for arguments, code in (
        (["--query", str(again), "--reply", str(reply), "-o", "x.dcmpack"], 10),
        (["--reply", str(package), "-o", "x.dcmpack"], 10),
        (["--reply", str(query), "-o", "x.dcmpack"], 10),
        (["--query", str(reply), "--reply", str(reply), "-o", "x.dcmpack"], 2),
        (["--query", str(tmp_path / "sender.pem"), "--reply", str(reply), "-o", "x.dcmpack"], 2),
        (["--reply", str(reply)], 2),
        (["--url", "http://localhost/"], 2),
        (["--url", "http://localhost/", "--query", str(query), "-o", "x.dcmpack"], 2),
        (["--url", "http://localhost/", "--reply", str(reply), "-o", "x.dcmpack"], 2),
        (["--query", str(tmp_path / "new.tsq"), "-o", "x.dcmpack"], 2),
        (["--reply", str(reply), "-o", str(tmp_path / "beside.dcmpack")], 2),
        ([], 2),
    ):
        monkeypatch.chdir(tmp_path / "new")
        present = tree(tmp_path)
        assert run(["timestamp", str(package), *arguments]) == code, arguments
        assert tree(tmp_path) == present


def test_stamping_keeps_volumes_and_recovery(tmp_path, originator, recipient):
    package, before = packed(tmp_path, originator, volume_size=30_000, recovery=2)
    own, new = Authority(), tmp_path / "new"
    new.mkdir()
    with serving(own.reply) as (url, seen):
        report = dicompack.timestamp(package, new / "stamped.dcmpack", url=url)
    assert len(seen) == 1 and len(report.volumes) == len(before.volumes) == 4
    store = with_tsa(recipient.trust, own)
    first = new / report.volumes[0]
    assert dicompack.test(first, trust=store).signatures[0].time_stamped_by
    (new / report.volumes[1]).unlink()
    with pytest.raises(dicompack.errors.RepairableError):
        dicompack.test(first, trust=store)


def test_what_cannot_be_stamped_afterwards_tsp_10(tmp_path, originator):
    hidden, _ = packed(tmp_path, originator, hide_signer=True)
    refused("TSP-10", UsageError, lambda: dicompack.timestamp_query(hidden, tmp_path / "q.tsq"))
    full, new = tmp_path / "full", tmp_path / "new"
    full.mkdir()
    new.mkdir()
    # Two volumes of which the last has no room left for a token.
    size = packed(full, originator)[1].bytes_out // 2 + 1000
    package, report = packed(full, originator, volume_size=size, recovery=0, force=True)
    assert len(report.volumes) == 2 and report.bytes_out > 2 * size - 2000
    with serving(Authority().reply) as (url, seen):
        refused("TSP-10", UsageError, lambda: dicompack.timestamp(package, new / "stamped.dcmpack", url=url))
        beside = full / "stamped.dcmpack"
        refused("TSP-10", UsageError, lambda: dicompack.timestamp(package, beside, url=url))
    assert len(seen) == 1 and len(list(full.glob("*.dcmpack*"))) == 2 and not list(new.iterdir())
    # When it is packed there is one volume more, and the authority is asked once more at the most.
    with serving(Authority().reply) as (url, seen):
        _, report = packed(full, originator, volume_size=size, recovery=0, force=True, timestamp=url)
    assert len(report.volumes) == 3 and len(seen) <= 2


def test_a_receipt_is_the_same_before_and_after_a_token(tmp_path, originator, recipient, receiver):
    package, _ = packed(tmp_path, originator)
    receipt = tmp_path / "receipt"
    dicompack.unpack(
        package,
        tmp_path / "out",
        recipient=recipient,
        receipt=receipt,
        receipt_signer=receiver.signing,
        jobs=1,
    )
    own = Authority()
    (tmp_path / "new").mkdir()
    with serving(own.reply) as (url, _):
        dicompack.timestamp(package, tmp_path / "new" / "stamped.dcmpack", url=url)
    store = with_tsa(trusting_more(recipient.trust, receiver), own)
    for path in (package, tmp_path / "new" / "stamped.dcmpack"):
        assert dicompack.test(path, trust=store, receipt=receipt).signatures[-1].purpose == "received"


def trusting_more(store: TrustStore, party: Party) -> TrustStore:
    return replace(store, anchors=(*store.anchors, *trusting(party).anchors))


def test_damaged_tokens_are_noticed(dated):
    """Bits of a token in the SEAL: refused, or something that says nothing."""
    path = dated.stamped(dated.ends - HOUR / 2)
    forgery = Forgery(path)
    seal = forgery.objects["SEAL0001"]
    start = len(signed.verify(seal, may_be_stamped=True).statement) - 100
    noticed = 0
    for position in range(start, len(seal), 97):
        changed = bytearray(seal)
        changed[position] ^= 1
        forgery.objects["SEAL0001"] = bytes(changed)
        broken = forgery.write(path.with_name("broken.dcmpack"))
        try:
            report = dicompack.test(broken, trust=dated.reader.trust)
        except (BadSignatureError, FormatError, dicompack.errors.UnsupportedError):
            noticed += 1
        else:  # in a surplus certificate
            assert report.signatures[0].existed_by in ("", f"{dated.ends - HOUR / 2:%Y-%m-%dT%H:%M:%SZ}")
    assert noticed > 15
