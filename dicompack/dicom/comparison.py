"""Are the samples of two files the same? Answered by pydicom, which had no part in making them."""

from __future__ import annotations

from io import BytesIO

from dicompack.dicom import dicom_file, tags
from dicompack.dicom.codestream_comments import bare
from dicompack.dicom.dataset import DataSet, Element, Encapsulated, bytes_of
from dicompack.dicom.encapsulation import frames_of
from dicompack.dicom.pixelformat import pixel_format
from dicompack.errors import DamagedError


def same_samples(source: bytes, delivered: bytes) -> str:
    """Compare the pixels of an instance as it came and as it was delivered.

    Returns:
        ``equal`` where every sample is, ``no pixels`` where neither has any.

    Raises:
        DamagedError: they differ.
    """
    before, after = dicom_file.parse(source), dicom_file.parse(delivered)
    one, other = before.data_set.get(tags.PIXEL_DATA), after.data_set.get(tags.PIXEL_DATA)
    if one is None and other is None:
        return "no pixels"
    if before.transfer_syntax != after.transfer_syntax:
        raise DamagedError("delivered in another transfer syntax")
    if isinstance(one, Encapsulated) and isinstance(other, Encapsulated):
        equal = [*map(bytes_of, one.fragments)] == [*map(bytes_of, other.fragments)]
        if not equal:  # comments may have gone (DEI-65)
            equal = _bare_frames(before.data_set) == _bare_frames(after.data_set)
    elif isinstance(one, Element) and isinstance(other, Element):
        equal = _decoded(source) == _decoded(delivered)
    else:
        equal = False
    if not equal:
        raise DamagedError("the samples differ")
    return "equal"


def _bare_frames(data_set: DataSet) -> list[bytes]:
    layout = pixel_format(data_set)
    frames = frames_of(data_set, layout) if layout is not None else None
    if frames is None:
        raise DamagedError("the fragments differ")
    return [bare(frame) or bytes(frame) for frame in frames]


def _decoded(file: bytes) -> tuple[tuple[int, ...], str, bytes]:
    from pydicom import dcmread

    samples = dcmread(BytesIO(file), force=True).pixel_array
    return samples.shape, samples.dtype.str, samples.tobytes()
