"""The 123 pinned cases of spec rfc822 6: which test file has each, by its number.

A case is a test whose name says `case_NN`, or a row of a table whose id is `NN` or starts
with `NN-`.  A number that is nowhere, or not where this index says, is a failure.
"""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Section of the spec: its cases, and the files (patterns, below the tests) that hold them.
SECTIONS: dict[str, tuple[range, list[str]]] = {
    "6.1 encoded words": (range(1, 20), ["unit/rfc822/test_encoded_words.py"]),
    "6.2 addresses": (
        range(20, 44),
        ["unit/rfc822/test_addresses.py", "unit/rfc822/test_header_text.py"],
    ),
    "6.3 dates, subjects, parameters": (
        range(44, 59),
        [
            "unit/rfc822/test_dates.py",
            "unit/rfc822/test_subject.py",
            "unit/rfc822/test_parameters.py",
        ],
    ),
    "6.4 structure": (
        range(59, 77),
        ["unit/rfc822/test_structure.py", "unit/rfc822/test_defects.py"],
    ),
    "6.5 transfer coding": (
        range(77, 86),
        ["unit/rfc822/test_transfer.py", "unit/rfc822/test_detection.py"],
    ),
    "6.6 rewriting": (range(86, 97), ["unit/*/test_pinned_*.py"]),
    "6.7 commands": (
        range(97, 114),
        [
            "unit/*/test_pinned_*.py",
            "unit/rfc822/test_report.py",
            "unit/rfc822/test_addresses.py",
        ],
    ),
    "6.8 flowed text, folder names": (
        range(114, 124),
        [
            "unit/rfc822/test_flowed.py",
            "unit/rfc822/test_folder_names.py",
            "unit/rfc822/test_reply.py",
        ],
    ),
}

MARK = re.compile(r"""\bid="(\d+)[a-z]?(?:-[^"]*)?"|\bdef test_case_(\d+)_""")


def numbers_in(patterns: list[str]) -> set[int]:
    """The pinned numbers that the files name."""
    files = chain.from_iterable(HERE.parents[1].glob(pattern) for pattern in patterns)
    return {
        int(found[1] or found[2])
        for path in files
        if path != Path(__file__)
        for found in MARK.finditer(path.read_text())
    }


def test_the_index_has_all_123_numbers_once() -> None:
    numbers = [number for cases, _ in SECTIONS.values() for number in cases]
    assert numbers == list(range(1, 124))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_pinned_case_is_tested_where_the_index_says(section: str) -> None:
    cases, patterns = SECTIONS[section]
    assert sorted(set(cases) - numbers_in(patterns)) == []
