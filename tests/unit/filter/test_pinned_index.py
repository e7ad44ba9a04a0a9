"""The 191 pinned cases of spec filter 6: which test file has each, by its number.

A case is a row of a table whose id is `NN`, `NNa` or starts with `NN-`, or a test whose name
has the number: `test_NN_...`, `test_NN_MM_...`.  A number that is nowhere, or not where this
index says, is a failure.
"""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parents[1]

# Section of the spec: its cases, and the files (patterns, below the tests) that hold them.
SECTIONS: dict[str, tuple[range, list[str]]] = {
    "6.1 expressions": (range(1, 51), ["unit/filter/test_expressions.py"]),
    "6.2 strings and lexing": (
        range(51, 70),
        [
            "unit/filter/test_expressions.py",
            "unit/filter/test_statements.py",
            "differential/test_maildrop.py",
        ],
    ),
    "6.3 statements": (
        range(70, 98),
        ["unit/filter/test_statements.py", "unit/filter/test_local_host.py"],
    ),
    "6.4 patterns": (range(98, 129), ["unit/filter/test_patterns.py"]),
    "6.5 delivery, commands, modes": (
        range(129, 165),
        [
            "unit/filter/test_*.py",
            "unit/cli/test_maildrop*.py",
            "differential/test_maildrop.py",
        ],
    ),
    "6.6 mailbot": (range(165, 175), ["unit/*/test_mailbot*.py"]),
    "6.7 filters": (
        range(175, 192),
        ["unit/*/test_*filter*.py", "unit/mta/submission/test_*filters.py"],
    ),
}

ROW = re.compile(r"""(?:\(|^    |\bid=)"(\d+)[a-z]?(?:-[^"]*)?"[,:)]""", re.MULTILINE)
ID_LISTS = re.compile(r"\bids=\[([^\]]*)\]")
IDENTIFIER = re.compile(r'"(\d+)[a-z]?(?:-[^"]*)?"')
NAME = re.compile(r"\bdef test_((?:\d+_)+)|\bdef test_\d\w*_and_(\d+_)")


def numbers_in(patterns: list[str]) -> set[int]:
    """The pinned numbers that the files name."""
    files = chain.from_iterable(TESTS.glob(pattern) for pattern in patterns)
    texts = [path.read_text() for path in files if path != Path(__file__)]
    found: set[int] = set()
    for text in texts:
        found.update(int(row) for row in ROW.findall(text))
        for identifiers in ID_LISTS.findall(text):
            found.update(int(number) for number in IDENTIFIER.findall(identifiers))
        for leading, second in NAME.findall(text):
            found.update(int(number) for number in (leading + second).split("_") if number)
    return found


def test_the_index_has_all_191_numbers_once() -> None:
    numbers = [number for cases, _ in SECTIONS.values() for number in cases]
    assert numbers == list(range(1, 192))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_pinned_case_is_tested_where_the_index_says(section: str) -> None:
    cases, patterns = SECTIONS[section]
    missing = set(cases) - numbers_in(patterns)
    assert sorted(missing) == []
