"""The command line: one module per command, one table of exit codes, one module that prints."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line with the arguments of the process, and leave with its exit code."""
    try:
        from dicompack.cli.program import run

        sys.exit(run())
    except KeyboardInterrupt:
        # Before `run` listens to signals there is nothing to clean up, and nobody wants to see a traceback.
        sys.exit(130)
