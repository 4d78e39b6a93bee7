"""Stage 1: de-identification (PS3.15 Annex E). Without a custodian there is no way back, so no `unpack`."""

from __future__ import annotations

from dicompack.dicom.confidentiality import deidentify
from dicompack.parties import Originator
from dicompack.stages.artifacts import Deidentified, Instance


def pack(item: Instance, originator: Originator) -> Deidentified:
    """De-identify by the Basic Application Level Confidentiality Profile.

    Raises:
        SuspectError: the instance holds what cannot be de-identified.
    """
    result = deidentify(item.data_set, originator.project_key.derive)
    return Deidentified(result.data_set, item.transfer_syntax, result.findings)
