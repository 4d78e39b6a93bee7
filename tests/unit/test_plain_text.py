"""CSV files whose cells come from outside: CLI-35."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicompack.plain_text import csv_table

PAYLOADS = (
    "=cmd|'/C calc'!A1", "+1+1", "-2+3", "@SUM(1)", "'=1", "\t=1", "\r=1", "a\nb", "a\u2028b", "\x1b[31mred",
    "\x1b]0;title\x07", "\u202egnp", "\x9b31m", "\0=1", "\ufeff=1",
)  # fmt: skip


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"))))


@pytest.mark.parametrize("text", PAYLOADS)
def test_no_cell_is_a_formula_or_moves_anything_cli_35(text):
    data = csv_table([("id_old", "id_new"), (text, "x")])
    assert data.count(b"\n") == 2
    (_, (cell, _)) = rows_of(data)
    assert cell[0] not in "=+-@\t\r"
    assert all(one == " " or unicodedata.category(one)[0] in "LMNPS" for one in cell)


def test_what_is_plain_stays():
    rows = [["id_old", "id_new"], ['Müller^Jörg, "Dr"', "2.25.1"], ["", "4-2"], ["日本", "a'b"]]
    assert rows_of(csv_table(rows)) == rows
    assert csv_table([(1, "a"), (2, "b")]) == b"1,a\n2,b\n"


@given(st.lists(st.text(st.characters(categories=("L", "N", "P", "S"))), min_size=1))
def test_a_program_takes_one_quote_away(texts):
    cells = [row[0] for row in rows_of(csv_table([(text, "") for text in texts]))]
    assert [cell.removeprefix("'") for cell in cells] == texts
