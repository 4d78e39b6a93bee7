"""The way back of stage 1: for custodians, from what an originator bound to this instance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dicompack import ProjectKey
from dicompack.crypto import enveloped_cbc, signed
from dicompack.dicom import dicom_file, encoding, encrypted_attributes
from dicompack.dicom.dataset import DataSet, Element, Sequence, string_element
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE
from dicompack.errors import BadSignatureError, DicomPackError, InputError, NoMatchError, UntrustedError
from dicompack.stages import deidentification, reidentification
from dicompack.stages.artifacts import Deidentified, Instance
from dicompack.stages.deidentification import Policy
from dicompack.stages.reidentification import judge_by
from tests.conftest import Party, new_party, trusting
from tests.packages import INSTANCES, bundled

AT = datetime.now(UTC)
INSTANCE, REMOVED, STATEMENT = 0x00080018, 0x00120062, 0x04011005
SYNTAX = EXPLICIT_LITTLE


def source_of(name: str) -> Instance:
    file = dicom_file.parse(bundled(name).read_bytes())
    return Instance(file.data_set, file.transfer_syntax)


def packed(name: str, signer: Party, *custodians: Party) -> tuple[Instance, Instance]:
    """The source, and the instance as it is delivered, read back from its bytes."""
    source = source_of(name)
    clean = deidentification.pack(source, ProjectKey.new(), Policy(burned_in="vouch"))
    people = [one.contact.decryption for one in custodians]
    result = reidentification.pack(source, clean, signer.signing, people, AT)
    file = dicom_file.parse(b"".join(dicom_file.marshal(result.data_set, result.transfer_syntax)))
    return source, Instance(file.data_set, file.transfer_syntax)


def opened(item: Instance, custodian: Party, *trusted: Party, accept_unbound: bool = False):
    judge = judge_by(trusting(*trusted))
    return reidentification.unpack(item, [custodian.decryption], judge, accept_unbound=accept_unbound)


def content_of(item: Instance, custodian: Party) -> DataSet:
    (one,) = encrypted_attributes.items_of(item.data_set)
    sealed = enveloped_cbc.without_pad(one.content)
    return encoding.parse(enveloped_cbc.open_(sealed, [custodian.decryption]), SYNTAX)


def with_content(item: Instance, content: DataSet, custodian: Party) -> Instance:
    """What anybody can do who has the custodian's certificate."""
    data = b"".join(encoding.marshal(content, SYNTAX))
    sealed = enveloped_cbc.seal(data, [custodian.contact.decryption])
    return Instance(encrypted_attributes.with_item(item.data_set, sealed, SYNTAX), item.transfer_syntax)


def refused(
    item: Instance, custodian: Party, *trusted: Party, accept_unbound: bool = False
) -> DicomPackError:
    with pytest.raises(DicomPackError) as caught:
        opened(item, custodian, *trusted, accept_unbound=accept_unbound)
    return caught.value


@pytest.mark.parametrize("name", INSTANCES)
def test_the_original_comes_back(name, sender, receiver):
    source, item = packed(name, sender, receiver)
    assert item.data_set.text(REMOVED) == "YES"
    result = opened(item, receiver, sender)
    assert result.data_set.text(REMOVED) == "NO"
    assert result.data_set.without(REMOVED) == source.data_set.without(REMOVED)
    assert result.transfer_syntax == source.transfer_syntax
    assert result.signer is not None
    assert result.signer[0].certificate == sender.signing.certificate
    assert (item.data_set.text(INSTANCE), source.data_set.text(INSTANCE)) in result.uids


def test_each_custodian_opens_it_and_nobody_else_ena_6(sender, receiver, stranger):
    _, item = packed("CT_small.dcm", sender, receiver, sender)
    assert opened(item, receiver, sender).data_set == opened(item, sender, sender).data_set
    error = refused(item, stranger, sender)
    assert isinstance(error, NoMatchError)
    assert error.rule == "ENA-6"


def test_an_item_for_others_is_passed_over(sender, receiver, stranger):
    """PS3.15 E.1.2: any one item that can be opened will do; what is of another kind may be for others."""
    source, item = packed("CT_small.dcm", sender, receiver)
    _, other = packed("CT_small.dcm", sender, stranger)
    own, foreign = (one.data_set.items(0x04000500)[0] for one in (item, other))
    unknown = foreign.replacing(Element(0x04000520, "OB", b"\x30\x00"))
    both = item.data_set.replacing(Sequence(0x04000500, (unknown, foreign, own)))
    result = opened(Instance(both, item.transfer_syntax), receiver, sender)
    assert result.data_set.without(REMOVED) == source.data_set


