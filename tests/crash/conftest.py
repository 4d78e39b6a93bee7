"""A server and a place for each module of tests; CI takes a sample of the points, `--exhaustive` all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import new_party
from tests.crash import cases, faults

if sys.platform != "linux":
    collect_ignore_glob = ["test_*"]


@pytest.fixture(scope="module")
def tracer(program, tmp_path_factory):
    strace = program("strace")
    trial = subprocess.run(
        [strace, "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False
    )
    if trial.returncode and "not permitted" in trial.stderr:  # a container may forbid it to all
        pytest.skip("this system lets nobody trace a process")
    with faults.program(strace, tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def case(request, tmp_path):
    me = new_party("Me")

    def save(folder):
        folder.mkdir()
        (folder / "signing.p12").write_bytes(me.files.signing_p12)
        (folder / "decryption.p12").write_bytes(me.files.decryption)
        (folder / "contact.pem").write_bytes(me.files.contact_pem)
        for key in folder.glob("*.p12"):
            key.chmod(0o600)  # or each call would say that others can read it

    cases.prepare(tmp_path, me, save)
    return cases.Case(request.param, tmp_path, me)
