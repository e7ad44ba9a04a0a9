"""`maildirquota`: what is used, counting anew, and which folders count."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import Done, run_ours

from couriermail.cli import maildirquota
from couriermail.cli.maildirquota import read_command_line
from couriermail.cli.maildirquota_app import app
from couriermail.cli.message_io import CommandError
from couriermail.maildir import Maildir, Usage
from couriermail.maildir.maildirsize import measure
from couriermail.maildir.quotareport import recalculate_quota, report_quota
from couriermail.maildir.quotarules import QuotaRules

MESSAGE = b"Subject: x\n\nabcde\n"  # 18 octets
USAGE = (
    1,
    f"{maildirquota.USAGE}\n".encode(),
    b"",
)


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    box = Maildir.create(tmp_path / "md", quota="90S,1000C")
    for name in ("Trash", "Work", "Spam"):
        box.create_folder(name)
    for place in (box, box.folder("Work"), box.folder("Trash"), box.folder("Spam")):
        place.deliver(MESSAGE)
    rest(box)
    return box


def rest(box: Maildir) -> None:
    """Make it look as if no mail had moved for long, so that a recount need not wait."""
    for name in ("", *box.folders()):
        for part in ("new", "cur"):
            os.utime(f"{box.folder(name).path}/{part}", (1, 1))


def maildirquota_of(tmp_path: Path, *words: str) -> Done:
    return run_ours("maildirquota", *words, cwd=tmp_path)


def test_a_line_for_each_folder_and_for_each_sum(tmp_path: Path, box: Maildir) -> None:
    box.set_quota_rules(QuotaRules(["Spam"]))
    done = maildirquota_of(tmp_path, "md")
    assert (done.code, done.err) == (0, b"")
    assert [line.split("\t") for line in done.out.decode().splitlines()] == [
        ["md", "INBOX", "18", "1", ""],
        ["md", "INBOX.Spam", "18", "1", "excluded"],
        ["md", "INBOX.Trash", "18", "1", "excluded"],
        ["md", "INBOX.Work", "18", "1", ""],
        ["md", "counted", "36", "2", "40%"],
        ["md", "recorded", "36", "2", "40%"],
        ["md", "quota", "90", "1000", ""],
    ]
    assert maildirquota_of(tmp_path, "md/.Work") == done


def test_totals_that_are_wrong_are_shown_and_mended(tmp_path: Path, box: Maildir) -> None:
    Path(box.path, "maildirsize").write_text("90S\n81 4\n")
    shown = maildirquota_of(tmp_path, "md").out.decode()
    assert "md\tcounted\t54\t3\t60%\nmd\trecorded\t81\t4\t90%\nmd\tquota\t90\t-\t\n" in shown
    assert Path(box.path, "maildirsize").read_text() == "90S\n81 4\n"
    mended = maildirquota_of(tmp_path, "--recalculate", "md").out.decode()
    assert "md\tbefore\t81\t4\t\nmd\trecorded\t54\t3\t60%\n" in mended
    assert box.usage == measure(box.path) == Usage(54, 3)


def test_json_is_one_object_a_line(tmp_path: Path, box: Maildir) -> None:
    other = Maildir.create(tmp_path / "other")
    done = maildirquota_of(tmp_path, "--json", "--recalculate", "md", "other")
    first, second = map(json.loads, done.out.splitlines())
    assert first["quota"] == {"size": 90, "messages": 1000}
    assert first["counted"] == first["recorded"] == first["before"] == {"size": 54, "messages": 3}
    assert (first["percent"], first["is_exact"]) == (60, True)
    assert first["folders"][2] == {
        "name": "INBOX.Trash", "size": 18, "messages": 1, "counts": False,
    }  # fmt: skip
    assert (second["quota"], second["recorded"], second["percent"]) == (None, None, 0)
    assert "before" not in second
    assert not os.path.exists(f"{other.path}/maildirsize")


def test_folders_are_excluded_and_included(tmp_path: Path, box: Maildir) -> None:
    done = maildirquota_of(tmp_path, "--exclude", "INBOX.Spam", "--exclude", "Work", "md")
    assert done.code == 0
    assert b"md\tcounted\t18\t1\t20%\nmd\trecorded\t18\t1\t20%" in done.out
    rules = Path(box.path, "maildirquotaexclude")
    assert rules.read_text() == "Spam\nWork\n"
    maildirquota_of(tmp_path, "--include", "Work", "md")
    assert rules.read_text() == "Spam\n"
    maildirquota_of(tmp_path, "md", "--include", "Spam")
    assert not rules.exists()
    assert box.usage == Usage(54, 3)


def test_lines_of_the_file_that_are_no_folders_are_told(tmp_path: Path, box: Maildir) -> None:
    Path(box.path, "maildirquotaexclude").write_text("a/b\n# Work\nSpam\n")
    done = maildirquota_of(tmp_path, "md")
    assert done.err == b"maildirquota: md/maildirquotaexclude: no folder: 'a/b'\n"
    assert (done.code, done.out.count(b"excluded")) == (0, 2)


def test_a_maildir_that_fails_does_not_keep_the_others_back(tmp_path: Path, box: Maildir) -> None:
    (tmp_path / "file").touch()
    done = maildirquota_of(tmp_path, "none", "md", "file")
    assert (done.code, done.out.count(b"\n")) == (1, 7)
    assert done.err == (
        b"maildirquota: none: No such file or directory\nmaildirquota: file: Not a directory\n"
    )
    done = maildirquota_of(tmp_path, "--exclude", "INBOX", "md")
    assert (done.code, done.out) == (1, b"")
    assert done.err == b"maildirquota: md: INBOX always counts: 'INBOX'\n"


def test_a_name_with_a_tab_or_line_end_stays_one_cell(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    os.makedirs(f"{box.path}/.a\tb\nc/cur")
    lines = maildirquota_of(tmp_path, "md").out.decode().splitlines()
    assert lines[1] == "md\tINBOX.a\\011b\\012c\t0\t0\t"
    assert lines[-1] == "md\tquota\t-\t-\tnone"


@pytest.mark.parametrize("words", [[], ["-x", "md"], ["--json"], ["--exclude"], [""]])
def test_lines_that_cannot_be_understood(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(CommandError):
        read_command_line(words)
    assert maildirquota_of(tmp_path, *words) == USAGE


def test_a_maildir_whose_name_is_like_an_option() -> None:
    request = read_command_line(["--json", "--", "-md", "--json"])
    assert (request.as_json, request.maildirs) == (True, ["-md", "--json"])


def test_a_recount_waits_until_mail_is_at_rest(box: Maildir) -> None:
    box.deliver(MESSAGE)
    then = os.stat(f"{box.path}/new").st_mtime
    waited: list[float] = []
    times = iter([then + 1, then + 3])
    recount = recalculate_quota(box.path, pause=waited.append, now=lambda: next(times))
    assert recount is not None
    assert (recount.is_exact, recount.after, waited) == (True, Usage(72, 4), [2.0])


def test_a_recount_of_a_busy_maildir_ends_and_says_so(box: Maildir) -> None:
    waited: list[float] = []

    def deliver_more(seconds: float) -> None:
        waited.append(seconds)
        box.folder("Trash").deliver(MESSAGE)  # does not count, so it disturbs nobody
        box.folder("Work").deliver(b"")

    now = os.stat(f"{box.path}/new").st_mtime + 3
    recount = recalculate_quota(box.path, pause=deliver_more, now=lambda: now)
    assert recount is not None
    assert (recount.is_exact, waited) == (True, [])
    os.utime(f"{box.path}/new", (now, now))
    recount = recalculate_quota(box.path, pause=deliver_more, now=lambda: now)
    assert recount is not None
    assert (recount.is_exact, len(waited)) == (False, 4)
    assert recount.after == measure(box.path)


def test_a_report_tells_its_progress(box: Maildir) -> None:
    seen: list[tuple[int, int]] = []
    report_quota(box.path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_bar_is_shown_on_a_terminal_only(
    box: Maildir, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("couriermail.cli.maildrop_progress.SHOWN_AFTER_SECONDS", -1.0)
    for stream, is_shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert maildirquota.run(read_command_line(["--recalculate", box.path])) == 0
        assert ("50%" in stream.getvalue()) is is_shown
        assert stream.getvalue().endswith("\r\x1b[K") is is_shown
    assert capfd.readouterr().out.count("\tcounted\t") == 2


def test_the_typer_app_declares_the_same_options() -> None:
    command = typer.main.get_command(app)
    declared = {name for parameter in command.params for name in parameter.opts}
    ours = {*maildirquota.OPTIONS_WITH_VALUE, *maildirquota.SWITCHES}
    assert declared - {"maildir", "--help"} == ours
    assert "--recalculate /home/*/Maildir" in (command.epilog or "")


def test_the_command_runs_without_typer(tmp_path: Path, box: Maildir) -> None:
    code = (
        "import sys; from couriermail.cli.maildirquota import run, read_command_line;"
        "run(read_command_line(['md'])); print('typer' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=tmp_path, timeout=30
    )
    assert done.stderr == b"False\n"
