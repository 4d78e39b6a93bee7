"""What an instance refers to."""

from dicompack.dicom.dataset import DataSet, Sequence, string_element
from dicompack.dicom.references import references, uids


def ui(tag, value):
    return string_element(tag, "UI", value)


def item(*nodes):
    return DataSet(nodes)


REFERENCED = Sequence(0x00081199, (item(ui(0x00081155, "1.2.3")), item(ui(0x00081155, "1.2.4\\1.2.5"))))
INSTANCE = DataSet(
    [
        ui(0x00080018, "1.1"),
        ui(0x00200052, "1.9"),
        Sequence(0x00081115, (item(REFERENCED),)),
        Sequence(0x00081110, (item(ui(0x00081155, "1.7.1")),)),  # a study: no instance
        Sequence(0x00081111, (item(ui(0x00081155, "1.7.2")),)),  # a step of work
        Sequence(0x30060010, (item(ui(0x00200052, "1.8.1")),)),
        Sequence(0x30060020, (item(ui(0x30060024, "1.8.2")),)),
    ]
)


def test_references_at_every_level():
    found = references(INSTANCE)
    assert found.instance == "1.1"
    assert found.names_instances == {"1.2.3", "1.2.4", "1.2.5"}
    assert found.frames_of_reference == {"1.9"}
    assert found.names_frames_of_reference == {"1.8.2"}


def test_an_instance_without_any():
    found = references(DataSet([ui(0x00080018, "1.1")]))
    assert (found.names_instances, found.frames_of_reference, found.names_frames_of_reference) == (
        frozenset(),
        frozenset(),
        frozenset(),
    )


def test_all_uids():
    assert uids(INSTANCE) == {
        "1.1", "1.9", "1.2.3", "1.2.4", "1.2.5", "1.7.1", "1.7.2", "1.8.1", "1.8.2",
    }  # fmt: skip
