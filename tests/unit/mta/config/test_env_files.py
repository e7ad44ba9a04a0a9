"""Environment files without a shell (spec mta 3.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.mta.envfile import parse_environment, read_environment
from couriermail.mta.errors import MtaConfigError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("A=1\n", {"A": "1"}, id="plain"),
        pytest.param("A=\n", {"A": ""}, id="empty"),
        pytest.param("A=1 # why\n# B=2\n", {"A": "1"}, id="comments"),
        pytest.param("A=x#y\n", {"A": "x#y"}, id="a number sign inside a word"),
        pytest.param("A='$B \"c\"'\n", {"A": '$B "c"'}, id="single quotes"),
        pytest.param('A="one\ntwo"\n', {"A": "one\ntwo"}, id="quotes span lines"),
        pytest.param('A=1\nB="$A/${A}x"\n', {"A": "1", "B": "1/1x"}, id="earlier names"),
        pytest.param("B=$A\n", {"B": ""}, id="unset names are empty"),
        pytest.param(r'A="\$x \" \\ \n"', {"A": r'$x " \ \n'}, id="escapes in quotes"),
        pytest.param("A=a\\ b\n", {"A": "a b"}, id="escape outside quotes"),
        pytest.param("A='a'\"b\"c\n", {"A": "abc"}, id="pieces join"),
        pytest.param("A=1; B=2\n", {"A": "1", "B": "2"}, id="semicolons"),
        pytest.param("export A=1\n", {"A": "1"}, id="export"),
        pytest.param("  A=1\r\n", {"A": "1"}, id="indented, CRLF"),
        pytest.param("A=1\nA=2\n", {"A": "2"}, id="the last one counts"),
        pytest.param("A=$\n", {"A": "$"}, id="a lone dollar sign"),
    ],
)
def test_assignments_are_understood(text: str, found: dict[str, str]) -> None:
    assert parse_environment(text) == found


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param("A=1\nrm -rf x\n", 2, 1, id="a command"),
        pytest.param("A=1 rm\n", 1, 5, id="a command behind a value"),
        pytest.param("A=`id`\n", 1, 3, id="backticks"),
        pytest.param('A="`id`"\n', 1, 4, id="backticks in quotes"),
        pytest.param("A=$(id)\n", 1, 3, id="substitution"),
        pytest.param("A=${B:-x}\n", 1, 3, id="a default value"),
        pytest.param("A='x\n", 1, 3, id="open single quote"),
        pytest.param('\n\nA="x\n', 3, 3, id="open double quote"),
        pytest.param("A=1 | cat\n", 1, 5, id="a pipe"),
        pytest.param("if true; then A=1; fi\n", 1, 1, id="a condition"),
        pytest.param("1A=2\n", 1, 1, id="no name"),
        pytest.param(". other\n", 1, 1, id="an include where none is possible"),
    ],
)
def test_everything_else_is_an_error_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(MtaConfigError) as caught:
        parse_environment(text, path="courierd")
    assert (caught.value.path, caught.value.line, caught.value.column) == (
        "courierd", line, column,
    )  # fmt: skip


def test_files_of_assignments_are_included(tmp_path: Path) -> None:
    (tmp_path / "locale.conf").write_text("LANG=C.UTF-8\n")
    (tmp_path / "courierd").write_text('. locale.conf\nsource ./locale.conf\nX="$LANG"\n')
    assert read_environment(str(tmp_path / "courierd")) == {"LANG": "C.UTF-8", "X": "C.UTF-8"}


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("\nid\n")
    (tmp_path / "courierd").write_text(". bad\n")
    with pytest.raises(MtaConfigError, match="bad:2:1"):
        read_environment(str(tmp_path / "courierd"))


def test_files_that_include_themselves_end_in_an_error(tmp_path: Path) -> None:
    (tmp_path / "courierd").write_text(". courierd\n")
    with pytest.raises(MtaConfigError, match="too deeply"):
        read_environment(str(tmp_path / "courierd"))


def test_a_missing_include_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "courierd").write_text(". nowhere\n")
    with pytest.raises(MtaConfigError, match="cannot read"):
        read_environment(str(tmp_path / "courierd"))
