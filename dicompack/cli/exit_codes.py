"""The exit codes, and the one table that gives each kind of error its code.

Codes stand in bands of ten and rise with distrust, so that the highest wins where several apply. A code that
a caller does not know is a failure, readable by its band.
"""

from __future__ import annotations

from enum import IntEnum

from dicompack.errors import DicomPackError


class ExitCode(IntEnum):
    """Every code the program ends with; ``spec/9-command-line.md`` says what to do about each."""

    SUCCESS = 0
    INTERNAL = 1
    USAGE = 2
    PARTIAL = 3
    INPUT = 10
    OUTPUT = 11
    SUSPECT = 12
    FORMAT = 20
    UNSUPPORTED = 21
    REPAIRABLE = 30
    DAMAGED = 31
    NO_MATCH = 40
    UNTRUSTED = 50
    BAD_SIGNATURE = 51
    INTERRUPTED = 130

    @property
    def kind(self) -> str:
        """The word for it in ``--json``, in messages and in the specification."""
        return self.name.lower().replace("_", "-")


CODE_OF_KIND = {code.kind: code for code in ExitCode}


def exit_code_of(error: DicomPackError) -> ExitCode:
    """The code of an error; a kind without a code is a bug of ours."""
    return CODE_OF_KIND.get(error.kind, ExitCode.INTERNAL)
