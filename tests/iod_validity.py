"""What `dciodvfy` of dicom3tools has against an instance, and what of that is new after de-identification."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from dicompack.dicom import dicom_file
from dicompack.dicom.dataset import DataSet
from dicompack.dicom.dicom_file import DicomFile
from dicompack.dicom.transfer_syntaxes import EXPLICIT_LITTLE

_ITEM = re.compile(r"\[[0-9]+\]")
_UID = re.compile(r"(?<=UID = )<[0-9.]*>|(?<=UID  = )<[0-9.]*>|<[0-9]+(?:\.[0-9]+){2,}>")
_WRONG_VR = re.compile(r"^(Error - <[^>]*>) - Invalid Value Representation .*$")
_MISSING = re.compile(r"^(Error - <[^>]*>) - Missing attribute .*$")


def new_errors(dciodvfy: str, source: DicomFile, result: DataSet, folder: Path) -> list[str]:
    """The errors of the result that the source did not have; items and UIDs are not told apart.

    An attribute of a wrong VR that is gone (DEI-11) was in error before, and is no new one.
    """
    before = _errors(dciodvfy, source, source.data_set, folder)
    wrong = {found[1] for error in before if (found := _WRONG_VR.match(error))}
    return sorted(
        error
        for error in _errors(dciodvfy, source, result, folder) - before
        if not ((found := _MISSING.match(error)) and found[1] in wrong)
    )


def _errors(dciodvfy: str, source: DicomFile, data_set: DataSet, folder: Path) -> set[str]:
    # It cannot inflate what is deflated.
    syntax = EXPLICIT_LITTLE if source.transfer_syntax.deflated else source.transfer_syntax
    path = folder / "instance.dcm"
    path.write_bytes(b"".join(dicom_file.marshal(data_set, syntax)))
    told = subprocess.run([dciodvfy, "-new", path], capture_output=True, check=False, timeout=60)
    lines = (told.stderr + told.stdout).decode("latin-1").splitlines()
    return {_UID.sub("<uid>", _ITEM.sub("", line)) for line in lines if line.startswith("Error")}
