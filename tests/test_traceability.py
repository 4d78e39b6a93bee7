"""Every rule stands in the specification, in the code and in a test, under one ID; and nothing else does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# A chapter of the specification owns each prefix; a new one is added here.
PREFIXES = """
DCM
DEI BUR CHK ENA
PIX CMP J2K JLS RLE JPL
SIG
DER ENV PWD CMS SDF
KEY TRU TSP
JRN
ZIP VOL REC
PKG ORG SEA
CLI
""".split()
_ANY = "|".join(PREFIXES)
ID = re.compile(rf"\b(?:{_ANY})-[1-9][0-9]*\b")
# Tests may name a rule in the name of a function, too: test_every_path_pkg_13.
NAMED = re.compile(rf"(?<![a-z0-9])(?:{_ANY})[-_][1-9][0-9]*(?![0-9])", re.IGNORECASE)
DEFINITION = re.compile(rf"\*\*((?:{_ANY})-[1-9][0-9]*)\*\*")


def read(paths: Iterable[Path]) -> str:
    return "\n".join(path.read_text("utf-8") for path in paths if path != Path(__file__))


SPECIFICATION = read(sorted((ROOT / "spec").rglob("*.md")))
CHAPTERS = read(path for path in sorted((ROOT / "spec").glob("*.md")) if path.name != "README.md")
CODE = read(sorted((ROOT / "dicompack").rglob("*.py")))
TESTS = read(sorted((ROOT / "tests").rglob("*.py")))

IN_SPECIFICATION = set(DEFINITION.findall(CHAPTERS))
IN_CODE = set(ID.findall(CODE))
IN_TESTS = {name.upper().replace("_", "-") for name in NAMED.findall(TESTS)}


def listed(rules: set[str]) -> str:
    return ", ".join(sorted(rules, key=lambda rule: (rule[:3], int(rule[4:])))) or "none"


@pytest.mark.parametrize(
    ("where", "found"),
    [("the specification", IN_SPECIFICATION), ("the code", IN_CODE), ("the tests", IN_TESTS)],
)
def test_every_rule_is_in(where, found):
    missing = (IN_SPECIFICATION | IN_CODE | IN_TESTS) - found
    assert not missing, f"not in {where}: {listed(missing)}"


def test_there_are_rules_of_every_prefix():
    assert {rule.split("-")[0] for rule in IN_SPECIFICATION} == set(PREFIXES)


def test_each_rule_is_defined_once():
    twice = {rule for rule, count in Counter(DEFINITION.findall(CHAPTERS)).items() if count > 1}
    assert not twice, listed(twice)


def test_nothing_refers_to_a_rule_that_does_not_exist():
    documents = read(ROOT / name for name in ("README.md", "SECURITY.md", ".github/CONTRIBUTING.md"))
    unknown = set(ID.findall(SPECIFICATION + documents)) - IN_SPECIFICATION
    assert not unknown, listed(unknown)
