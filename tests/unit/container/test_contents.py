"""MANIFEST, DIGESTS and SEAL: one form, closed keys, every bound."""

import base64
import copy
import hashlib
import json
import pickle
import time
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.container import canonical_json, digests, manifest, seal
from dicompack.container.digests import Digests, ObjectDigest
from dicompack.container.faults import ContentsFormatError
from dicompack.container.manifest import (
    Compression,
    Deidentification,
    FileFacts,
    Manifest,
    ManifestMember,
    PixelFacts,
    RecipientKey,
    Restore,
)
from dicompack.container.originals import Original, Restoring
from dicompack.container.seal import Seal
from dicompack.errors import FormatError, UnsupportedError, UsageError

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
SEAL = Seal(
    set_id=bytes(16), volume_set=b"v" * 16, members=3, objects=3, data_volumes=2, recipients=(A, B),
    digests=(C, D),
)  # fmt: skip
MEMBER = ManifestMember(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_instance_uid="2.25.1",
    study_instance_uid="2.25.2",
    series_instance_uid="2.25.3",
    modality="CT",
    signed=FileFacts(A, 1000, "1.2.840.10008.1.2.4.90"),
    delivered=FileFacts(B, 3000, "1.2.840.10008.1.2.1"),
    pixels=PixelFacts(C, 2048),
    compression=Compression("j2k", "", Restore("OW", "MONOCHROME2", None)),
    signature_uid="2.25.4",
)
KEPT = replace(
    MEMBER,
    sop_instance_uid="2.25.2",
    study_instance_uid="",
    series_instance_uid="",
    modality="",
    pixels=None,
    compression=Compression("keep", "no pixel data", None),
)
MANIFEST = Manifest(
    set_id=bytes(range(16)),
    created=datetime(2026, 11, 23, 7, 15, 7, tzinfo=UTC),
    originator=D,
    recipients=(RecipientKey(A), RecipientKey(B)),
    instance_signer=b"0\x03\x02\x01\x01",
    members=(MEMBER, KEPT),
    deidentification=Deidentification("basic", ("clean-pixel-data", "retain-uids"), "2026d"),
)
ORIGINAL = Original("CT/Grüße 1.dcm", A, 3100, Restoring(1, 77, B))
AS_IS = replace(
    MANIFEST,
    deidentification=None,
    seal="hidden",
    members=(replace(MEMBER, original=ORIGINAL), replace(KEPT, original=replace(ORIGINAL, name="x"))),
    others=(Original("readme.txt", C, 0, Restoring(2, 4, D)),),
)


def _read_whole(raw):
    """What the one form means, said in another way: in a tuple, or None where it is another form."""
    try:
        value = json.loads(raw.decode("ascii"))
        again = json.dumps(value, sort_keys=True, separators=(",", ":"))
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    stack, numbers = [value], []
    while stack:
        one = stack.pop()
        stack += [*one.values()] if isinstance(one, dict) else one if isinstance(one, list) else []
        numbers += [one] if isinstance(one, (int, float)) else []
    in_bounds = all(isinstance(one, int) and -(2**63) < one < 2**63 for one in numbers)
    return (value,) if in_bounds and again.encode("ascii") == raw else None


