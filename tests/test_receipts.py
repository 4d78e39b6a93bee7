"""A signed receipt: made after full success only, and worth something for the package it is about only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import dicompack
from dicompack import Originator, Recipient
from dicompack.container import canonical_json, receipt
from dicompack.crypto import signed
from dicompack.errors import (
    BadSignatureError,
    DicomPackError,
    FormatError,
    OutputError,
    UntrustedError,
    UsageError,
)
from tests.conftest import now, trusting
from tests.hostile.forgery import Forgery
from tests.packages import packed


@pytest.fixture(scope="module")
def package(tmp_path_factory, sender, receiver):
    return packed(tmp_path_factory.mktemp("p"), Originator(sender.signing, (receiver.contact,)))[0]


@pytest.fixture(scope="module")
def made(package, tmp_path_factory, sender, receiver):
    """By "receiver", after unpacking."""
    folder = tmp_path_factory.mktemp("receipt")
    unpack(package, folder, sender, receiver)
    return folder / "receipt"


def unpack(package, folder, sender, receiver, **settings):
    settings = {"receipt": folder / "receipt", "receipt_signer": receiver.signing, **settings}
    return dicompack.unpack(
        package,
        folder / "out",
        recipient=Recipient((receiver.decryption,), trusting(sender)),
        jobs=1,
        **settings,
    )


def test_the_sender_holds_it_against_the_package(package, made, sender, receiver):
    trust = trusting(sender, receiver)
    for report in (
        dicompack.test(package, trust=trust, receipt=made),
        dicompack.verify(package, recipient=Recipient((receiver.decryption,), trust), receipt=made, jobs=1),
    ):
        assert [(one.purpose, one.trusted) for one in report.signatures] == [
            ("sealed", True),
            ("received", True),
        ]


def test_it_names_nobody_but_its_signer(package, made, sender, receiver):
    verified = signed.verify(made.read_bytes())
    assert verified.certificate == receiver.signing.certificate
    content = receipt.parse(verified.content)
    assert content.received.members == 2
    assert abs((datetime.now(UTC) - content.at).total_seconds()) < 600
    report = dicompack.inspect(package, recipient=Recipient((receiver.decryption,), trusting(sender)))
    for member in report.members:
        assert member.sop_instance_uid.encode() not in made.read_bytes()


def test_a_signer_who_is_not_trusted_tru_1(package, made, sender):
    with pytest.raises(UntrustedError) as caught:
        dicompack.test(package, trust=trusting(sender), receipt=made)
    assert caught.value.rule == "TRU-1"


def test_a_receipt_for_another_package_sea_5(tmp_path, made, sender, receiver):
    other = packed(tmp_path, Originator(sender.signing, (receiver.contact,)))[0]
    with pytest.raises(BadSignatureError) as caught:
        dicompack.test(other, trust=trusting(sender, receiver), receipt=made)
    assert caught.value.rule == "SEA-5"


def test_a_receipt_for_what_was_passed_on_is_not_one_for_the_original_sea_5(
    tmp_path, package, made, sender, receiver, stranger
):
    on = tmp_path / "on.dcmpack"
    dicompack.rewrap(
        package,
        on,
        recipient=Recipient((receiver.decryption,), trusting(sender)),
        signer=receiver.signing,
        recipients=[stranger.contact],
        jobs=1,
    )
    with pytest.raises(BadSignatureError) as caught:
        dicompack.test(on, trust=trusting(sender, receiver), receipt=made)
    assert caught.value.rule == "SEA-5"


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 2), ("members", 0), ("received", "today"), ("seal", "x"), ("manifest", None), ("name", "x")],
)
def test_values_out_of_their_table_sea_4(tmp_path, package, made, sender, receiver, key, value):
    content = canonical_json.parse(
        signed.verify(made.read_bytes()).content, maximum_size=65536, where="receipt"
    )
    content[key] = value
    if value is None:
        del content[key]
    path = tmp_path / "receipt"
    path.write_bytes(signed.sign(canonical_json.marshal(content), receiver.signing, now()))
    with pytest.raises(FormatError) as caught:
        dicompack.test(package, trust=trusting(sender, receiver), receipt=path)
    assert caught.value.rule == "SEA-4"


def test_every_changed_byte_is_noticed(tmp_path, package, made, sender, receiver):
    data = made.read_bytes()
    for place in range(0, len(data), 97):
        path = tmp_path / "receipt"
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DicomPackError):
            dicompack.test(package, trust=trusting(sender, receiver), receipt=path)


def test_no_receipt_without_success(tmp_path, package, sender, receiver):
    forgery = Forgery(package)
    forgery.reseal("DICOM/00000001", b"something else", [receiver.contact.decryption])
    (tmp_path / "in").mkdir()
    forged = forgery.write(tmp_path / "in" / "x.dcmpack")
    with pytest.raises(DicomPackError):
        unpack(forged, tmp_path, sender, receiver)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_receipt_is_never_overwritten(tmp_path, package, sender, receiver):
    (tmp_path / "receipt").write_bytes(b"mine")
    with pytest.raises(OutputError):
        unpack(package, tmp_path, sender, receiver)
    assert (tmp_path / "receipt").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["receipt"]


def test_a_link_that_leads_nowhere_has_the_receipts_name(tmp_path, package, sender, receiver):
    """It is met before the instances get their names, not after."""
    (tmp_path / "receipt").symlink_to("nowhere")
    with pytest.raises(OutputError, match="receipt exists"):
        unpack(package, tmp_path, sender, receiver)
    assert [one.name for one in tmp_path.iterdir()] == ["receipt"]


def test_calls_that_make_no_sense(tmp_path, package, made, sender, receiver):
    with pytest.raises(UsageError):
        unpack(package, tmp_path, sender, receiver, receipt_signer=None)
    with pytest.raises(UsageError):
        unpack(package, tmp_path, sender, receiver, receipt=None)
    with pytest.raises(UsageError):
        dicompack.test(package, trust=None, receipt=made)
    assert not list(tmp_path.iterdir())


def test_a_seal_is_no_receipt_sea_4(tmp_path, package, sender, receiver):
    path = tmp_path / "receipt"
    path.write_bytes(Forgery(package).objects["SEAL0001"])
    with pytest.raises(FormatError) as caught:
        dicompack.test(package, trust=trusting(sender, receiver), receipt=path)
    assert caught.value.rule == "SEA-4"
