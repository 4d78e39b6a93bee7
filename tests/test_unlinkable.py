"""Without the project key nobody gets from a pseudonym back to an ID that he can guess."""

import base64
import hashlib
import hmac
import itertools

import pydicom

import dicompack
from dicompack import Originator, ProjectKey
from tests.packages import study

# A hospital's numbers are few: an attacker tries all of them. Here the right one is among 20,000.
GUESSES = [f"{number:06d}" for number in range(20_000)]
PATIENT = GUESSES[12_345]


def pseudonyms(tmp_path, originator, recipient, **settings):
    """Patient ID and SOP Instance UID of two packages of one patient."""
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        source = study(folder / "source", ("CT_small.dcm",)) / "CT_small.dcm"
        data_set = pydicom.dcmread(source)
        data_set.PatientID = PATIENT
        data_set.save_as(source)
        dicompack.pack([source], folder / "p.dcmpack", originator=originator, **settings)
        dicompack.unpack(folder / "p.dcmpack", folder / "out", recipient=recipient)
        (path,) = (folder / "out").rglob("*.dcm")
        delivered = pydicom.dcmread(path)
        found.append((delivered.PatientID, delivered.SOPInstanceUID))
    return found


def candidates(guess: str):
    """What can be computed from a guess without the key: digests, plain and under keys that are no secret."""
    data = guess.encode()
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in (b"patient-id", data, b""))
    for message in (data, framed):
        yield hashlib.sha256(message).digest()
        for key in (b"", bytes(32), b"dicompack", b"\xff" * 32):
            yield hmac.new(key, message, hashlib.sha256).digest()


def test_no_guess_hits_the_pseudonym(tmp_path, originator, recipient):
    key = ProjectKey.new()
    (one, _), (two, _) = pseudonyms(tmp_path, originator, recipient, project_key=key)
    assert one == two
    text = one.removeprefix("DP-")
    assert base64.b32encode(key.derive("patient-id", PATIENT.encode(), b"")).decode().startswith(text)
    for guess in GUESSES:
        assert not any(base64.b32encode(digest).decode().startswith(text) for digest in candidates(guess))


def test_packages_without_a_project_key_cannot_be_linked(tmp_path, sender, receiver, recipient):
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        own = Originator(sender.signing, (receiver.contact,))
        found += pseudonyms(tmp_path / name, own, recipient)[:1]
    values = [value for pair in found for value in pair]
    assert all(one != other for one, other in itertools.combinations(values, 2))