class TestCanonicalJson:
    """PKG-1"""

    values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63) + 1, 2**63 - 1)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
        max_leaves=20,
    )

    @given(values)
    def test_round_trip(self, value):
        raw = canonical_json.marshal(value)
        assert canonical_json.parse(raw, maximum_size=1 << 20, where="x") == value
        assert raw.isascii()

    @given(values, st.data())
    def test_pkg_1_what_parses_has_one_form(self, value, data):
        """No malleability: a changed byte is refused, or it is another value."""
        raw = bytearray(canonical_json.marshal(value))
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position] = data.draw(st.integers(0, 255))
        try:
            other = canonical_json.parse(bytes(raw), maximum_size=1 << 20, where="x")
        except FormatError as error:
            assert error.rule == "PKG-1"
        else:
            assert canonical_json.marshal(other) == raw

    @pytest.mark.parametrize(
        "raw",
        [
            b"", b" 1", b"1 ", b"1\n", b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a": 1}', b"1.0", b"1e3",
            b"-0", b"01",
            b"NaN", b"Infinity", b"-Infinity", b"9223372036854775808", b"-9223372036854775808", b"1" * 5000,
            b'"\\u0041"', b'"\\u00E9"', '"é"'.encode(), b'"\xff"', b'"\\/"', b'"\\ud800"', b"\xef\xbb\xbf1",
            b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000, b'{"a":' * 100_000, b"{}{}", b"[1,]", b"'a'",
        ],
        ids=repr,
    )  # fmt: skip
    def test_pkg_1_other_forms_are_refused(self, raw):
        with pytest.raises(FormatError) as caught:
            canonical_json.parse(raw, maximum_size=1 << 20, where="SEAL0001")
        assert caught.value.rule == "PKG-1" and caught.value.where == "SEAL0001"

    short = st.text(st.characters(codec="utf-8"), max_size=3)
    leaves = st.sampled_from([None, True, 0, -12345, "a", "\\ü", "\U0001f600"]) | short
    inner = leaves | st.lists(leaves, max_size=2) | st.dictionaries(short, leaves, max_size=2)
    records = st.dictionaries(short, inner | st.lists(inner, max_size=3), max_size=4)

    @given(records, st.integers(1, 30), st.data())
    def test_pkg_1_lists_are_read_element_by_element(self, value, window, data):
        """However long a window is, and whatever is wrong: as the text read whole."""
        raw = bytearray(canonical_json.marshal(value))
        if data.draw(st.booleans()):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b'[]{},:"0 a\\-'))
        due = _read_whole(bytes(raw))
        for keys in ((), tuple(value)):
            each = dict.fromkeys(keys, lambda element: ["kept", element])
            with mock.patch.object(canonical_json, "_WINDOW", window):
                try:
                    found = canonical_json.parse(bytes(raw), maximum_size=1 << 20, where="x", each=each)
                except FormatError:
                    assert due is None
                    continue
            assert due is not None
            for key, one in due[0].items() if isinstance(due[0], dict) else ():
                if key in each and isinstance(one, list):
                    assert found[key] == [["kept", element] for element in one]
                else:
                    assert found[key] == one
            if not isinstance(due[0], dict):
                assert found == due[0]

    @given(records)
    def test_lists_are_written_element_by_element(self, value):
        lists = {key: one for key, one in value.items() if isinstance(one, list)}
        each = dict.fromkeys(lists, lambda element: [element, 1])
        whole = {**value, **{key: [[element, 1] for element in one] for key, one in lists.items()}}
        assert canonical_json.marshal(value, each) == canonical_json.marshal(whole)

    def test_pkg_1_size(self):
        assert canonical_json.parse(b"100", maximum_size=3, where="x") == 100
        with pytest.raises(FormatError):
            canonical_json.parse(b"1000", maximum_size=3, where="x")


class TestDigests:
    rows = tuple(ObjectDigest(bytes([number]) * 32, bytes([number + 100]) * 32) for number in range(4))

    def test_round_trip(self):
        raw = digests.marshal(Digests(self.rows))
        assert len(raw) == 256
        assert digests.parse(raw, 4) == Digests(self.rows)

    def test_columns(self):
        whole, content = Digests(self.rows).columns
        assert whole == hashlib.sha256(b"".join(row.whole for row in self.rows)).hexdigest()
        assert content == hashlib.sha256(b"".join(row.content for row in self.rows)).hexdigest()
        assert Digests(self.rows[::-1]).columns != (whole, content)

    @pytest.mark.parametrize(
        ("size", "objects"), [(255, 4), (257, 4), (256, 3), (256, 5), (64, 0), (0, 4), (192, 4)]
    )
    def test_pkg_8_length(self, size, objects):
        with pytest.raises(FormatError) as caught:
            digests.parse(bytes(size), objects)
        assert caught.value.rule == "PKG-8"


def changed(value, path, new):
    """A deep copy with one value replaced; `...` removes the key."""
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


