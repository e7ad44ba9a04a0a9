"""What the files say: cited standards are indexed, and no machine leaves its traces."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from tests.architecture.workspace import ROOT, with_code

MACHINE_PATH = re.compile(r"(^|[^a-z.])/(work|root)/", re.MULTILINE)
REGISTRY = re.compile(
    r"--(?:extra-)?index-url|https?://[^\s\"'<>)]*(?:pypi|artifactory|nexus|/simple\b)",
    re.IGNORECASE,
)
SUPPORT = {"yes", "partial", "no"}


def tracked_files() -> list[Path]:
    """The files under version control; in an unpacked archive, all that are not generated."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.split("\0") if name]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ]


def places(pattern: re.Pattern[str]) -> list[str]:
    """Where a pattern occurs in the tracked text files."""
    found = []
    for path in tracked_files():
        if not path.is_file() or path == Path(__file__):
            continue
        text = path.read_bytes().decode("latin-1")
        for match in pattern.finditer(text):
            found.append(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.end()) + 1}")
    return found


def cited_standards() -> dict[int, str]:
    """RFC number -> one place in the code that cites it."""
    cited: dict[int, str] = {}
    for distribution in with_code():
        for path in distribution.modules:
            for number in re.findall(r"\bRFC[ -]?(\d{3,5})\b", path.read_text()):
                cited.setdefault(int(number), str(path.relative_to(ROOT)))
    return cited


@pytest.fixture(scope="module")
def index() -> dict[int, dict[str, str]]:
    entries = tomllib.loads((ROOT / "docs/rfc-index.toml").read_text())["rfc"]
    return {int(number): entry for number, entry in entries.items()}


def test_every_cited_standard_is_in_the_index(index: dict[int, dict[str, str]]) -> None:
    assert {number: at for number, at in cited_standards().items() if number not in index} == {}


def test_the_index_says_how_far_each_standard_goes(index: dict[int, dict[str, str]]) -> None:
    assert {number for number, entry in index.items() if entry["support"] not in SUPPORT} == set()
    silent = [
        n for n, entry in index.items() if entry["support"] != "yes" and not entry.get("note")
    ]
    assert silent == []
    assert all(entry["title"] and entry["rooms"] for entry in index.values())
    assert list(index) == sorted(index)


def test_a_standard_that_is_followed_is_cited(index: dict[int, dict[str, str]]) -> None:
    cited = cited_standards()
    assert [n for n, entry in index.items() if entry["support"] == "yes" and n not in cited] == []


def test_no_file_names_a_path_of_some_machine() -> None:
    assert places(MACHINE_PATH) == []


def test_no_file_names_a_package_registry() -> None:
    assert places(REGISTRY) == []
