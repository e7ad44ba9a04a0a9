"""The settings files with a marker: grammar, errors with their line, and reading again."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from couriermail.auth.rcfile import RcFile, RcFileError, RcSettings, parse_rc

MARKER = "##NAME: MARKER:0\n"


def settings(text: str) -> RcSettings:
    return parse_rc(text + "\n\n" + MARKER, path="rc")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A b", {"A": "b"}),
        ("  A \t b c \t", {"A": "b c"}),
        ("A", {"A": ""}),
        ("A 1\nA 2", {"A": "1"}),
        ("# A 1\n#\n\n   \n  # x\nB 2", {"B": "2"}),
        ("A b # c", {"A": "b # c"}),
        ("A b \\\n    c\\\n\td", {"A": "b  c d"}),
        ("A b\\\n# not a comment", {"A": "b # not a comment"}),
        ("# comment \\\nA b", {"A": "b"}),
        ("A \\", {"A": ""}),
        ('A "b"', {"A": '"b"'}),
        ("A b\r", {"A": "b"}),
        ("##VERSION: x\n##NAME: A:0\nA b", {"A": "b"}),
    ],
)
def test_a_setting_is_a_name_and_the_rest_of_its_line(text: str, values: dict[str, str]) -> None:
    assert dict(settings(text).values) == values


def test_the_marker_may_stand_anywhere_but_must_be_there() -> None:
    assert parse_rc(MARKER + "A b", path="rc").get("A") == "b"
    for text in ("A b", "# NAME: MARKER:0", "A ##NAME: MARKER:0", "##NAME: MARKERS:0"):
        with pytest.raises(RcFileError, match="marker line not found in rc") as caught:
            parse_rc(text, path="rc")
        assert caught.value.is_temporary


def test_errors_name_the_line_where_the_setting_begins() -> None:
    rc = settings("# x\nA 1 \\\n  2\nB x")
    for name, line in (("A", 2), ("B", 4)):
        with pytest.raises(RcFileError, match=f"rc:{line}: {name} is not a number"):
            rc.number(name)
    with pytest.raises(RcFileError, match="rc: C is not set"):
        rc.require("C")


def test_values_are_in_no_repr() -> None:
    assert "sekrit" not in repr(settings("PASSWORD sekrit"))


@pytest.mark.parametrize("text", ["-1", "1.5", "0x10", "²", "1 2", "9" * 40])
def test_a_number_is_decimal_digits(text: str) -> None:
    with pytest.raises(RcFileError):
        settings(f"A {text}").number("A")


def rc_file(path: Path, *, has_secrets: bool = True) -> RcFile[str]:
    return RcFile(str(path), lambda rc: rc.require("A"), has_secrets=has_secrets)


_stamps = itertools.count(1_000_000_000)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write so that the change is seen however coarse the clock is."""
    path.write_text(text)
    path.chmod(mode)
    stamp = next(_stamps)
    os.utime(path, (stamp, stamp))


def test_a_change_is_seen_and_no_change_gives_the_same_object(tmp_path: Path) -> None:
    path = tmp_path / "rc"
    write(path, MARKER + "A one")
    file = rc_file(path)
    first = file.load()
    assert file.load() is first
    write(path, MARKER + "A two")
    assert file.load() == "two"


@pytest.mark.parametrize("text", ["A two", MARKER, None, "\udcff"], ids=str)
def test_a_change_that_cannot_be_used_is_logged_once_and_ignored(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rc"
    write(path, MARKER + "A one")
    file = rc_file(path)
    file.load()
    if text is None:
        path.unlink()
    else:
        write(path, "")
        path.write_bytes(os.fsencode(text))
    assert [file.load() for _ in range(3)] == ["one"] * 3
    assert caplog.text.count("will try again later") == 1
    write(path, MARKER + "A three")
    assert file.load() == "three"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"A \xff\n", "rc:1: is not UTF-8"),
        (b"x" * 1_000_001, "is too large"),
        (b"", "marker line not found"),
        (None, "No such file"),
    ],
    ids=["not text", "too large", "empty", "missing"],
)
def test_a_file_that_never_could_be_used_is_an_error(
    tmp_path: Path, data: bytes | None, words: str
) -> None:
    path = tmp_path / "rc"
    if data is not None:
        path.write_bytes(data)
        path.chmod(0o600)
    for _ in range(2):
        with pytest.raises(RcFileError, match=words):
            rc_file(path).load()


def test_a_file_with_secrets_must_not_be_public(tmp_path: Path) -> None:
    path = tmp_path / "rc"
    write(path, MARKER + "A one", 0o644)
    with pytest.raises(RcFileError, match="readable for everybody"):
        rc_file(path).load()
    assert rc_file(path, has_secrets=False).load() == "one"