def test_what_others_put_before_the_own_item_does_not_keep_it_from_being_found(sender, receiver, stranger):
    """Anybody can encrypt to a custodian: an unbound item, another patient's and a stranger's stand first."""
    source, item = packed("CT_small.dcm", sender, receiver)
    _, other = packed("MR_small.dcm", sender, receiver)
    _, strange = packed("CT_small.dcm", stranger, receiver)
    unbound = with_content(item, DataSet([content_of(item, receiver).get(0x04000550)]), receiver)
    own, *others = (one.data_set.items(0x04000500)[0] for one in (item, unbound, other, strange))
    for accept_unbound in (False, True):
        every = item.data_set.replacing(Sequence(0x04000500, (*others, own)))
        result = opened(
            Instance(every, item.transfer_syntax), receiver, sender, accept_unbound=accept_unbound
        )
        assert result.signer is not None
        assert result.data_set.without(REMOVED) == source.data_set
    left = item.data_set.replacing(Sequence(0x04000500, tuple(others)))
    assert refused(Instance(left, item.transfer_syntax), receiver, sender).rule == "ENA-7"
    accepting = refused(Instance(left, item.transfer_syntax), receiver, sender, accept_unbound=True)
    assert accepting.rule == "ENA-8"


def test_the_item_of_another_patient_ena_8(sender, receiver):
    _, item = packed("CT_small.dcm", sender, receiver)
    _, other = packed("MR_small.dcm", sender, receiver)
    moved = item.data_set.replacing(other.data_set.get(0x04000500))
    for accept_unbound in (False, True):
        error = refused(
            Instance(moved, item.transfer_syntax), receiver, sender, accept_unbound=accept_unbound
        )
        assert isinstance(error, BadSignatureError)
        assert error.rule == "ENA-8"


def test_the_item_of_another_patient_with_its_uid_changed_ena_7(sender, receiver):
    _, item = packed("CT_small.dcm", sender, receiver)
    _, other = packed("MR_small.dcm", sender, receiver)
    content = content_of(other, receiver)
    own = string_element(0x04011001, "UI", item.data_set.text(INSTANCE))
    error = refused(with_content(item, content.replacing(own), receiver), receiver, sender)
    assert error.rule == "ENA-7"


def test_a_stripped_binding_ena_13(sender, receiver):
    """Whoever can encrypt to the custodian can leave the statement out: only on request, with a finding."""
    _, item = packed("CT_small.dcm", sender, receiver)
    content = content_of(item, receiver)
    bare = DataSet([content.get(0x04000550)])
    stripped = with_content(item, bare, receiver)
    error = refused(stripped, receiver, sender)
    assert error.rule == "ENA-7"
    assert "--accept-unbound" in (error.hint or "")
    result = opened(stripped, receiver, sender, accept_unbound=True)
    assert result.signer is None
    assert [(one.kind, one.rule) for one in result.findings] == [("unbound", "ENA-13")]


def test_a_broken_binding_is_never_accepted_ena_7(sender, receiver):
    _, item = packed("CT_small.dcm", sender, receiver)
    content = content_of(item, receiver)
    name = content.items(0x04000550)[0].replacing(string_element(0x00100010, "PN", "SOMEBODY^ELSE"))
    attempts = [
        content.without(STATEMENT),
        content.replacing(Element(STATEMENT, "OB", b"\x30\x00")),
        content.replacing(Sequence(0x04000550, (name,))),
        content.replacing(Sequence(0x04000550, (name, name))),
        content.replacing(Element(0x04011002, "AT", b"\x10\x00\x20\x00")),
        content.replacing(string_element(0x04011003, "UT", "1.2 1.3\n")),
        content.replacing(Element(0x04011004, "OB", b"")),
    ]
    for number, attempt in enumerate(attempts):
        for accept_unbound in (False, True):
            forged = with_content(item, attempt, receiver)
            error = refused(forged, receiver, sender, accept_unbound=accept_unbound)
            assert (number, error.rule) == (number, "ENA-7")


def test_signed_by_a_stranger(sender, receiver, stranger):
    _, item = packed("CT_small.dcm", stranger, receiver)
    error = refused(item, receiver, sender)
    assert isinstance(error, UntrustedError)
    assert error.rule == "TRU-1"


