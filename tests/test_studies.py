"""Real studies through the whole pipeline: the development data set, where it is present."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import warnings
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import dicompack
from dicompack import Originator, ProjectKey, Recipient
from dicompack.crypto import signed
from dicompack.dicom import dicom_file, mac
from dicompack.dicom.comparison import same_samples
from dicompack.dicom.confidentiality import new_uid
from dicompack.dicom.confidentiality.table import rows
from dicompack.dicom.dataset import tag_text
from tests.conftest import trusting
from tests.hostile.forgery import Forgery

pytestmark = pytest.mark.shared_data

# Every instance of these is packed, or listed with its reason; so many are listed.
# The last figure is of signed instances that dcmsign cannot verify, for the two reasons below.
STUDIES = {
    "studies/ct_lidc_philips_brilliance16p": (100, 0, 0),
    "studies/mr_ge_pioneer_mprage": (130, 0, 0),
    "studies/pet_qin_headneck_cps": (300, 0, 0),
    "modalities": (57, 3, 3),
    "transfer_syntaxes": (131, 7, 4),
}

# dcmsign of Debian 12 does not know these Transfer Syntaxes and cannot verify anything in them.
UNKNOWN_TO_DCMSIGN = {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.8.1"}
# Its MAC writer flushes a buffer of this size, up to 12 bytes early (see spec/3-signature.md).
DCMSIGN_BUFFER, EARLY = 16_384, 12


@pytest.fixture(scope="module", params=STUDIES)
def study(request, data, tmp_path_factory, sender, receiver):
    """One study, packed and unpacked twice."""
    folder = tmp_path_factory.mktemp("study")
    key = ProjectKey(bytes(32))  # where dcmsign's buffer has its edges depends on the lengths of the UIDs
    report = dicompack.pack(
        [data / request.param],
        folder / "x.dcmpack",
        originator=Originator(sender.signing, (receiver.contact,)),
        project_key=key,
        volume_size=5_000_000,
    )
    recipient = Recipient((receiver.decryption,), trusting(sender))
    first = folder / report.volumes[0]
    assert dicompack.verify(first, recipient=recipient).instances_out == report.instances_out
    dicompack.unpack(first, folder / "out", recipient=recipient)
    dicompack.unpack(first, folder / "signed", recipient=recipient, keep_signed=True)
    return data / request.param, STUDIES[request.param], folder, report, key


def sources(folder: Path):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def test_in_is_out_and_what_is_listed(study):
    _, (instances, refused, _), _, report, _ = study
    listed = [skipped for skipped in report.skipped if skipped.dicom]
    assert report.instances_in == instances
    assert report.instances_in == report.instances_out + len(listed)
    assert len(listed) == refused, listed
    assert all(skipped.reason for skipped in listed)


def test_every_sample_is_that_of_the_source(study):
    source, _, folder, report, key = study
    skipped = {one.name for one in report.skipped}
    delivered: dict[str, list[bytes]] = {}
    for path in (folder / "out").rglob("*.dcm"):
        delivered.setdefault(path.stem.partition("-")[2], []).append(path.read_bytes())
    compared = 0
    for path, content in sources(source):
        if path.relative_to(source).as_posix() in skipped:
            continue
        uid = dicom_file.parse(content).data_set.text(0x00080018)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = [_compare(content, candidate) for candidate in delivered[new_uid(uid, key.derive)]]
        assert "equal" in results or "no pixels" in results, path
        compared += 1
    assert compared == report.instances_out


def _compare(source: bytes, delivered: bytes) -> str:
    try:
        return same_samples(source, delivered)
    except dicompack.errors.DamagedError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore")
def test_nothing_identifying_is_outside_the_sealed_members_nor_in_what_is_delivered(study, receiver):
    """Names, IDs, dates, UIDs, private values, file names of the sources, and their SHA-256 in all forms."""
    source, _, folder, report, _ = study
    forgery = Forgery(folder / report.volumes[0])
    places = {name: (folder / name).read_bytes() for name in report.volumes}
    places["the MANIFEST"] = signed.verify(forgery.open("MANIFEST", receiver.decryption)).content
    for path in (folder / "out").rglob("*.dcm"):
        data = path.read_bytes()
        data_set = pydicom.dcmread(BytesIO(data), stop_before_pixels=True)
        pixels = data.rfind(b"\xe0\x7f\x10\x00")
        places[path.name] = data[:pixels] if pixels > 0 and "Rows" in data_set else data
    everything = b"\n\0".join(places.values())
    tokens = _tokens(source)
    assert len(tokens) > 300
    found = {
        token: [name for name, data in places.items() if token in data]
        for token in tokens
        if token in everything
    }
    assert not found


def _tokens(source: Path) -> set[bytes]:
    """What must not be found. A private value is no token where the standard's attributes say it, too."""
    replaced = {row.tag for row in rows() if row.profile == "U"}
    tokens: set[bytes] = set()
    private: set[bytes] = set()
    public: set[bytes] = set()
    for path, content in sources(source):
        digest = hashlib.sha256(content)
        tokens |= {digest.digest(), digest.hexdigest().encode(), base64.b64encode(digest.digest())}
        if len(path.name) > 6:
            tokens.add(path.name.encode())
        try:
            elements = [one for one in pydicom.dcmread(path, force=True).iterall() if one.VR != "SQ"]
        except Exception:  # noqa: BLE001 - whatever pydicom makes of files that are refused anyway
            continue
        for element in elements:
            many = isinstance(element.value, list | pydicom.multival.MultiValue)
            for value in element.value if many else [element.value]:
                text = value.strip(b" \0") if isinstance(value, bytes) else str(value).strip().encode()
                if len(text) < 6 or not text.strip(b"0"):
                    continue
                if element.tag.is_private:
                    if not element.tag.is_private_creator and 8 <= len(text) <= 200:
                        private.add(text)
                elif (
                    element.VR in ("PN", "DA", "DT")
                    or element.keyword in ("PatientID", "AccessionNumber", "OtherPatientIDs")
                    or (tag_text(int(element.tag)) in replaced and not text.startswith(b"1.2.840.10008."))
                ):
                    tokens.add(text)
                else:
                    public.add(text)
    return tokens | {one for one in private if not any(one in other for other in public)}


