"""The drawing of a message, and the command that makes it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from couriermail.rfc822 import Message, draw_tree
from couriermail.rfc822.__main__ import main

DATA = (
    b"From: a@b\nSubject: \x1b[31mred\nMime-Version: 1.0\n"
    b"Content-Type: multipart/mixed; boundary=A\n\n"
    b"--A\nContent-Type: text/plain; charset=utf-8\n\nx\n--A\n"
    b'Content-Type: image/png\nContent-Disposition: attachment; filename="a.png"\n'
    b"Content-Transfer-Encoding: base64\n\n!QUJD\n--A--\n"
)


def test_a_tree_shows_parts_sizes_and_defects() -> None:
    lines = list(draw_tree(Message(DATA)))
    assert lines[0] == "From:       a@b"
    assert lines[1] == "Subject:    \ufffd[31mred"
    assert lines[2] == f"{len(DATA)} octets, 3 parts"
    assert [" ".join(line.split()) for line in lines[3:]] == [
        f"1 multipart/mixed {len(DATA) - 89} B 7bit [0:89:{len(DATA)}]",
        "├─ 1.1 text/plain 1 B 7bit utf-8 [93:134:135]",
        '└─ 1.2 image/png 5 B base64 attachment "a.png" [140:249:254]',
        "! Invalid base64 encoding (INVALID_BASE64) at 249",
    ]


def test_no_control_of_a_stranger_reaches_the_terminal() -> None:
    assert all(line.isprintable() for line in draw_tree(Message(DATA)))
    assert "\x1b[1m" in "".join(draw_tree(Message(DATA), color=True))
    assert "INVALID" not in "".join(draw_tree(Message(DATA), with_content=False))


def test_the_command_draws_files_and_says_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(DATA)
    assert main([str(path)]) == 0
    assert "image/png" in capsys.readouterr().out
    assert main(["--color", "--structure", str(path), str(tmp_path / "absent")]) == 1
    shown = capsys.readouterr()
    assert "\x1b[1m" in shown.out
    assert f"== {path}" in shown.out
    assert "cannot" in shown.err


def test_the_command_reads_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DATA)))
    assert main(["-"]) == 0
    assert "3 parts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [([], "no FILE"), (["--no"], "--no\n"), (["-x"], "-x\n"), (["-\x1b[m"], "-\ufffd[m\n")],
    ids=["nothing", "unknown", "short", "with a control"],
)
def test_a_wrong_command_line_is_named(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert problem in shown.err
    assert "usage" in shown.err
    assert shown.out == ""


def test_help_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr()
    assert "Exit codes" in shown.out
    assert shown.err == ""


def test_names_of_files_cannot_move_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "-\x1b[2J.eml"
    path.write_bytes(b"\n")
    assert main(["--", str(path), str(tmp_path / "\x1b]0;x"), str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "-\ufffd[2J.eml\n" in shown.out
    assert "1 part\n" in shown.out
    assert shown.err.endswith("not a regular file\n")


def test_no_colour_is_used_where_nobody_sees_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(DATA)
    assert main([str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out
