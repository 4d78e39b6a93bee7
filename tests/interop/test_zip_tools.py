"""The data volumes one after the other are a ZIP file to everybody else: no warning, equal bytes."""

import struct
import subprocess
import zipfile
import zlib

import pytest

from dicompack.container.zip_entries import central_header, end_records, local_header
from tests.unit.container.packages import make

SIZES = [5_000, 70_000, 3, 1, 200_000]


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, timeout=60, check=False, **options
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert b"warning" not in (done.stdout + done.stderr).lower()
    return done


@pytest.fixture(
    params=[(None, 0), (None, 2), (60_000, 0), (60_000, 2)],
    ids=["one volume", "one with recovery", "volumes", "volumes with recovery"],
)
def package(request, tmp_path):
    volume_size, recovery = request.param
    made = make(SIZES, volume_size, recovery=recovery)
    for name, data in made.volumes.items():
        (tmp_path / name).write_bytes(data)
    data_volumes = list(made.volumes.values())[: made.layout.count]
    (tmp_path / "all.zip").write_bytes(b"".join(data_volumes))
    return made, tmp_path


def check_extracted(made, folder):
    """README's way: `cat` the pieces of what was cut."""
    for name, data in made.contents.items():
        whole = folder / name
        pieces = sorted((folder / "CUT" / name.removeprefix("DICOM/")).glob("*"))
        assert whole.exists() != bool(pieces)
        assert (
            whole.read_bytes() if whole.exists() else b"".join(piece.read_bytes() for piece in pieces)
        ) == data
    assert b"openssl" in (folder / "README").read_bytes()


@pytest.mark.interop
def test_unzip(program, package):
    made, folder = package
    tested = run(program("unzip"), "-t", folder / "all.zip")
    assert b"No errors detected" in tested.stdout and tested.stderr == b""
    # The comment is text for people.
    assert b"\nDICOMPack 1: volume 000" in tested.stdout
    run(program("unzip"), "-q", folder / "all.zip", "-d", folder / "out")
    check_extracted(made, folder / "out")


@pytest.mark.interop
def test_seven_zip_opens_the_first_volume(program, package):
    made, folder = package
    first = folder / next(iter(made.volumes))
    tested = run(program("7zz"), "t", first)
    assert b"Everything is Ok" in tested.stdout and tested.stderr == b""
    run(program("7zz"), "x", first, f"-o{folder / 'out'}")
    check_extracted(made, folder / "out")


@pytest.mark.interop
def test_bsdtar_from_file_and_from_pipe(program, package):
    made, folder = package
    listed = run(program("bsdtar"), "-tf", folder / "all.zip")
    piped = run(program("bsdtar"), "-tf", "-", input=(folder / "all.zip").read_bytes())
    assert listed.stdout == piped.stdout and listed.stderr == piped.stderr == b""
    assert len(listed.stdout.splitlines()) == made.layout.entry_count
    for number, options in enumerate(({}, {"input": (folder / "all.zip").read_bytes()})):
        out = folder / f"out{number}"
        out.mkdir()
        run(program("bsdtar"), "-xf", "-" if options else folder / "all.zip", "-C", out, **options)
        check_extracted(made, out)


def test_python(package):
    made, folder = package
    with zipfile.ZipFile(folder / "all.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == made.layout.entry_count == len(set(archive.namelist()))
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        archive.extractall(folder / "out")
    check_extracted(made, folder / "out")


@pytest.fixture
def beyond_four_gib(tmp_path):
    """A sparse file with a small entry behind a large one: the offset needs ZIP64."""
    large, contents = 0xFFFF_FFFE, b"behind four gibibytes"
    first, second = local_header("A", large, 0x1234), local_header("B", len(contents), zlib.crc32(contents))
    offset = len(first) + large
    directory = central_header("A", large, 0x1234, 0) + central_header(
        "B", len(contents), zlib.crc32(contents), offset
    )
    path = tmp_path / "sparse.zip"
    with path.open("wb") as file:
        file.write(first)
        file.seek(offset)
        file.write(second + contents + directory)
        file.write(end_records(1, 1, 2, directory, offset + len(second) + len(contents)))
    return path, contents


def test_offset_beyond_four_gib_in_python(beyond_four_gib):
    path, contents = beyond_four_gib
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("B").header_offset > 1 << 32
        assert archive.read("B") == contents


@pytest.mark.interop
def test_offset_beyond_four_gib(program, beyond_four_gib):
    path, contents = beyond_four_gib
    assert run(program("unzip"), "-p", path, "B").stdout == contents
    assert run(program("7zz"), "x", "-so", path, "B").stdout == contents
    assert run(program("bsdtar"), "-xOf", path, "B").stdout == contents


def test_sentinels_of_the_end_record(package):
    """ZIP64 everywhere: the short end record always points to the long one."""
    _, folder = package
    data = (folder / "all.zip").read_bytes()
    start = data.rindex(b"PK\5\6")
    assert struct.unpack_from("<HHII", data, start + 8) == (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