def paths_of(value, path=()):
    """Every key of every record."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(key, str):
            yield (*path, key)
        yield from paths_of(inner, (*path, key))


WRONG = [..., {}, [], "", "x", -1, True, 1 << 62, "ä", ["x"], {"x": 1}]
"""Values that no field takes; where one does, the test says so."""


class TestSeal:
    value = json.loads(seal.marshal(SEAL))

    def test_round_trip(self):
        raw = seal.marshal(SEAL)
        assert seal.parse(raw) == SEAL
        assert raw.startswith(b'{"custody":false,"data_volumes":2,"digests":["ccc')
        later = replace(SEAL, sequence=2, previous=A)
        assert seal.parse(seal.marshal(later)) == later

    @pytest.mark.parametrize("path", list(paths_of(value)), ids="/".join)
    def test_pkg_6_every_field_with_wrong_values(self, path):
        for wrong in [*WRONG, None, 0]:
            if (path, wrong) in [(("previous",), None), (("recovery_volumes",), 0), (("originals",), 0)]:
                continue
            if path == ("custody",) and type(wrong) is bool:
                continue
            with pytest.raises((ContentsFormatError, UnsupportedError)) as caught:
                seal.parse(canonical_json.marshal(changed(self.value, path, wrong)))
            assert caught.value.rule in ("PKG-6", "PKG-9"), wrong

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("recipients", []), ("recipients", [B, A]), ("recipients", [A, A]), ("recipients", [A.upper()]),
            ("recipients", [f"{number:064x}" for number in range(257)]), ("digests", [C]),
            ("digests", [C, D, D]), ("members", 1_000_001), ("data_volumes", 10_000), ("sequence", 10_000),
            ("set_id", "0" * 31), ("format", 0), ("extra", 1), ("members", 3.0),
        ],
    )  # fmt: skip
    def test_pkg_6_bounds(self, field, wrong):
        with pytest.raises(FormatError) as caught:
            seal.parse(
                json.dumps({**self.value, field: wrong}, sort_keys=True, separators=(",", ":")).encode()
            )
        assert caught.value.rule == ("PKG-1" if wrong == 3.0 and field == "members" else "PKG-6")

    def test_as_many_recipients_as_there_may_be(self):
        full = replace(SEAL, recipients=tuple(f"{number:064x}" for number in range(256)))
        assert seal.parse(seal.marshal(full)) == full

    @pytest.mark.parametrize(("sequence", "previous"), [(1, A), (2, None)])
    def test_pkg_7_predecessor(self, sequence, previous):
        with pytest.raises(ContentsFormatError) as caught:
            seal.parse(canonical_json.marshal({**self.value, "sequence": sequence, "previous": previous}))
        assert caught.value.rule == "PKG-7"
        with pytest.raises(ContentsFormatError):
            seal.marshal(replace(SEAL, sequence=sequence, previous=previous))

    @pytest.mark.parametrize(("field", "newer"), [("format", 2), ("envelope", "other")])
    def test_pkg_9_newer_is_not_wrong(self, field, newer):
        with pytest.raises(UnsupportedError) as caught:
            seal.parse(canonical_json.marshal({**self.value, field: newer, "unheard": 1}))
        assert caught.value.rule == "PKG-9"

    def test_a_writer_makes_nothing_that_a_reader_refuses(self):
        for wrong in (replace(SEAL, members=0), replace(SEAL, set_id=b""), replace(SEAL, recipients=(B, A))):
            with pytest.raises(ContentsFormatError):
                seal.marshal(wrong)


class TestManifest:
    value = json.loads(manifest.marshal(MANIFEST))

    def test_round_trip(self):
        assert manifest.parse(manifest.marshal(MANIFEST)) == MANIFEST
        assert manifest.parse(manifest.marshal(AS_IS)) == AS_IS

    def test_a_long_one_is_never_in_memory_several_times(self):
        members = tuple(
            replace(
                KEPT,
                sop_instance_uid=f"1.2.{10_000 + number}",
                signed=replace(KEPT.signed, sha256=f"{number:064x}"),
                delivered=replace(KEPT.delivered, sha256=f"{number + 1:064x}"),
            )
            for number in range(2_000)
        )
        tracemalloc.start()
        try:
            raw = manifest.marshal(replace(MANIFEST, members=members))
            written = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            parsed = manifest.parse(raw)
            read = tracemalloc.get_traced_memory()[1] - len(raw)
        finally:
            tracemalloc.stop()
        assert parsed.members == members
        assert len({id(one.compression) for one in parsed.members}) == 1
        assert written < 2 * len(raw) and read < 2 * len(raw)

    def test_time_is_written_in_utc_and_whole_seconds(self):
        there = datetime(2026, 11, 23, 8, 15, 7, 999, tzinfo=timezone(timedelta(hours=1)))
        raw = manifest.marshal(replace(MANIFEST, created=there))
        assert raw == manifest.marshal(MANIFEST) and b'"2026-11-23T07:15:07Z"' in raw
        with pytest.raises(UsageError):
            manifest.marshal(replace(MANIFEST, created=datetime(2026, 1, 1)))  # noqa: DTZ001

    @pytest.mark.parametrize("path", list(paths_of(value)), ids=lambda path: "/".join(map(str, path)))
    def test_pkg_2_to_5_every_field_with_wrong_values(self, path):
        taken = {
            "study_instance_uid": [""], "series_instance_uid": [""], "modality": ["", "x"],
            "decoded_from": [""], "size": [1 << 33],
            "photometric_interpretation": ["x"], "options": [[], ["x"]], "edition": ["x"],
            "reason": ["" if path[:2] == ("members", 0) else "x"], "others": [[]], "original": [None],
        }.get(path[-1], [])  # fmt: skip
        for wrong in WRONG:
            # True == 1 in Python, but never here.
            if not isinstance(wrong, bool) and wrong in taken:
                continue
            with pytest.raises((FormatError, UnsupportedError)) as caught:
                manifest.parse(canonical_json.marshal(changed(self.value, path, wrong)))
            assert caught.value.rule in ("PKG-2", "PKG-3", "PKG-4", "PKG-5", "PKG-9", "PKG-20"), wrong

    @pytest.mark.parametrize(
        ("path", "wrong", "rule"),
        [
            (("more",), 1, "PKG-2"),
            (("members",), [], "PKG-2"),
            (("recipients",), [], "PKG-2"),
            (("seal",), "secret", "PKG-2"),
            (("created",), "2026-11-23T07:15:07+00:00", "PKG-2"),
            (("created",), "2026-02-30T07:15:07Z", "PKG-2"),
            (("created",), "2026-11-23T7:15:07Z", "PKG-2"),
            (("instance_signer",), "", "PKG-2"),
            (("instance_signer",), "MA==\n", "PKG-2"),
            (("instance_signer",), "MB==", "PKG-2"),
            (("instance_signer",), "MA", "PKG-2"),
            (("instance_signer",), "é" * 4, "PKG-2"),
            (("instance_signer",), base64.b64encode(bytes((1 << 14) + 1)).decode(), "PKG-2"),
            (("deidentification", "options"), ["b", "a"], "PKG-2"),
            (("deidentification", "options"), ["a", "a"], "PKG-2"),
            (("deidentification", "source"), "x", "PKG-2"),
            (("recipients", 0, "role"), "archivist", "PKG-5"),
            (("recipients", 1, "key"), A, "PKG-5"),
            (("recipients",), [{"key": B, "role": "recipient"}, {"key": A, "role": "recipient"}], "PKG-5"),
            (("recipients", 0), None, "PKG-5"),
            (("members", 0, "sop_instance_uid"), "1..2", "PKG-4"),
            (("members", 0, "sop_instance_uid"), "../1", "PKG-4"),
            (("members", 0, "sop_instance_uid"), "1.2\n", "PKG-4"),
            (("members", 0, "sop_instance_uid"), "1" * 65, "PKG-4"),
            (("members", 0, "sop_instance_uid"), "٣", "PKG-4"),
            (("members", 0, "original_sha256"), A, "PKG-4"),
            (("members", 0, "objects"), 2, "PKG-4"),
            (("members", 0, "signed", "size"), 0, "PKG-4"),
            (("members", 0, "signed", "sha256"), A.upper(), "PKG-4"),
            (("members", 0, "modality"), "C" * 17, "PKG-4"),
            (("members", 0, "modality"), "C\x1b", "PKG-4"),
            (("members", 0, "compression", "codec"), "jpeg", "PKG-4"),
            (("members", 0, "compression", "reason"), "why", "PKG-4"),
            (("members", 0, "compression", "restore"), None, "PKG-4"),
            (("members", 0, "compression", "restore", "vr"), "OF", "PKG-4"),
            (("members", 0, "compression", "restore", "planar_configuration"), 2, "PKG-4"),
            (("members", 0, "compression", "restore", "planar_configuration"), True, "PKG-4"),
            (("members", 1, "compression", "reason"), "", "PKG-4"),
            (("members", 1, "compression", "decoded_from"), "1.2.840.10008.1.2.5", "PKG-4"),
            (("members", 1, "compression", "reason"), "\x1b[2J", "PKG-4"),
            (("members", 0, "pixels"), None, "PKG-4"),
            (("members", 1, "sop_instance_uid"), "2.25.1", "PKG-3"),
            (("members", 0, "sop_instance_uid"), "2.25.3", "PKG-3"),
            (("format",), 2, "PKG-9"),
            (("envelope",), "secure-dicom", "PKG-9"),
        ],
    )
    def test_bounds(self, path, wrong, rule):
        with pytest.raises((FormatError, UnsupportedError)) as caught:
            manifest.parse(canonical_json.marshal(changed(self.value, path, wrong)))
        assert caught.value.rule == rule and caught.value.where == "MANIFEST"

    @pytest.mark.parametrize("planar", [None, 0, 1])
    def test_planar_configuration(self, planar):
        kept = replace(MEMBER, compression=Compression("j2k", "", Restore("OB", "RGB", planar)))
        assert manifest.parse(manifest.marshal(replace(MANIFEST, members=(kept,)))).members == (kept,)

    def test_two_instances_with_one_uid_are_ordered_by_their_digest(self):
        first, second = MEMBER, replace(MEMBER, signed=replace(MEMBER.signed, sha256=B))
        assert manifest.parse(manifest.marshal(replace(MANIFEST, members=(first, second)))).members == (
            first,
            second,
        )
        for wrong in ((second, first), (first, first)):
            with pytest.raises(ContentsFormatError) as caught:
                manifest.marshal(replace(MANIFEST, members=wrong))
            assert caught.value.rule == "PKG-3"

    def test_every_problem_is_listed_without_any_value(self):
        value = changed(self.value, ("members", 0, "sop_instance_uid"), "CANARY^NAME")
        value = changed(value, ("members", 0, "CANARY^KEY"), "x")
        value = changed(value, ("members", 1, "signed"), [])
        with pytest.raises(ContentsFormatError) as caught:
            manifest.parse(canonical_json.marshal(value))
        assert caught.value.faults == (
            "member 1 has 1 unknown keys",
            "member 1.sop_instance_uid is not a UID",
            "member 2.signed is not a record",
        )
        assert caught.value.message == "member 1 has 1 unknown keys (and 2 more)"
        again = pickle.loads(pickle.dumps(caught.value))
        assert (again.faults, again.message, again.rule) == (
            caught.value.faults,
            caught.value.message,
            "PKG-4",
        )

    def test_a_thousand_problems_are_counted(self):
        value = changed(self.value, ("members",), [None] * 1000)
        with pytest.raises(ContentsFormatError) as caught:
            manifest.parse(canonical_json.marshal(value))
        assert len(caught.value.faults) == 21 and caught.value.faults[-1] == "and 980 more"
        assert pickle.loads(pickle.dumps(caught.value)).faults == caught.value.faults

    def test_ten_thousand_members(self):
        members = tuple(
            replace(MEMBER, sop_instance_uid=f"2.25.{number:05d}") for number in range(10_000, 20_000)
        )
        before = time.perf_counter()
        raw = manifest.marshal(replace(MANIFEST, members=members))
        assert manifest.parse(raw).members == members
        assert time.perf_counter() - before < 5

    @pytest.mark.parametrize("raw", [b"null", b"[]", b"1", b'"x"', b"{}"])
    def test_pkg_2_other_values(self, raw):
        for parse in (manifest.parse, seal.parse):
            with pytest.raises(ContentsFormatError):
                parse(raw)
