"""Stage 2: what is delivered is what was packed, whichever codec it travelled in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicompack.container.manifest import FileFacts, ManifestMember
from dicompack.dicom.dataset import DataSet, string_element
from dicompack.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicompack.errors import FormatError
from dicompack.stages import compression
from dicompack.stages.artifacts import Compressed, Deidentified
from dicompack.stages.compression import Encoding
from tests.unit.dicom.native_pixels import native, samples

DATA_SET = native(samples(frames=2), stored=12).replacing(
    string_element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7.3"),
    string_element(0x00080018, "UI", "2.25.1"),
)


def listed(packed: Compressed) -> ManifestMember:
    """What the MANIFEST says of it; the rest of a member is no concern of this stage."""
    return ManifestMember(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7.3",
        sop_instance_uid="2.25.1",
        study_instance_uid="",
        series_instance_uid="",
        modality="OT",
        signed=FileFacts("00" * 32, 1, packed.transfer_syntax.uid),
        delivered=packed.delivered,
        pixels=packed.pixels,
        compression=packed.compression,
        signature_uid="2.25.2",
    )


def packed_by(codec: str, data_set: DataSet = DATA_SET, syntax=EXPLICIT_LITTLE) -> Compressed:
    return compression.pack(Deidentified(data_set, syntax), Encoding(codec))


@pytest.mark.parametrize("codec", compression.CODECS)
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_back_in_its_own_transfer_syntax(codec, syntax):
    packed = packed_by(codec, syntax=syntax)
    assert packed.compression.codec == codec
    back = compression.unpack(packed, listed(packed))
    assert (back.data_set, back.transfer_syntax) == (DATA_SET, syntax)


def test_cmp_10_the_transfer_syntax_is_that_of_the_codec():
    packed = packed_by("j2k")
    with pytest.raises(FormatError) as caught:
        compression.unpack(replace(packed, transfer_syntax=EXPLICIT_LITTLE), listed(packed))
    assert caught.value.rule == "CMP-10"
