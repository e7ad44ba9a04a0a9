"""`makemime`: its small language, messages and exit codes (spec rfc822 2.3)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import run_ours

from couriermail.cli.makemime import (
    LONG_OPTIONS,
    MODES,
    OPTIONS_WITH_VALUE,
    Group,
    UsageError,
    read_arguments,
)
from couriermail.cli.makemime_app import app
from couriermail.rfc822 import Message


def test_the_help_declares_the_options_that_are_read() -> None:
    options = {
        option
        for parameter in typer.main.get_command(app).params
        for option in parameter.opts
        if option.startswith("-")
    }
    assert options == {f"-{letter}" for letter in (*MODES, *OPTIONS_WITH_VALUE)} | set(LONG_OPTIONS)


def test_the_help_is_shown() -> None:
    done = run_ours("makemime", "--help")
    assert done.code == 0
    assert b"Examples" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "missing -c, -m or -j"),
        ("text", "-c, -m or -j must come first, not 'text'"),
        ("-", "-c, -m or -j must come first, not '-'"),
        ("-z x", "-c, -m or -j must come first, not '-z'"),
        ("-c", "missing a file"),
        ("-c text/plain", "missing a file"),
        ("-c text/plain -e binary x", "unknown encoding 'binary'"),
        ("-c a/b -q x", "unknown option -q"),
        ("-c a/b -o", "missing a value of -o"),
        ("-c a/b ( -c a/b x", "missing a closing )"),
        ("-c a/b ( -c a/b )", "a group has no input"),
        ("-c a/b ( -c a/b x y )", "a group is not closed"),
        ("-c a/b ( -c a/b -o out x )", "-o is not allowed inside a group"),
        ("-c a/b x y", "unexpected 'y'"),
        ("-j x", "missing a file"),
        ("-c ( " + "-m ( " * 200 + "x", "groups are nested too deeply"),
    ],
    ids=lambda words: words[:30],
)
def test_what_has_no_meaning_is_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_arguments(words.split())
    assert str(caught.value) == f"{message}\nTry 'makemime --help'."
    done = run_ours("makemime", *words.split())
    assert (done.code, done.out) == (1, b"")


def test_groups_are_read_as_they_are_nested() -> None:
    group = read_arguments(
        ["-j", "(", "-mmultipart/x", "-aA:1", "(", "-c", "-", ")", ")", "-C", "utf-8", "last"]
    )
    assert group.mode == "j"
    assert group.values == {"charset": "utf-8"}
    outer, last = group.inputs
    assert last == "last"
    assert isinstance(outer, Group)
    assert (outer.content_type, outer.fields) == ("multipart/x", [b"A:1"])
    (inner,) = outer.inputs
    assert isinstance(inner, Group)
    assert (inner.content_type, inner.inputs) == ("application/octet-stream", ["-"])


def test_a_type_follows_unless_it_looks_like_something_else() -> None:
    assert read_arguments(["-c", "-"]).inputs == ["-"]
    assert read_arguments(["-m", "-e", "7bit", "x"]).content_type == "multipart/mixed"
    assert read_arguments(["-c", "auto", "x"]).content_type == "auto"


def test_output_goes_to_files_and_descriptors(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x\n")
    os.umask(umask := os.umask(0))
    assert run_ours("makemime", "-c", "auto", "-o", "out", "in", cwd=tmp_path) == (0, b"", b"")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o666 & ~umask
    to_two = run_ours("makemime", "-c", "auto", "-o", "&2", "in", cwd=tmp_path)
    assert to_two == (0, b"", (tmp_path / "out").read_bytes())
    assert run_ours("makemime", "-c", "auto", "-o", "none/x", "in", cwd=tmp_path) == (
        1, b"", b"makemime: none/x: No such file or directory\n",
    )  # fmt: skip
    assert run_ours("makemime", "-c", "auto", "&9", cwd=tmp_path).code == 1


def test_auto_is_resolved_also_with_an_encoding(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"a\0b")
    out = run_ours("makemime", "-c", "auto", "-C", "utf-8", "-e", "8bit", "in", cwd=tmp_path).out
    assert out == b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: 8bit\n\na\0b"


def test_a_boundary_is_tried_first_and_output_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_bytes(b"\n--zz\n")
    for wanted, expected in (("yy", b'"yy"'), ("ZZ", b'"ZZ_1"')):
        out = run_ours("makemime", "-m", "--boundary", wanted, "in", cwd=tmp_path).out
        assert b"boundary=" + expected in out
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    words = ("-m", "in")
    assert run_ours("makemime", *words, cwd=tmp_path) == run_ours("makemime", *words, cwd=tmp_path)


def test_arguments_and_content_come_through_one_pipe() -> None:
    command = [sys.executable, "-m", "couriermail.cli.makemime", "@-"]
    given = b"-c\nauto\n&0\n-\n" + b"line\n" * 1_000_000
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.count(b"\nline") == 1_000_000


def test_only_multiparts_can_be_joined(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"X: 1\n\n")
    done = run_ours("makemime", "-j", "a", "a", cwd=tmp_path)
    assert done == (1, b"", b"makemime: the first section has no Content-Type field\n")


def test_a_large_attachment_survives(tmp_path: Path) -> None:
    data = bytes(range(256)) * 30_000
    (tmp_path / "big").write_bytes(data)
    words = [
        "-m",
        "multipart/mixed",
        "-a",
        "Mime-Version:1.0",
        "(",
        "-c",
        "a/b",
        "-N",
        "é.bin",
        "-e",
        "base64",
        "big",
        ")",
    ]
    message = Message(run_ours("makemime", *words, cwd=tmp_path).out)
    (part,) = message.root.children
    assert part.decoded() == data
    assert part.filename == "é.bin"
