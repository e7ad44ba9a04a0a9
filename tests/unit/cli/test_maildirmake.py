"""`maildirmake`: its command line, messages and exit codes (spec maildir 2.1, 6)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from couriermail.cli import maildirmake
from couriermail.cli.maildirmake import UsageError, read_command_line
from couriermail.cli.maildirmake_app import app


def run(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: str,
) -> tuple[int, str, str]:
    monkeypatch.chdir(directory)
    monkeypatch.setattr(sys, "argv", ["maildirmake", *words])
    code = 0
    try:
        maildirmake.main()
    except SystemExit as error:
        code = int(error.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


USAGE = "Usage: maildirmake [ options ] maildir\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        pytest.param(["md"], (1, "", "maildirmake: md: File exists\n"), id="pinned-exists"),
        pytest.param(["-f", ".Bad", "md"], (1, "Invalid folder name: .Bad\n", ""), id="pinned-dot"),
        pytest.param(
            ["-f", "Foo", "nomd"],
            (1, "", "maildirmake: nomd/.Foo: No such file or directory\n"),
            id="pinned-no-maildir",
        ),
        pytest.param([], (1, USAGE, ""), id="usage"),
        pytest.param(["-x", "md"], (1, USAGE, ""), id="unknown"),
        pytest.param(["--checkquota", "md"], (1, USAGE, ""), id="no-checkquota"),
        pytest.param(["-s", "read", "md"], (1, USAGE, ""), id="share-without-folder"),
        pytest.param(["--add", "rel=sh", "md"], (1, USAGE, ""), id="pinned-add-relative"),
        pytest.param(
            ["--add", "n.x=/", "md"], (1, "", "n.x: invalid name\n"), id="pinned-add-name"
        ),
        pytest.param(
            ["--del", "nothere", "md"], (1, "", "nothere: not found.\n"), id="pinned-del-unknown"
        ),
        pytest.param(
            ["-q", "100X", "md"],
            (1, "", "WARN: quota string '100X' not parseable\n"),
            id="pinned-bad-quota",
        ),
    ],
)
def test_failures_say_what_courier_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    answer: tuple[int, str, str],
) -> None:
    assert run(tmp_path, monkeypatch, capsys, "md") == (0, "", "")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert run(tmp_path, monkeypatch, capsys, *words) == answer
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["A..B", "A.", "A/B", "../x"])
def test_pinned_bad_folder_names_exit_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run(tmp_path, monkeypatch, capsys, "md")
    code, out, err = run(tmp_path, monkeypatch, capsys, "-f", name, "md")
    assert code == 1
    assert out + err
    assert sorted(os.listdir(tmp_path / "md")) == ["cur", "new", "tmp"]


def test_sharable_maildirs_are_listed_once_and_unlisted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURIERMAIL_CONFIG", str(tmp_path))
    run(tmp_path, monkeypatch, capsys, "md")
    assert run(tmp_path, monkeypatch, capsys, "--add", "n=/", "md")[0] == 0
    assert (tmp_path / "md/shared-maildirs").read_text() == "n\t/\n"
    again = run(tmp_path, monkeypatch, capsys, "--add", "n=/", "md")
    assert again == (2, "", "n: already defined as a sharable maildir.\n")
    assert run(tmp_path, monkeypatch, capsys, "--del", "n", "md")[0] == 0
    assert (tmp_path / "md/shared-maildirs").read_text() == ""
    (tmp_path / "maildirshared").write_text("g /\n")
    code, _, err = run(tmp_path, monkeypatch, capsys, "--add", "g=/", "md")
    assert (code, err) == (
        2, f"g: already defined as a sharable maildir in {tmp_path}/maildirshared.\n"
    )  # fmt: skip


def test_a_quota_on_a_folder_is_its_maildirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, capsys, "md")
    assert run(tmp_path, monkeypatch, capsys, "-q", "5C", "-f", "New", "md")[0] == 0
    assert (tmp_path / "md/maildirsize").read_text().startswith("5C\n")
    assert not (tmp_path / "md/.New/maildirsize").exists()


def test_a_component_is_read_in_the_console_charset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, capsys, "md")
    monkeypatch.setenv("MM_CHARSET", "iso-8859-1")
    assert run(tmp_path, monkeypatch, capsys, "-F", os.fsdecode(b"R\xe9.x"), "md")[0] == 0
    assert (tmp_path / "md" / r".Ré\056x").is_dir()
    monkeypatch.setenv("MM_CHARSET", "us-ascii")
    code, _, err = run(tmp_path, monkeypatch, capsys, "-F", "Résumé", "md")
    assert (code, err) == (1, "Cannot convert Résumé to maildir encoding\n")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["-fName", "m"], {"folder": "Name"}),
        (["-f", "Name", "-sread", "m"], {"folder": "Name", "share": "read"}),
        (["-q", "5C", "m", "ignored"], {"quota": "5C"}),
        (["--del", "x", "m"], {"delete": "x"}),
    ],
)
def test_option_values_may_be_glued(words: list[str], values: dict[str, str]) -> None:
    request = read_command_line(words)
    assert (request.values, request.maildir) == (values, "m")


@pytest.mark.parametrize("words", [["-f"], ["-f", "A"], ["-Sf", "A", "m"], ["--add=n=/x", "m"]])
def test_lines_that_cannot_be_understood(words: list[str]) -> None:
    with pytest.raises(UsageError):
        read_command_line(words)


def test_the_typer_app_declares_the_same_options() -> None:
    command = typer.main.get_command(app)
    declared = {name for parameter in command.params for name in parameter.opts}
    ours = {*maildirmake.OPTIONS_WITH_VALUE, *maildirmake.LONG_OPTIONS, *maildirmake.SWITCHES}
    words = {"maildir", "mailfilter", "--help"}
    assert declared - words - {"--install-completion"} == ours


def test_help_shows_examples_and_the_usual_path_imports_nothing_heavy(tmp_path: Path) -> None:
    helped = subprocess.run(
        [sys.executable, "-m", "couriermail.cli.maildirmake", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "maildirmake -f Sent.2026 Maildir" in helped.stdout
    code = (
        "import sys; from couriermail.cli.maildirmake import main; sys.argv[1:]=['m']; main();"
        "print(sorted({'typer','attrs','attr','typing','re','socket'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0]={sys.path!r}; {code}"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "[]\n"
    assert (tmp_path / "m/new").is_dir()
