"""What is printed, and how: CLI-5 and the rules on top of the module."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.cli import terminal
from dicompack.cli.terminal import Terminal, safe, size_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller 日本 €", "Müller 日本 €"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\r\tc", "a\\x0ab\\x0d\\x09c"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("abc\u202ecod.exe", "abc\\u202ecod.exe"),
        ("\u2066x\u2069\u200b\ufeff", "\\u2066x\\u2069\\u200b\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\U000e0041"),
        ("\xa0", "\\xa0"),
        ("\xad", "\\xad"),
    ],
)
def test_safe(text, shown):
    assert safe(text) == shown


@given(st.text())
def test_nothing_dangerous_passes(text):
    shown = safe(text)
    assert all(c == " " or unicodedata.category(c)[0] in "LMNPS" for c in shown)
    assert safe(shown) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (99_949, "99.9 KB"),
        (99_951, "100 KB"),
        (999_499, "999 KB"),
        (999_500, "1.0 MB"),
        (25_000_000, "25.0 MB"),
        (1_500_000_000, "1.5 GB"),
        (7 * 10**15, "7000 TB"),
    ],
)
def test_size_text(size, text):
    assert size_text(size) == text


def test_a_table_for_a_pipe_has_one_unbroken_line_per_row(capsys):
    Terminal().table(("NAME", "SIZE"), [("x" * 300, "1"), ("[red]\x1b[2J:smile:", "22")], right=("SIZE",))
    lines = capsys.readouterr().out.splitlines()
    assert [len(lines), lines[0].split()] == [3, ["NAME", "SIZE"]]
    assert lines[1].split() == ["x" * 300, "1"]
    assert lines[2].split() == ["[red]\\x1b[2J:smile:", "22"]


def test_a_table_is_the_same_for_a_wide_terminal_and_for_a_pipe(monkeypatch):
    titles, right = ("NAME", "SIZE", "NOTE"), ("SIZE",)
    rows = [("a", "1", "x"), ("漢字", "22", ""), ("é", "333", "yy"), ("", "4", "😀")]
    monkeypatch.setenv("COLUMNS", "200")
    fitted = [line.rstrip() for line in terminal._fitted(titles, rows, right)]
    assert fitted == [line.rstrip() for line in terminal._unbroken(titles, rows, right)]


def test_a_table_that_nobody_reads_on_a_terminal_is_not_fitted(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(terminal, "_fitted", lambda *_: ["fitted"])
    monkeypatch.setattr(terminal, "_FITTED", 2)
    for count, first in ((2, "fitted"), (3, "NAME")):
        Terminal().table(("NAME",), [("x",)] * count)
        assert capsys.readouterr().out.splitlines()[0] == first


def test_quiet_says_nothing_but_errors(library, call, me):
    ended = call("pack", "SRC", "-o", "n.dcmpack", "--signer", me, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert call("pack", "SRC", "--quiet").err != ""


def test_a_stream_that_cannot_show_a_character_gets_its_escape(tmp_path):
    code = "from dicompack.cli.terminal import Terminal as T; T().data('€ü'); T().say('€')"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1:strict"},
        check=True,
    )
    assert (ran.stdout, ran.stderr) == (b"\\u20ac\xfc\n", b"\\u20ac\n")


@pytest.mark.skipif(os.name == "nt", reason="no such pipes")
def test_a_reader_that_has_gone_is_no_error():
    code = (
        "from dicompack.cli.terminal import Terminal as T\n"
        "for _ in range(5_000): T().data('x' * 100)\n"
        "raise SystemExit(7)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 7


def test_there_is_no_progress_without_a_terminal(capsys):
    with Terminal().progress() as on_progress:
        assert on_progress is None
    assert capsys.readouterr().err == ""