def test_dcmsign_accepts_every_signature(study, program, sender):
    _, (_, _, unverifiable), folder, report, _ = study
    dcmsign = program("dcmsign")
    (folder / "ca.pem").write_bytes(sender.signing.certificate.public_bytes(Encoding.PEM))
    accepted = 0
    for path in sorted((folder / "signed").rglob("*.dcm")):
        result = subprocess.run(
            [dcmsign, "--verify", "+rg", "+rc", "+cf", folder / "ca.pem", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if result.returncode == 0:
            accepted += 1
            continue
        file = dicom_file.parse(path.read_bytes())
        assert file.transfer_syntax.uid in UNKNOWN_TO_DCMSIGN or _loses_bytes(dcmsign, file, folder), result
    assert accepted == report.instances_out - unverifiable


def _loses_bytes(dcmsign: str, file: dicom_file.DicomFile, folder: Path) -> bool:
    """Whether dcmsign's own MAC stream lacks bytes from an edge of its buffer on."""
    bare = mac.without_signature(file.data_set)
    plain = folder / "plain.dcm"
    plain.write_bytes(b"".join(dicom_file.marshal(bare, file.transfer_syntax)))
    key, certificate, dump = folder / "k.pem", folder / "c.pem", folder / "dump"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "2", "-subj", "/CN=t"], capture_output=True, check=True,
    )  # fmt: skip
    subprocess.run(
        [dcmsign, "+s", key, certificate, "+m2", "+d", dump, plain, folder / "theirs.dcm"],
        capture_output=True, check=True,
    )  # fmt: skip
    theirs = dump.read_bytes()
    signature = mac.read_signature(file.data_set)
    ours = b"".join(map(bytes, mac.stream(bare, signature)))
    edge = next(at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other)
    return (edge + EARLY) % DCMSIGN_BUFFER <= EARLY