def test_another_statement_of_the_same_signer_ena_7(sender, receiver):
    _, item = packed("CT_small.dcm", sender, receiver)
    content = content_of(item, receiver)
    other = signed.sign(b'{"format":1}', sender.signing, AT)
    error = refused(
        with_content(item, content.replacing(Element(STATEMENT, "OB", other)), receiver), receiver, sender
    )
    assert error.rule == "ENA-7"


def test_flipped_bits_all_look_the_same_ena_7(sender, receiver):
    """A padding oracle, or one of another kind, would tell two places apart."""
    _, item = packed("CT_small.dcm", sender, receiver)
    (one,) = encrypted_attributes.items_of(item.data_set)
    seen = set()
    for back in (2, 5, 17, 20, 33, 500, 2000, 4000, len(one.content) // 2, 9000):
        changed = bytearray(one.content)
        changed[-back] ^= 1
        data_set = encrypted_attributes.with_item(item.data_set, bytes(changed), SYNTAX)
        error = refused(Instance(data_set, item.transfer_syntax), receiver, sender)
        seen.add((type(error), str(error), error.hint, error.where))
    assert len(seen) == 1
    assert seen.pop()[0] is BadSignatureError


def test_an_expired_signer_is_believed_at_the_time_it_claims_ena_14(receiver):
    """Instances outlive certificates; a certificate that was not valid even then is refused."""
    long_ago = datetime.now(UTC) - timedelta(days=6 * 365)
    retired = new_party("Retired", long_ago)
    source = source_of("CT_small.dcm")
    clean = deidentification.pack(source, ProjectKey.new(), Policy(burned_in="vouch"))
    people = [receiver.contact.decryption]
    for at, kind in ((long_ago + timedelta(days=1), None), (AT, UntrustedError)):
        made = reidentification.pack(source, clean, retired.signing, people, at)
        item = Instance(made.data_set, made.transfer_syntax)
        if kind is None:
            result = opened(item, receiver, retired)
            assert [(one.kind, one.rule) for one in result.findings] == [("signer-expired", "ENA-14")]
        else:
            assert isinstance(refused(item, receiver, retired), kind)


def test_a_signer_of_the_future_is_not_believed_ena_14(sender, receiver):
    """Only what has expired is looked at in another time than now."""
    _, item = packed("CT_small.dcm", sender, receiver)
    judge = judge_by(trusting(sender), AT - timedelta(days=1))
    with pytest.raises(UntrustedError) as caught:
        reidentification.unpack(item, [receiver.decryption], judge)
    assert caught.value.rule == "TRU-2"


def test_without_encrypted_attributes_ena_1(sender, receiver):
    error = refused(source_of("CT_small.dcm"), receiver, sender)
    assert isinstance(error, InputError)
    assert error.rule == "ENA-1"


def test_encrypted_attributes_of_somebody_else_come_back(sender, receiver, stranger):
    """De-identified twice: each custodian undoes one."""
    _, first = packed("CT_small.dcm", sender, stranger)
    clean = deidentification.pack(first, ProjectKey.new(), Policy(burned_in="vouch"))
    second = reidentification.pack(first, clean, sender.signing, [receiver.contact.decryption], AT)
    assert len(second.data_set.items(0x04000500)) == 1
    item = Instance(second.data_set, second.transfer_syntax)
    assert isinstance(refused(item, stranger, sender), NoMatchError)
    once = opened(item, receiver, sender)
    assert once.data_set == first.data_set
    twice = opened(Instance(once.data_set, once.transfer_syntax), stranger, sender)
    assert twice.data_set.without(REMOVED) == source_of("CT_small.dcm").data_set


def test_uids_are_those_that_were_signed(sender, receiver):
    """What stands in the public part of an instance can be anything by now."""
    source, item = packed("CT_small.dcm", sender, receiver)
    study = string_element(0x0020000D, "UI", "2.25.666")
    result = opened(Instance(item.data_set.replacing(study), item.transfer_syntax), receiver, sender)
    assert result.data_set.without(REMOVED) == source.data_set
    assert (item.data_set.text(0x0020000D), source.data_set.text(0x0020000D)) in result.uids
    assert "2.25.666" not in dict(result.uids)


def test_nothing_but_the_sequence_is_added(sender, receiver):
    source = source_of("CT_small.dcm")
    clean = deidentification.pack(source, ProjectKey.new(), Policy(burned_in="vouch"))
    result = reidentification.pack(source, clean, sender.signing, [receiver.contact.decryption], AT)
    assert isinstance(result, Deidentified)
    assert result.data_set.without(0x04000500) == clean.data_set
    assert result.findings == clean.findings
